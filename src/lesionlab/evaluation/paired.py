"""Two models on the same images: what the second one changes, for better and for worse.

Predictions of two models are compared pair by pair. Answers are tested with the exact McNemar test (McNemar 1947,
Note on the sampling error of the difference between correlated proportions; exact: the binomial distribution of the
answers on which the models disagree). Metrics are compared by one bootstrap over lesions, in which both models see the
same resample, so that what is hard for both cancels out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError
from lesionlab.evaluation.intervals import check_resamples, interval, lesion_weights
from lesionlab.evaluation.metrics import MELANOMA, OVERALL, Bools, Sample, sample, scores
from lesionlab.evaluation.predictions import Floats, Predictions


def mcnemar(a_right: Bools, b_right: Bools) -> float:
    """Return the two-sided exact McNemar p-value of two models' right answers (n,) on the same images.

    It is 1 where the models are never right on different images. Images count as independent; where many lesions have
    several photographs, p is too small.
    """
    from scipy.stats import binomtest

    only_a, only_b = int((a_right & ~b_right).sum()), int((b_right & ~a_right).sum())
    if only_a + only_b == 0:
        return 1.0
    return float(binomtest(only_a, only_a + only_b, 0.5).pvalue)


def harm(before: Predictions, after: Predictions, rows: Bools | None = None) -> dict[str, Any]:
    """Return which answers `after` changes against `before`, as a JSON-able dictionary.

    Parameters
    ----------
    rows : (n,) the images to count, such as those that one specialist was asked about; all where None.

    Keys
    ----
    images : how many are counted. changed : other answers. to_right, to_wrong : answers that became right, or wrong.
    wrong_to_wrong : wrong answers that became another wrong one. melanomas_lost, melanomas_won : melanomas no longer,
    and newly, called melanoma. p_value : `mcnemar` of the two models. per_class : code of the truth -> the first five.

    Raises `DataError` unless both hold the same images with the same truth.
    """
    check_same_images(before, after)
    counted = np.ones(len(before), dtype=bool) if rows is None else rows
    melanoma = counted & (before.truth == MELANOMA)
    was, now = before.predicted == before.truth, after.predicted == after.truth
    return {
        **_changes(before, after, counted),
        "melanomas_lost": int((melanoma & was & ~now).sum()),
        "melanomas_won": int((melanoma & ~was & now).sum()),
        "p_value": mcnemar(was[counted], now[counted]),
        "per_class": {code: _changes(before, after, counted & (before.truth == k)) for k, code in enumerate(CODES)},
    }


def _changes(before: Predictions, after: Predictions, rows: Bools) -> dict[str, int]:
    changed = rows & (before.predicted != after.predicted)
    was, now = before.predicted == before.truth, after.predicted == after.truth
    return {
        "images": int(rows.sum()),
        "changed": int(changed.sum()),
        "to_right": int((changed & now).sum()),
        "to_wrong": int((changed & was).sum()),
        "wrong_to_wrong": int((changed & ~was & ~now).sum()),
    }


def difference(
    before: Predictions, after: Predictions, resamples: int = 2000, seed: int = 0
) -> dict[str, dict[str, float | None]]:
    """Return every overall metric's difference, after minus before: metric -> {value, low, high}.

    The 95 % interval is from the paired bootstrap over lesions; None where it or the value is not defined. Raises
    `DataError` unless both hold the same images, and `UsageError` for too few resamples.
    """
    return mean_difference([(before, after)], resamples, seed)


def mean_difference(
    pairs: Sequence[tuple[Predictions, Predictions]], resamples: int = 2000, seed: int = 0
) -> dict[str, dict[str, float | None]]:
    """Return the mean over pairs of (before, after) of every overall metric's difference: metric -> {value, low, high}.

    All pairs hold the same images, for example one pair for each training seed. Every resample of lesions serves all
    of them; the interval tells how other lesions would vary, not how other seeds would.
    """
    check_resamples(resamples)
    first = pairs[0][0]
    for predictions in (one for pair in pairs for one in pair):
        check_same_images(first, predictions)
    samples = [(sample(before), sample(after)) for before, after in pairs]
    value = _mean(samples, np.ones((1, len(first))))
    blocks = [_mean(samples, weights) for weights in lesion_weights(first.lesions, resamples, seed)]
    return {name: _figure(float(value[name][0]), np.concatenate([block[name] for block in blocks])) for name in OVERALL}


def _mean(samples: Sequence[tuple[Sample, Sample]], weights: Floats) -> dict[str, Floats]:
    """Return the pairs' mean difference of each overall metric, (b,), for weights (b, n)."""
    each = [(scores(before, weights).overall, scores(after, weights).overall) for before, after in samples]
    return {name: np.mean([after[name] - before[name] for before, after in each], axis=0) for name in OVERALL}


def _figure(value: float, resampled: Floats) -> dict[str, float | None]:
    if np.isnan(value):
        return {"value": None, "low": None, "high": None}
    found = interval(resampled)
    return {"value": value, "low": found.low, "high": found.high}


def check_same_images(a: Predictions, b: Predictions) -> None:
    """Raise `DataError` unless both predictions are of the same images, lesions and truth, in one order."""
    if a.image_ids != b.image_ids:
        shared = len(set(a.image_ids) & set(b.image_ids))
        raise DataError(
            f"the predictions are of different images, or in another order: {len(a)} and {len(b)}, {shared} in both",
            "compare models on the same part of one split",
        )
    if a.lesion_ids != b.lesion_ids or not np.array_equal(a.truth, b.truth):
        raise DataError("the predictions disagree about the truth or the lesions", "evaluate both on one source")
