"""Calibration: what makes probabilities mean what they say, and how far off they are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lesionlab.diagnoses import CODES
from lesionlab.evaluation.intervals import bootstrap, interval
from lesionlab.evaluation.metrics import BINS, equal_width, sample, scores
from lesionlab.evaluation.predictions import Floats, Ints, Predictions
from lesionlab.models.decisions import FLOOR, Figure, Fit, calibrate
from lesionlab.models.probabilities import softmax

SPREAD = 1.0
"""How large biases and the temperature's logarithm are expected to be: a normal prior's standard deviation.

It decides where there are few images of a diagnosis, or few at all.
"""


def fit_calibration(predictions: Predictions) -> tuple[float, Floats]:
    """Return the temperature and the biases (7,), summing to 0, of `decisions.calibrate` with the least log loss.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017 (vector scaling with one scale), penalised as
    `SPREAD` says. A temperature alone cannot mend answers that use another class prior than the images have: on two
    runs, cross-fitted by lesion, it left an ECE of .079 and .025 and a log loss of .716 and .497, with biases .040 and
    .023, .486 and .469. Diagnoses stay as they are.
    """
    from scipy.optimize import minimize

    logs, truth = np.log(np.maximum(predictions.probabilities, FLOOR)), predictions.truth
    rows, shown = np.arange(len(truth)), np.eye(len(CODES))[truth]

    def loss(found: Floats) -> tuple[float, Floats]:
        scale, bias = np.exp(found[0]), found[1:]
        chances = softmax(scale * logs + bias)
        off = (chances - shown) / len(truth)
        slope = np.concatenate([[scale * (off * logs).sum()], off.sum(axis=0)])
        prior = found / SPREAD**2 / len(truth)
        nll = -np.log(np.maximum(chances[rows, truth], FLOOR)).mean()
        return float(nll + (prior * found).sum() / 2), slope + prior

    found = minimize(loss, np.zeros(1 + len(CODES)), jac=True, method="L-BFGS-B").x
    return float(np.exp(-found[0])), found[1:] - found[1:].mean()


def calibrated(predictions: Predictions, temperature: float, bias: Floats) -> Predictions:
    """Return the predictions with their probabilities calibrated."""
    return replace(predictions, probabilities=calibrate(predictions.probabilities, temperature, bias))


def describe_fit(before: Predictions, after: Predictions, part: str, resamples: int, seed: int = 0) -> Fit:
    """Return log loss and ECE of the same images before and after calibrating, with intervals bootstrapped by lesion.

    `resamples` 0 leaves the intervals out. The fit was on these very images, which flatters them a little.
    """
    return Fit(
        part=part,
        images=len(before),
        lesions=int(before.lesions.max()) + 1,
        nll_before=_value(before, "nll"),
        nll_after=_value(after, "nll"),
        ece_before=_ece(before, resamples, seed),
        ece_after=_ece(after, resamples, seed),
    )


def _value(predictions: Predictions, name: str) -> float:
    return float(scores(sample(predictions), np.ones((1, len(predictions)))).overall[name][0])


def _ece(predictions: Predictions, resamples: int, seed: int) -> Figure:
    value = _value(predictions, "ece")
    if not resamples or predictions.lesions.max() == 0:
        return Figure(value=value)
    drawn = interval(bootstrap(predictions, resamples, seed).overall["ece"])
    return Figure(value=value, low=drawn.low, high=drawn.high)


@dataclass(frozen=True)
class Reliability:
    """Images by confidence in `BINS` bins of equal width: how many (b,), their mean confidence and accuracy (b,).

    Mean and accuracy are NaN in an empty bin.
    """

    images: Ints
    confidence: Floats
    accuracy: Floats


def reliability(predictions: Predictions) -> Reliability:
    """Return how often the answers of each confidence are right; bins are those of the ECE, closed on the right."""
    confidence = predictions.probabilities.max(axis=1)
    right = (predictions.predicted == predictions.truth).astype(np.float64)
    number = equal_width(confidence)
    images = np.bincount(number, minlength=BINS)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(number, weights=values, minlength=BINS) / images for values in (confidence, right)]
    return Reliability(images, *means)
