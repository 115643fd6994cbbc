"""Operating points: the thresholds at which melanomas, or malignant lesions, are called so; and when to abstain."""

from __future__ import annotations

import numpy as np

from lesionlab.evaluation.predictions import Floats, Predictions
from lesionlab.models.decisions import TARGETS, OperatingPoint, chance_of, columns

AIMS: tuple[str, ...] = tuple(
    f"{what} {share:.2f}" for what in ("sensitivity", "specificity") for share in (0.80, 0.90, 0.95)
)
"""What thresholds are chosen for."""

DEFAULT = "sensitivity 0.90"
"""The aim whose threshold decides whether an image is called malignant."""

ABSTAINING = 0.10
"""Share of validation images, the least certain ones, of which a model abstains."""


def fit_points(predictions: Predictions) -> list[OperatingPoint]:
    """Return a point for each of `TARGETS` and `AIMS`; a target that all images show, or none, has no points."""
    found = []
    for target, codes in TARGETS.items():
        shown = np.isin(predictions.truth, columns(codes))
        if shown.any() and not shown.all():
            chance = chance_of(target, predictions.probabilities)
            found += [_point(target, aim, chance[shown], chance[~shown]) for aim in AIMS]
    return found


def _point(target: str, aim: str, positives: Floats, negatives: Floats) -> OperatingPoint:
    """Return the point that reaches the aim at the least cost, of the chances of images that show the target or not.

    For a sensitivity it is the highest threshold that reaches it, for a specificity the lowest. The threshold stands
    in the middle between two images' chances, so that the last digit of an image decides nothing.
    """
    what, share = aim.split()
    ordered = np.unique(np.concatenate([positives, negatives, [0.0, 1.0]]))
    if what == "sensitivity":
        lowest = np.sort(positives)[len(positives) - _count(share, len(positives))]
        low, high = ordered[max(0, np.searchsorted(ordered, lowest) - 1)], lowest
    else:
        low = np.sort(negatives)[_count(share, len(negatives)) - 1]
        high = ordered[min(len(ordered) - 1, np.searchsorted(ordered, low, side="right"))]
    threshold = float((low + high) / 2)
    return OperatingPoint(
        target=target,  # type: ignore[arg-type]
        aim=aim,
        threshold=threshold,
        sensitivity=float((positives >= threshold).mean()),
        specificity=float((negatives < threshold).mean()),
    )


def _count(share: str, images: int) -> int:
    """Return the least number of so many images that is this share of them."""
    return int(np.ceil(float(share) * images - 1e-9))


def fit_abstaining(predictions: Predictions) -> float:
    """Return the largest probability below which the `ABSTAINING` least certain images lie."""
    return float(np.quantile(predictions.probabilities.max(axis=1), ABSTAINING))
