"""Decision curves: counted by hand, and what they must be where a model knows nothing, or everything."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionlab.errors import UsageError
from lesionlab.evaluation.net_benefit import THRESHOLDS, decision_curves
from lesionlab.evaluation.predictions import Predictions


def with_chances(chances: list[float], truth: list[int]) -> Predictions:
    """Return images whose chance of melanoma is given, the rest being nevus."""
    table = np.zeros((len(chances), 7))
    table[:, 4], table[:, 5] = chances, 1 - np.array(chances)
    names = tuple(str(i) for i in range(len(chances)))
    return Predictions(names, names, np.array(truth), table)


def at(found: dict, threshold: float) -> tuple[float, float]:
    (row,) = [row for row in found["curve"] if row["threshold"] == threshold]
    return row["model"]["value"], row["all"]["value"]


def test_counted_by_hand() -> None:
    """Two melanomas of five; at 0.2 both and one nevus are acted on, at 0.5 one melanoma."""
    found = decision_curves(with_chances([0.8, 0.3, 0.25, 0.1, 0.0], [4, 4, 5, 5, 5]), 0)["melanoma"]
    assert at(found, 0.2) == pytest.approx((2 / 5 - 1 / 5 * 0.25, 2 / 5 - 3 / 5 * 0.25))
    assert at(found, 0.5) == pytest.approx((1 / 5, 2 / 5 - 3 / 5))
    assert at(found, 0.3)[0] == pytest.approx(2 / 5)  # a chance of just the threshold counts
    assert found["better_at"] == list(THRESHOLDS)


def test_thresholds_are_the_first_fifty_percents() -> None:
    assert (len(THRESHOLDS), THRESHOLDS[0], THRESHOLDS[28], THRESHOLDS[-1]) == (50, 0.01, 0.29, 0.5)


def test_a_model_that_knows_nothing_is_never_better() -> None:
    """One chance for all images: below it all are acted on, above it none; neither is better than doing so blindly."""
    found = decision_curves(with_chances([0.25] * 8, [4, 4, 5, 5, 5, 5, 5, 5]), 60)
    assert found["melanoma"]["better_at"] == []
    for row in found["melanoma"]["curve"]:
        expected = row["all"]["value"] if row["threshold"] <= 0.25 else 0.0
        assert row["model"]["value"] == pytest.approx(expected, abs=1e-12)


def test_a_perfect_model_has_the_prevalence() -> None:
    found = decision_curves(with_chances([1, 1, 0, 0, 0], [4, 4, 5, 5, 5]), 0)["melanoma"]
    assert {round(row["model"]["value"], 12) for row in found["curve"]} == {0.4}


@pytest.mark.parametrize(
    ("truth", "melanoma", "malignant"),
    [
        ([5, 5, 6], "no image in the truth is mel", "every image in the truth is benign"),
        ([4, 4, 4], "every image in the truth is mel", "every image in the truth is malignant"),
        ([1, 5, 5], "no image in the truth is mel", None),
    ],
)
def test_one_sided_targets_are_undefined(truth: list[int], melanoma: str, malignant: str | None) -> None:
    found = decision_curves(with_chances([0.3, 0.2, 0.1], truth), 0)
    assert found["melanoma"] == {"undefined": melanoma}
    assert found["malignant"].get("undefined") == malignant


def test_intervals_hold_the_value_and_all_is_json(draw) -> None:
    found = decision_curves(draw(300, lesions=200), 200, seed=1)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for curve in found.values():
        for row in curve["curve"]:
            for who in ("model", "all"):
                assert row[who]["low"] <= row[who]["value"] <= row[who]["high"]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_no_model_beats_the_prevalence(draw, seed: int) -> None:
    predictions = draw(60, seed=seed)
    for target, share in (
        ("melanoma", (predictions.truth == 4).mean()),
        ("malignant", np.isin(predictions.truth, [0, 1, 4]).mean()),
    ):
        assert all(row["model"]["value"] <= share + 1e-12 for row in decision_curves(predictions, 0)[target]["curve"])


def test_too_few_resamples_are_refused(draw) -> None:
    with pytest.raises(UsageError, match="39 resamples"):
        decision_curves(draw(20), 39)
