"""Scores made into probabilities."""

from __future__ import annotations

import numpy as np

from lesionlab.models.probabilities import softmax


def test_softmax_neither_overflows_nor_loses_small_classes() -> None:
    np.testing.assert_allclose(softmax(np.array([[1000.0, 1000.0, -1000.0]])), [[0.5, 0.5, 0.0]])
    np.testing.assert_allclose(softmax(np.log([[1.0, 2.0, 7.0]])), [[0.1, 0.2, 0.7]])
