"""The temperature finds its way back to probabilities that are right, and the figures say so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from lesionlab.evaluation.calibration import calibrated, describe_fit, fit_calibration, reliability
from lesionlab.evaluation.metrics import BINS, sample, scores
from lesionlab.evaluation.predictions import Predictions


@pytest.fixture(scope="module")
def honest() -> Predictions:
    """3000 images whose truth is drawn from their probabilities."""
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (3000, 7))
    odds = np.exp(logits)
    p = odds / odds.sum(1, keepdims=True)
    truth = (rng.random((3000, 1)) > p.cumsum(1)).sum(1).clip(0, 6)
    return Predictions(tuple(f"i{n}" for n in range(3000)), tuple(f"l{n // 2}" for n in range(3000)), truth, p)


def distorted(honest: Predictions, scale: float, shift: np.ndarray | None = None) -> Predictions:
    logs = scale * np.log(honest.probabilities) + (0 if shift is None else shift)
    odds = np.exp(logs)
    return replace(honest, probabilities=odds / odds.sum(1, keepdims=True))


@pytest.mark.parametrize("scale", [0.4, 1.0, 2.5])
def test_the_temperature_undoes_a_distortion(honest: Predictions, scale: float) -> None:
    temperature, bias = fit_calibration(distorted(honest, scale))
    assert temperature == pytest.approx(scale, rel=0.08)
    np.testing.assert_allclose(bias, 0, atol=0.15)
    found = calibrated(distorted(honest, scale), temperature, bias)
    np.testing.assert_allclose(found.probabilities, honest.probabilities, atol=0.04)


def test_biases_undo_another_prior(honest: Predictions) -> None:
    shift = np.array([0.8, -0.3, 0, 0, 0.5, -1, 0])
    other = distorted(honest, 1.5, shift)
    temperature, bias = fit_calibration(other)
    assert temperature == pytest.approx(1.5, rel=0.08)
    np.testing.assert_allclose(bias * temperature, -(shift - shift.mean()), atol=0.3)
    found = calibrated(other, temperature, bias)
    assert (found.predicted == other.predicted).all()
    shares = np.bincount(honest.truth, minlength=7) / len(honest)
    before, after = (np.abs(table.probabilities.mean(0) - shares).max() for table in (other, found))
    assert after < before / 2


def test_the_fit_tells_figures_before_and_after(honest: Predictions) -> None:
    sure = distorted(honest, 2.5)
    fit = describe_fit(sure, calibrated(sure, *fit_calibration(sure)), "val", resamples=60)
    assert (fit.part, fit.images, fit.lesions) == ("val", 3000, 1500)
    assert fit.nll_after < fit.nll_before
    assert fit.ece_after.value < 0.03 < fit.ece_before.value
    assert fit.ece_before.low is not None and fit.ece_before.high is not None
    assert fit.ece_before.low < fit.ece_before.value < fit.ece_before.high
    assert describe_fit(sure, sure, "val", resamples=0).ece_before.low is None


def test_one_image_alone_can_be_fitted(draw: Callable[..., Predictions]) -> None:
    one = draw(1)
    assert describe_fit(one, calibrated(one, *fit_calibration(one)), "val", 40).ece_after.low is None


def test_a_diagnosis_of_chance_0_in_the_truth_is_no_obstacle() -> None:
    table = np.eye(7)[[4, 5, 5]]
    voted = Predictions(("a", "b", "c"), ("a", "b", "c"), np.array([4, 5, 4]), table)
    temperature, bias = fit_calibration(voted)
    assert np.isfinite(temperature) and np.isfinite(bias).all()


def test_the_bins_are_those_of_the_ece(draw: Callable[..., Predictions]) -> None:
    predictions = draw(400)
    found = reliability(predictions)
    assert found.images.sum() == 400 and len(found.images) == BINS
    gaps = np.nansum(np.abs(found.confidence - found.accuracy) * found.images) / 400
    assert gaps == pytest.approx(scores(sample(predictions), np.ones((1, 400))).overall["ece"][0])
