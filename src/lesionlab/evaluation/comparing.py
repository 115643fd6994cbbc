"""Is one model better than another on the same images? Every metric's difference, its test, and one verdict.

Accuracy is tested with the exact McNemar test on the first photograph of each lesion, so that what is counted is
independent. Areas under the ROC curve are tested with DeLong's test (DeLong et al. 1988, Biometrics 44:837) in the form
for clustered images (Obuchowski 1997, Biometrics 53:567), everything else with the paired bootstrap over lesions. The
p-values are adjusted for their number as Holm (1979) does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lesionlab.errors import DataError
from lesionlab.evaluation.evaluate import LABELS
from lesionlab.evaluation.intervals import LEVEL, UNDEFINED_LIMIT, check_resamples, interval, lesion_weights
from lesionlab.evaluation.metrics import LOWER_IS_BETTER, MELANOMA, OVERALL, Bools, Sample, sample, scores
from lesionlab.evaluation.paired import check_same_images, harm, mcnemar
from lesionlab.evaluation.predictions import Floats, Ints, Predictions
from lesionlab.models.decisions import TARGETS, chance_of, columns

METRICS: dict[str, str] = {name: LABELS[name] for name in OVERALL if name != "macro_recall"} | {
    "melanoma_recall": "melanoma sensitivity",
    "melanoma_specificity": "melanoma specificity",
}
"""What is compared, in words. Macro recall is left out: it is the balanced accuracy."""


def compare(a: Predictions, b: Predictions, resamples: int = 2000, seed: int = 0) -> dict[str, Any]:
    """Return how model B differs from model A on the same images, as a JSON-able dictionary.

    Keys
    ----
    images, lesions : counts. bootstrap : {resamples, seed, unit, level}.
    metrics : name (`METRICS`) -> {a, b, difference: {value, low, high}, test, p_value, p_holm, better}; difference is b
        minus a, better "a" or "b" where p_holm is below 1 - level, else "". What is undefined is None.
    answers : what `paired.harm` tells of the change from a to b, over all images.
    verdict : one sentence.

    With few resamples no bootstrap p-value can be small: of 2,000 the smallest is .001, before it is adjusted.

    Raises `DataError` unless both hold the same images with the same truth, in any order, and `UsageError` for too few
    resamples.
    """
    check_resamples(resamples)
    b = aligned(a, b)
    samples = sample(a), sample(b)
    before, after = (_values(one, np.ones((1, len(a)))) for one in samples)
    blocks = [
        (_values(samples[0], weights), _values(samples[1], weights))
        for weights in lesion_weights(a.lesions, resamples, seed)
    ]
    rows = {
        name: _row(
            float(before[name][0]),
            float(after[name][0]),
            np.concatenate([second[name] - first[name] for first, second in blocks]),
        )
        for name in METRICS
    }
    _tested(rows, a, b)
    for row, adjusted in zip(rows.values(), holm([row["p_value"] for row in rows.values()]), strict=True):
        row["p_holm"] = adjusted
    for name, row in rows.items():
        row["better"] = _better(name, row)
    return {
        "images": len(a),
        "lesions": int(a.lesions.max()) + 1,
        "bootstrap": {"resamples": resamples, "seed": seed, "unit": "lesion", "level": LEVEL},
        "metrics": rows,
        "answers": harm(a, b),
        "verdict": _verdict(rows),
    }


def aligned(a: Predictions, b: Predictions) -> Predictions:
    """Return `b` in the order of `a`; `DataError` unless both hold the same images with the same truth and lesions."""
    if set(a.image_ids) == set(b.image_ids):
        place = {image_id: row for row, image_id in enumerate(b.image_ids)}
        rows = [place[image_id] for image_id in a.image_ids]
        b = replace(
            b,
            image_ids=a.image_ids,
            lesion_ids=tuple(b.lesion_ids[row] for row in rows),
            truth=b.truth[rows],
            probabilities=b.probabilities[rows],
        )
    check_same_images(a, b)
    return b


def delong(a: Floats, b: Floats, positive: Bools, lesions: Ints) -> tuple[float, float]:
    """Return the difference of two AUROC, b minus a, and its two-sided p-value.

    Images of one lesion may depend on each other; with one image per lesion this is DeLong's test.

    Parameters
    ----------
    a, b : scores (n,) of the two models. positive : (n,) the truth. lesions : (n,) numbers from 0.

    Raises `DataError` where the truth holds one answer only.
    """
    if positive.all() or not positive.any():
        raise DataError("every image has the same answer", "an area under the ROC curve needs both")
    (won_a, lost_a), (won_b, lost_b) = _placements(a, positive), _placements(b, positive)
    difference = float(won_b.mean() - won_a.mean())
    count = int(lesions.max()) + 1
    of_positives = _summed(won_b - won_a - difference, lesions[positive], count)
    of_negatives = _summed(lost_b - lost_a - difference, lesions[~positive], count)
    m, n = int(positive.sum()), int((~positive).sum())
    variance = (
        _spread(of_positives, of_positives, len(set(lesions[positive]))) / m**2
        + _spread(of_negatives, of_negatives, len(set(lesions[~positive]))) / n**2
        + 2 * _spread(of_positives, of_negatives, count) / (m * n)
    )
    if not variance > 0:
        return difference, 1.0 if difference == 0 else math.nan
    return difference, math.erfc(abs(difference) / math.sqrt(2 * variance))


def _placements(score: Floats, positive: Bools) -> tuple[Floats, Floats]:
    """Return, for each positive, the share of negatives below it, and for each negative, of positives above it.

    Ties count half.
    """
    high, low = np.sort(score[positive]), np.sort(score[~positive])
    won = (np.searchsorted(low, score[positive], "left") + np.searchsorted(low, score[positive], "right")) / 2
    lost = (np.searchsorted(high, score[~positive], "left") + np.searchsorted(high, score[~positive], "right")) / 2
    return won / len(low), 1 - lost / len(high)


def _summed(values: Floats, lesions: Ints, count: int) -> Floats:
    """Return the sum of `values` (k,) over the images of each of `count` lesions."""
    sums = np.zeros(count)
    np.add.at(sums, lesions, values)
    return sums


def _spread(first: Floats, second: Floats, clusters: int) -> float:
    """Return the sum over lesions of the product, scaled for `clusters` of them; NaN for a single one."""
    return float(first @ second) * clusters / (clusters - 1) if clusters > 1 else math.nan


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return Holm's adjusted p-values, in the same order; None stays None and does not count."""
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, p * (len(known) - rank)))
        adjusted[place] = largest
    return adjusted


def first_photographs(predictions: Predictions) -> Ints:
    """Return the rows of each lesion's first photograph by image_id, one per lesion."""
    order = np.argsort(np.array(predictions.image_ids))
    first = np.unique(predictions.lesions[order], return_index=True)[1]
    return np.sort(order[first])


def _values(of: Sample, weights: Floats) -> dict[str, Floats]:
    """Return `METRICS`, each (b,), for weights (b, n)."""
    found = scores(of, weights)
    melanoma = {
        "melanoma_recall": found.per_class["recall"][:, MELANOMA],
        "melanoma_specificity": found.per_class["specificity"][:, MELANOMA],
    }
    return {name: (found.overall | melanoma)[name] for name in METRICS}


def _row(a: float, b: float, differences: Floats) -> dict[str, Any]:
    if math.isnan(b - a):
        empty = {"value": None, "low": None, "high": None}
        return {"a": None, "b": None, "difference": empty, "test": "", "p_value": None}
    limits = interval(differences)
    return {
        "a": a,
        "b": b,
        "difference": {"value": b - a, "low": limits.low, "high": limits.high},
        "test": "bootstrap",
        "p_value": _bootstrap_p(differences),
    }


def _bootstrap_p(differences: Floats) -> float | None:
    """Return twice the smaller share of resamples on either side of no difference, never 0."""
    defined = differences[~np.isnan(differences)]
    if len(defined) < (1 - UNDEFINED_LIMIT) * len(differences):
        return None
    side = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    return min(1.0, 2 * (side + 1) / (len(defined) + 1))


def _tested(rows: dict[str, dict[str, Any]], a: Predictions, b: Predictions) -> None:
    """Put McNemar's and DeLong's p-values in the place of the bootstrap's, where the metric is defined."""
    first = first_photographs(a)
    right = [(one.predicted == one.truth)[first] for one in (a, b)]
    rows["accuracy"] |= {"test": "McNemar", "p_value": mcnemar(*right)}
    for target, codes in TARGETS.items():
        name = f"{target}_auroc"
        if rows[name]["a"] is not None:
            score_a, score_b = (chance_of(target, one.probabilities) for one in (a, b))
            p = delong(score_a, score_b, np.isin(a.truth, columns(codes)), a.lesions)[1]
            rows[name] |= {"test": "DeLong", "p_value": None if math.isnan(p) else p}


def _better(name: str, row: dict[str, Any]) -> str:
    if row["p_holm"] is None or row["p_holm"] >= 1 - LEVEL or not row["difference"]["value"]:
        return ""
    return "b" if (row["difference"]["value"] > 0) != (name in LOWER_IS_BETTER) else "a"


def _verdict(rows: dict[str, dict[str, Any]]) -> str:
    better = {side: [METRICS[name] for name, row in rows.items() if row["better"] == side] for side in ("a", "b")}
    if not any(better.values()):
        return f"no evidence of a difference in any of {len(rows)} metrics (5 %, Holm)"
    told = [f"{side.upper()} is better in {', '.join(names)}" for side, names in better.items() if names]
    return "; ".join(told) + " (5 %, Holm)"
