"""Decision curves: is acting on the model's probabilities worth more than acting on all images, or on none?

At the threshold p, somebody acts where the chance of the disease is at least p, and so takes 1 - p needless actions in
the place of p missed diseases. The net benefit counts the diseases found, less the needless actions at that rate:
found / n - needless / n * p / (1 - p) (Vickers and Elkin 2006, Med Decis Making 26:565). Acting on none has 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lesionlab.evaluation.intervals import measured
from lesionlab.evaluation.metrics import Bools
from lesionlab.evaluation.predictions import Floats, Predictions
from lesionlab.evaluation.reasons import one_sided
from lesionlab.models.decisions import TARGETS, chance_of, columns

THRESHOLDS: tuple[float, ...] = tuple(percent / 100 for percent in range(1, 51))

MARGIN = 1e-12
"""Net benefits less far apart than this are equal: they were summed in another order."""


def decision_curves(predictions: Predictions, resamples: int = 2000, seed: int = 0) -> dict[str, Any]:
    """Return the decision curve of each of `TARGETS` with 95 % intervals bootstrapped by lesion, JSON-able.

    Keys: target -> {curve: [{threshold, model, all: each {value, low, high}}], better_at: the thresholds at which the
    model has more net benefit than acting on all images and than acting on none}; {undefined: why} where no image
    shows the target, or every one. Probabilities should be calibrated; prevalence is that of the images. Raises
    `UsageError` for too few resamples.
    """
    why = one_sided(predictions)
    return {
        target: {"undefined": why[target]} if why[target] else _curve(predictions, target, resamples, seed)
        for target in TARGETS
    }


def _curve(predictions: Predictions, target: str, resamples: int, seed: int) -> dict[str, Any]:
    shown = np.isin(predictions.truth, columns(TARGETS[target]))
    terms = benefit_terms(chance_of(target, predictions.probabilities), shown)
    names = [f"{who} {threshold}" for who in ("model", "all") for threshold in THRESHOLDS]

    def measures(weights: Floats) -> dict[str, Floats]:
        return dict(zip(names, (weights @ terms / weights.sum(axis=1, keepdims=True)).T, strict=True))

    found = measured(measures, predictions.lesions, resamples, seed)
    curve = [
        {"threshold": threshold, "model": found[f"model {threshold}"], "all": found[f"all {threshold}"]}
        for threshold in THRESHOLDS
    ]
    return {"curve": curve, "better_at": [row["threshold"] for row in curve if _better(row)]}


def benefit_terms(chance: Floats, shown: Bools) -> Floats:
    """Return each image's part in the net benefit (n, 100): at `THRESHOLDS` by the model, then acting on all."""
    thresholds = np.array(THRESHOLDS)
    worth = np.where(shown[:, None], 1.0, -thresholds / (1 - thresholds))
    return np.concatenate([worth * (chance[:, None] >= thresholds), worth], axis=1)


def _better(row: dict[str, Any]) -> bool:
    """Return whether the model has more net benefit than both."""
    return bool(row["model"]["value"] > max(row["all"]["value"], 0.0) + MARGIN)
