"""Every metric, for many weightings of the images at once.

A weighting is a row of weights, one per image: all ones give the plain metric, the counts of a bootstrap draw
give the metric of that resample. `Sample` computes once what does not depend on the weights; `scores` then needs one
matrix product and, for each AUROC, one cumulative sum.

Conventions
-----------
* A class without any weight in the truth has no precision, recall, F1 or AUROC: they are NaN here and None with a
  reason in the results. Precision of a class that exists but is never predicted is 0, and so is its F1. A class that
  every image is taken for has no negative predictive value.
* A macro mean is over the classes that exist in the truth of the whole sample. A weighting that gives one of
  them no weight has no macro mean (NaN): the mean over fewer classes would be another quantity.
* Accuracy is the share of images whose diagnosis is right. The seed paper prints the two-class formula (1) but
  reports this one. Precision, recall, F1 and their means follow its formulas (2.1) to (4.2): macro F1 is the mean
  of the classes' F1. Balanced accuracy (the ISIC 2018 metric) is the macro recall.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lesionlab.diagnoses import CODES, DIAGNOSES
from lesionlab.evaluation.predictions import Floats, Ints, Predictions

Bools = npt.NDArray[np.bool_]

BINS = 15
"""Equal-width bins of the expected calibration error."""

OVERALL: tuple[str, ...] = (
    "accuracy",
    "balanced_accuracy",
    "macro_precision",
    "macro_recall",
    "macro_f1",
    "macro_auroc",
    "melanoma_auroc",
    "malignant_auroc",
    "brier",
    "nll",
    "ece",
)
"""The names in `Scores.overall`, in the order in which they are reported."""

LOWER_IS_BETTER: tuple[str, ...] = ("brier", "nll", "ece")

PER_CLASS: tuple[str, ...] = ("precision", "recall", "specificity", "npv", "f1", "auroc")
"""The names in `Scores.per_class`; recall is sensitivity, precision is PPV."""

_K = len(CODES)
MELANOMA = CODES.index("mel")
IS_MALIGNANT: Bools = np.array([diagnosis.malignant for diagnosis in DIAGNOSES])


@dataclass(frozen=True)
class Ranking:
    """One two-class question with its images ranked by score, ready for weights.

    `positives` (p,) and `negatives` (m,) are rows, the positives in descending order of score, the negatives in
    ascending order. For each positive, `below` (p,) counts the negatives that score less, `upto` (p,) those that score
    no more, and `through` (p,) the positives that score at least as much.
    """

    positives: Ints
    negatives: Ints
    below: Ints
    upto: Ints
    through: Ints


@dataclass(frozen=True)
class Sample:
    """What the metrics need to know of n images.

    `present` (7,) marks the classes that exist in the truth. `terms` (n, 66) holds what is summed over images: 49
    indicators of (truth, predicted), the Brier and log loss, and per confidence bin confidence minus correctness.
    `rankings` are the seven classes against the rest, then malignant against benign.
    """

    present: Bools
    terms: Floats
    rankings: tuple[Ranking, ...]


@dataclass(frozen=True)
class Scores:
    """All metrics for b weightings; NaN where undefined.

    `overall` maps `OVERALL` to (b,), `per_class` maps `PER_CLASS` to (b, 7), `confusion` is (b, 7, 7) with the truth
    in rows.
    """

    overall: dict[str, Floats]
    per_class: dict[str, Floats]
    confusion: Floats


def sample(predictions: Predictions) -> Sample:
    """Return what `scores` needs, computed once from the predictions.

    Brier is the sum over the seven classes of the squared distance to the one-hot truth (0 to 2); the log loss
    (nll, nats) clips probabilities at the float64 epsilon, as scikit-learn does; bins are closed on the right
    (Guo et al. 2017, On Calibration of Modern Neural Networks).
    """
    p, truth, predicted = predictions.probabilities, predictions.truth, predictions.predicted
    rows = np.arange(len(predictions))
    onehot = np.eye(_K)[truth]
    confidence = p[rows, predicted]
    terms = np.concatenate(
        [
            np.eye(_K * _K)[truth * _K + predicted],
            ((p - onehot) ** 2).sum(axis=1, keepdims=True),
            -np.log(np.clip(p[rows, truth], np.finfo(np.float64).eps, 1.0))[:, None],
            np.eye(BINS)[equal_width(confidence)] * (confidence - (truth == predicted))[:, None],
        ],
        axis=1,
    )
    questions = [ranking(p[:, k], truth == k) for k in range(_K)]
    questions.append(ranking(p[:, IS_MALIGNANT].sum(axis=1), IS_MALIGNANT[truth]))
    return Sample(np.bincount(truth, minlength=_K) > 0, terms, tuple(questions))


def equal_width(probability: Floats) -> Ints:
    """Return which of `BINS` bins of equal width each probability (n,) falls into, from 0; closed on the right."""
    return np.asarray(np.clip(np.ceil(probability * BINS).astype(np.int64) - 1, 0, BINS - 1))


def ranking(score: Floats, positive: Bools) -> Ranking:
    """Rank n images by `score` (n,) for the two-class question `positive` (n,)."""
    order = np.argsort(score, kind="stable")
    positives, negatives = order[positive[order]][::-1], order[~positive[order]]
    high, low = score[positives], score[negatives]
    return Ranking(
        positives,
        negatives,
        below=np.searchsorted(low, high, side="left"),
        upto=np.searchsorted(low, high, side="right"),
        through=np.searchsorted(-high, -high, side="right"),
    )


def auroc(question: Ranking, weights: Floats) -> Floats:
    """Return the area under the ROC curve (b,) for weights (b, n), NaN where a side has no weight.

    This is the Mann-Whitney statistic: the weighted share of (positive, negative) pairs in which the positive scores
    higher, a tie counting half, which is the area under the trapezoidal curve.
    """
    below = cumulated(weights[:, question.negatives])
    positive = weights[:, question.positives]
    won = np.einsum("bp,bp->b", positive, below[:, question.below] + below[:, question.upto]) / 2
    return ratio(won, positive.sum(axis=1) * below[:, -1])


def cumulated(weights: Floats) -> Floats:
    """Return the sums (b, k + 1) of the first 0 to k columns of weights (b, k)."""
    sums = np.zeros((len(weights), weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=sums[:, 1:])
    return sums


def scores(of: Sample, weights: Floats) -> Scores:
    """Return every metric for each row of `weights`, (b, n), non-negative."""
    sums = weights @ of.terms
    confusion = sums[:, : _K * _K].reshape(-1, _K, _K)
    total = confusion.sum(axis=(1, 2))
    areas = [auroc(question, weights) for question in of.rankings]
    per_class = {**from_confusion(confusion), "auroc": np.stack(areas[:_K], axis=1)}
    averaged = ("precision", "recall", "f1", "auroc")
    macro = {name: per_class[name][:, of.present].mean(axis=1) for name in averaged}
    brier, nll, gaps = sums[:, _K * _K], sums[:, _K * _K + 1], sums[:, _K * _K + 2 :]
    overall = {
        "accuracy": ratio(np.trace(confusion, axis1=1, axis2=2), total),
        "balanced_accuracy": macro["recall"],
        **{f"macro_{name}": macro[name] for name in averaged},
        "melanoma_auroc": areas[MELANOMA],
        "malignant_auroc": areas[_K],
        "brier": ratio(brier, total),
        "nll": ratio(nll, total),
        "ece": ratio(np.abs(gaps).sum(axis=1), total),
    }
    return Scores(overall, per_class, confusion)


def from_confusion(confusion: Floats) -> dict[str, Floats]:
    """Return precision, recall, specificity, NPV and F1, each (b, 7), of confusion matrices (b, 7, 7)."""
    hit = np.diagonal(confusion, axis1=1, axis2=2)
    support, predicted = confusion.sum(axis=2), confusion.sum(axis=1)
    total = support.sum(axis=1, keepdims=True)
    rest, spared = total - support, total - predicted
    passed = rest - (predicted - hit)
    exists = support > 0
    return {
        "precision": np.where(exists, ratio(hit, predicted, empty=0.0), np.nan),
        "recall": ratio(hit, support),
        "specificity": ratio(passed, rest),
        "npv": np.where(rest > 0, ratio(passed, spared), np.nan),
        "f1": np.where(exists, ratio(2 * hit, support + predicted, empty=0.0), np.nan),
    }


def ratio(above: Floats, below: Floats, empty: float = np.nan) -> Floats:
    """Return above / below, and `empty` where `below` is 0."""
    result = np.full(above.shape, empty)
    np.divide(above, below, out=result, where=below > 0)
    return result
