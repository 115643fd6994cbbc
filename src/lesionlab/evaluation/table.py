"""Every figure of an evaluation, for many weightings of the images at once: `metrics.scores`, and what it leaves out.

What is here and not there is told of a finished model only; choosing and comparing models need no such thing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lesionlab.diagnoses import CODES
from lesionlab.evaluation.curves import average_precision, counted, partial_auroc, sensitivity_at, specificity_at
from lesionlab.evaluation.metrics import BINS, MELANOMA, PER_CLASS, Bools, equal_width, ratio, sample, scores
from lesionlab.evaluation.predictions import Floats, Ints, Predictions
from lesionlab.models.decisions import TARGETS, chance_of, columns

FURTHER: tuple[str, ...] = ("macro_auprc", "kappa", "mcc", "ece_equal_mass")
"""What follows `metrics.OVERALL` in the table."""

OF_CLASS: tuple[str, ...] = (*PER_CLASS, "auprc")
"""What is told of each diagnosis."""

SHARES: tuple[float, ...] = (0.80, 0.90, 0.95)
"""The specificities at which sensitivity is told, and the other way round."""

OF_TARGET: tuple[str, ...] = (
    *("auroc", "auprc", "pauc"),
    *(f"sensitivity_at_specificity_{share:.2f}" for share in SHARES),
    *(f"specificity_at_sensitivity_{share:.2f}" for share in SHARES),
    *("brier", "nll", "ece", "ece_equal_mass"),
)
"""What is told of each of `decisions.TARGETS`, asked against the rest."""

_QUESTIONS: dict[str, int] = {"melanoma": MELANOMA, "malignant": len(CODES)}
"""Target -> its place among `Sample.rankings`."""


def measures(predictions: Predictions, min_tpr: float) -> Callable[[Floats], dict[str, Floats]]:
    """Return what gives every figure (b,) by name for image weights (b, n); NaN where undefined.

    Names are those of `metrics.OVERALL` and `FURTHER`; "recall.mel" for `OF_CLASS`; "melanoma.pauc" for `OF_TARGET`.
    `min_tpr` : see `curves.partial_auroc`.
    """
    of = sample(predictions)
    confidence, right = predictions.probabilities.max(axis=1), predictions.predicted == predictions.truth
    gaps = _gaps(confidence, right, equal_mass(confidence))
    losses = {
        target: loss_terms(chance_of(target, predictions.probabilities), np.isin(predictions.truth, columns(codes)))
        for target, codes in TARGETS.items()
    }

    def measure(weights: Floats) -> dict[str, Floats]:
        found, total = scores(of, weights), weights.sum(axis=1)
        precise = [average_precision(counted(question, weights)) for question in of.rankings]
        per_class = found.per_class | {"auprc": np.stack(precise[:-1], axis=1)}
        table = found.overall | {
            "macro_auprc": per_class["auprc"][:, of.present].mean(axis=1),
            "kappa": kappa(found.confusion),
            "mcc": mcc(found.confusion),
            "ece_equal_mass": ratio(np.abs(weights @ gaps).sum(axis=1), total),
        }
        table |= {f"{name}.{code}": per_class[name][:, k] for name in OF_CLASS for k, code in enumerate(CODES)}
        for target, place in _QUESTIONS.items():
            along = counted(of.rankings[place], weights)
            figures = [found.overall[f"{target}_auroc"], precise[place], partial_auroc(along, min_tpr)]
            figures += [sensitivity_at(along, share) for share in SHARES]
            figures += [specificity_at(along, share) for share in SHARES]
            figures += _losses(weights @ losses[target], total)
            table |= {f"{target}.{name}": figure for name, figure in zip(OF_TARGET, figures, strict=True)}
        return table

    return measure


def equal_mass(probability: Floats) -> Ints:
    """Return which of `BINS` bins of equally many images each probability (n,) falls into, from 0.

    The bins lie between quantiles of the probabilities and are closed on the right; images of equal probability share
    one. In a resample they stay those of the sample (Nixon et al. 2019, Measuring calibration in deep learning).
    """
    edges = np.quantile(probability, np.arange(1, BINS) / BINS)
    return np.asarray(np.searchsorted(edges, probability, side="left"))


def _gaps(probability: Floats, happened: Bools, bins: Ints) -> Floats:
    """Return terms (n, `BINS`): probability minus what happened, in the column of the image's bin."""
    return np.asarray(np.eye(BINS)[bins] * (probability - happened)[:, None])


def loss_terms(probability: Floats, shown: Bools) -> Floats:
    """Return what is summed over n images for a two-class question's Brier score, log loss and calibration errors.

    The columns (n, 2 + 2 * `BINS`): (probability - shown)^2, from 0 to 1 (Brier 1950); the log loss in nats, clipped
    as in `metrics.sample`; the gaps in bins of equal width, then of equal mass, of the probability of yes.
    """
    likelihood = np.clip(np.where(shown, probability, 1 - probability), np.finfo(np.float64).eps, 1.0)
    squares_and_logs = np.stack([(probability - shown) ** 2, -np.log(likelihood)], axis=1)
    gaps = [_gaps(probability, shown, bins) for bins in (equal_width(probability), equal_mass(probability))]
    return np.concatenate([squares_and_logs, *gaps], axis=1)


def _losses(sums: Floats, total: Floats) -> list[Floats]:
    """Return Brier score, log loss and both calibration errors, each (b,), of summed `loss_terms` (b, 2 + 2 * BINS)."""
    wide, massed = np.abs(sums[:, 2 : 2 + BINS]), np.abs(sums[:, 2 + BINS :])
    return [ratio(sums[:, 0], total), ratio(sums[:, 1], total), *(ratio(gap.sum(1), total) for gap in (wide, massed))]


def kappa(confusion: Floats) -> Floats:
    """Return Cohen's kappa (b,), unweighted, of confusion matrices (b, 7, 7): agreement beyond chance.

    Cohen 1960, A coefficient of agreement for nominal scales. NaN where chance alone agrees everywhere.
    """
    hit, total, truth, answers = _margins(confusion)
    by_chance = (truth * answers).sum(axis=1)
    return ratio(total * hit - by_chance, total**2 - by_chance)


def mcc(confusion: Floats) -> Floats:
    """Return the Matthews correlation coefficient (b,) of confusion matrices (b, 7, 7).

    For several classes as R_K of Gorodkin 2004, Comparing two K-category assignments by a K-category correlation
    coefficient. NaN where all truths, or all answers, are one class.
    """
    hit, total, truth, answers = _margins(confusion)
    spread = (total**2 - (truth**2).sum(axis=1)) * (total**2 - (answers**2).sum(axis=1))
    return ratio(total * hit - (truth * answers).sum(axis=1), np.sqrt(spread))


def _margins(confusion: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the weight on the diagonal (b,), the whole weight (b,), and the sums of rows and columns (b, 7)."""
    hit = np.trace(confusion, axis1=1, axis2=2)
    return hit, confusion.sum(axis=(1, 2)), confusion.sum(axis=2), confusion.sum(axis=1)
