"""Predictions drawn at random: unbalanced classes, several images per lesion, ties where asked for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lesionlab.diagnoses import CODES
from lesionlab.evaluation.predictions import Predictions

Draw = Callable[..., Predictions]


def draw_predictions(n: int = 300, seed: int = 0, lesions: int | None = None, ties: bool = False) -> Predictions:
    """Return n images of about `lesions` lesions (default 0.7 n), every class at least twice where n allows it.

    With `ties` the probabilities are multiples of 1/16, so that many scores are equal.
    """
    generator = np.random.default_rng(seed)
    truth = generator.choice(7, n, p=[0.06, 0.08, 0.12, 0.04, 0.13, 0.53, 0.04])
    truth[:14] = np.arange(min(14, n)) % 7
    if ties:
        parts = generator.multinomial(13, np.full(7, 1 / 7), size=n) + 0.0
        parts[np.arange(n), truth] += 3
        probabilities = parts / 16
    else:
        logits = generator.normal(size=(n, 7))
        logits[np.arange(n), truth] += 1.5
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    numbers = generator.integers(0, lesions or max(1, int(0.7 * n)), size=n)
    return Predictions(tuple(f"image{i}" for i in range(n)), tuple(f"lesion{i}" for i in numbers), truth, probabilities)


@pytest.fixture(scope="session")
def draw() -> Draw:
    """The function `draw_predictions`."""
    return draw_predictions


@pytest.fixture(scope="session")
def by_hand() -> Predictions:
    """Ten images of mel (index 4), nv (5) and bcc (1), certain answers; the confusion matrix is known by eye.

    truth mel: 3 right, 1 taken for nv; truth nv: 4 right, 1 taken for mel; truth bcc: 1, taken for nv.
    """
    pairs = [(4, 4), (4, 4), (4, 4), (4, 5), (5, 5), (5, 5), (5, 5), (5, 5), (5, 4), (1, 5)]
    truth = np.array([pair[0] for pair in pairs])
    probabilities = np.full((10, len(CODES)), 0.05)
    probabilities[np.arange(10), [pair[1] for pair in pairs]] = 0.7
    names = tuple(f"image{i}" for i in range(10))
    return Predictions(names, names, truth, probabilities)
