"""A slice of the images: what a bootstrap needs to give its figures, and which of them it is too small for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lesionlab.diagnoses import CODES
from lesionlab.errors import UsageError
from lesionlab.evaluation.metrics import IS_MALIGNANT, MELANOMA, Bools, Ranking, auroc, from_confusion, ranking, ratio
from lesionlab.evaluation.predictions import Floats, Ints, Predictions

METRICS: dict[str, str] = {
    "balanced_accuracy": "balanced accuracy",
    "melanoma_sensitivity": "melanoma sensitivity",
    "melanoma_specificity": "melanoma specificity",
    "melanoma_auroc": "melanoma AUROC",
    "malignant_auroc": "malignant AUROC",
    "ece": "calibration error (ECE)",
}
"""The metrics' names in words. Sensitivity and specificity are those of the likeliest diagnosis being melanoma."""

SHARED = "balanced accuracy over shared classes"

_K = len(CODES)


@dataclass(frozen=True)
class Guard:
    """The fewest images that a figure is told of: in all, and of each kind that it compares or takes a share of."""

    images: int = 50
    kind: int = 10

    def __post_init__(self) -> None:
        if self.images < 1 or self.kind < 1:
            raise UsageError(f"a guard of {self.images} images and {self.kind} of a kind", "both are at least 1")


@dataclass(frozen=True, eq=False)
class Slice:
    """Some of the images: which rows they are, their summable terms (m, 66), and their two-class questions.

    `too_few` tells why a metric is not to be told of them; `classes` (7,) marks the diagnoses with enough images.
    """

    rows: Ints
    terms: Floats
    melanoma: Ranking
    malignant: Ranking
    too_few: dict[str, str]
    classes: Bools


def cut(predictions: Predictions, terms: Floats, chosen: Bools, guard: Guard) -> Slice:
    """Return the slice of the `chosen` (n,) images, possibly none; `terms` (n, 66) are those of `metrics.Sample`."""
    p, truth = predictions.probabilities[chosen], predictions.truth[chosen]
    counts = np.bincount(truth, minlength=_K)
    return Slice(
        np.flatnonzero(chosen),
        terms[chosen],
        ranking(p[:, MELANOMA], truth == MELANOMA),
        ranking(p[:, IS_MALIGNANT].sum(axis=1), IS_MALIGNANT[truth]),
        _too_few(counts, guard),
        counts >= guard.kind,
    )


def _too_few(counts: Ints, guard: Guard) -> dict[str, str]:
    """Return metric -> why images with so many of each diagnosis (7,) are too few for it."""
    images, melanomas, malignant = int(counts.sum()), int(counts[MELANOMA]), int(counts[IS_MALIGNANT].sum())
    if images < guard.images:
        return dict.fromkeys(METRICS, f"{_plural(images, 'image')}, {guard.images} needed")
    kinds = {
        "melanoma_sensitivity": {"melanoma": melanomas},
        "melanoma_specificity": {"other image": images - melanomas},
        "melanoma_auroc": {"melanoma": melanomas, "other image": images - melanomas},
        "malignant_auroc": {"malignant image": malignant, "benign image": images - malignant},
    }
    found = {
        metric: f"{_plural(count, kind)}, {guard.kind} needed"
        for metric, needed in kinds.items()
        for kind, count in needed.items()
        if count < guard.kind
    }
    if (counts >= guard.kind).sum() < 2:
        found["balanced_accuracy"] = f"fewer than two diagnoses with {guard.kind} images"
    return found


def _plural(count: int, kind: str) -> str:
    return f"{count} {kind}{'' if count == 1 else 's'}"


def values(of: Slice, weights: Floats, shared: Bools) -> dict[str, Floats]:
    """Return every metric (b,) of a slice, for the weights (b, n) of all images; NaN where undefined.

    Balanced accuracy is there twice: over the slice's own diagnoses, and as `SHARED` over those in `shared`, bool (7,).
    """
    own = weights[:, of.rows]
    sums = own @ of.terms
    confusion, gaps = sums[:, : _K * _K].reshape(-1, _K, _K), sums[:, _K * _K + 2 :]
    per_class = from_confusion(confusion)
    recall = per_class["recall"]
    return {
        "balanced_accuracy": _mean(recall, of.classes),
        SHARED: _mean(recall, shared),
        "melanoma_sensitivity": recall[:, MELANOMA],
        "melanoma_specificity": per_class["specificity"][:, MELANOMA],
        "melanoma_auroc": auroc(of.melanoma, own),
        "malignant_auroc": auroc(of.malignant, own),
        "ece": ratio(np.abs(gaps).sum(axis=1), confusion.sum(axis=(1, 2))),
    }


def _mean(recall: Floats, classes: Bools) -> Floats:
    """Return the mean (b,) of recall (b, 7) over some classes, NaN where there is none."""
    return recall[:, classes].mean(axis=1) if classes.any() else np.full(len(recall), np.nan)
