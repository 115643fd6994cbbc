"""Prediction sets cover what they promise, class by class, and are those of crepes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lesionlab.diagnoses import CODES
from lesionlab.evaluation.conformal import fit_conformal
from lesionlab.evaluation.predictions import Predictions
from lesionlab.models.decisions import prediction_sets


def test_each_diagnosis_is_covered_on_new_images(draw: Callable[..., Predictions]) -> None:
    conformal = fit_conformal(draw(4000, seed=1))
    new = draw(4000, seed=2)
    covered = prediction_sets(new.probabilities, conformal)[np.arange(4000), new.truth]
    for k in range(len(CODES)):
        inside, images = covered[new.truth == k].sum(), (new.truth == k).sum()
        spread = 3 * np.sqrt(0.9 * 0.1 / images)
        assert 0.9 - 2 * spread < inside / images < 0.9 + 2 * spread + 0.05


@pytest.mark.parametrize("coverage", [0.83, 0.89])  # where (n + 1)(1 - coverage) is whole, crepes lets one more pass
@pytest.mark.parametrize("ties", [False, True])
def test_sets_are_those_of_crepes(draw: Callable[..., Predictions], coverage: float, ties: bool) -> None:
    from crepes import ConformalClassifier

    validate, new = draw(600, seed=3, ties=ties), draw(200, seed=4, ties=ties)
    rows = np.arange(len(validate))
    other = ConformalClassifier().fit(1 - validate.probabilities[rows, validate.truth], bins=validate.truth)

    def passes(k: int) -> np.ndarray:
        scores, kinds = 1 - new.probabilities[:, [k]], np.full(200, k)
        return np.asarray(other.predict_set(scores, bins=kinds, confidence=coverage, smoothing=False)[:, 0])

    expected = np.stack([passes(k) for k in range(7)], axis=1).astype(bool)
    expected[np.arange(200), new.predicted] = True
    conformal = fit_conformal(validate, coverage)
    np.testing.assert_array_equal(prediction_sets(new.probabilities, conformal), expected)
    assert conformal.images == np.bincount(validate.truth, minlength=7).tolist()


def test_too_few_images_let_everything_pass_and_none_nothing() -> None:
    names = tuple(f"i{n}" for n in range(17))
    truth = np.array([4] * 8 + [5] * 9)
    table = np.full((17, 7), 0.05)
    table[np.arange(17), truth] = 0.7
    conformal = fit_conformal(Predictions(names, names, truth, table))
    assert conformal.thresholds == [1, 1, 1, 1, 0, 0.7, 1]
