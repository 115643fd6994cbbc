"""Thresholds reach what they were chosen for, on the images that they were chosen on, at the least cost."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lesionlab.evaluation.operating import AIMS, fit_abstaining, fit_points
from lesionlab.evaluation.predictions import Predictions
from lesionlab.models.decisions import TARGETS, OperatingPoint, chance_of


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "ties"])
def predictions(request: pytest.FixtureRequest, draw: Callable[..., Predictions]) -> Predictions:
    return draw(400, ties=request.param)


def shares(predictions: Predictions, target: str, threshold: float) -> tuple[float, float]:
    """Return sensitivity and specificity by counting."""
    shown = np.array([code in (1, 0, 4) if target == "malignant" else code == 4 for code in predictions.truth])
    called = chance_of(target, predictions.probabilities) >= threshold
    return called[shown].mean(), (~called[~shown]).mean()


def test_points_reach_their_aims_at_the_least_cost(predictions: Predictions) -> None:
    found = fit_points(predictions)
    assert [(point.target, point.aim) for point in found] == [(target, aim) for target in TARGETS for aim in AIMS]
    for point in found:
        reached = shares(predictions, point.target, point.threshold)
        assert reached == (point.sensitivity, point.specificity)
        what, share = point.aim.split()
        number = ("sensitivity", "specificity").index(what)
        assert reached[number] >= float(share)
        chances = np.unique(chance_of(point.target, predictions.probabilities))
        others = [shares(predictions, point.target, threshold) for threshold in [*chances, 1.1]]
        assert reached[1 - number] == max(other[1 - number] for other in others if other[number] >= float(share))


def test_a_threshold_lies_between_two_images(predictions: Predictions) -> None:
    for point in fit_points(predictions):
        assert not (chance_of(point.target, predictions.probabilities) == point.threshold).any()


def only(code: int) -> Predictions:
    names = tuple("abc")
    return Predictions(names, names, np.full(3, code), np.full((3, 7), 1 / 7))


@pytest.mark.parametrize("code", [0, 4, 5])
def test_what_all_images_show_or_none_has_no_points(code: int) -> None:
    assert fit_points(only(code)) == []


def test_equal_chances_cannot_be_parted() -> None:
    names = tuple("abcd")
    table = np.full((4, 7), 1 / 7)
    points = fit_points(Predictions(names, names, np.array([4, 4, 5, 5]), table))
    found: dict[str, OperatingPoint] = {point.aim: point for point in points if point.target == "melanoma"}
    assert (found["sensitivity 0.90"].sensitivity, found["sensitivity 0.90"].specificity) == (1, 0)
    assert (found["specificity 0.90"].sensitivity, found["specificity 0.90"].specificity) == (0, 1)


def test_a_tenth_of_the_images_is_less_certain(draw: Callable[..., Predictions]) -> None:
    predictions = draw(500)
    assert (predictions.probabilities.max(1) < fit_abstaining(predictions)).mean() == pytest.approx(0.1, abs=0.002)
