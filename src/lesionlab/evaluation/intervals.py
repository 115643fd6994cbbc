"""Intervals: the bootstrap over lesions.

Photographs of one lesion are not independent, so whole lesions are drawn with replacement, as many as there are, and
each drawn lesion brings all its images. The interval is the percentile interval (Efron and Tibshirani 1993, ch. 13).

A resample can leave a metric undefined (it drew no lesion of a class). The interval then comes from the resamples in
which it is defined, as long as these are at least 95 %; below that there is no interval. A class needs three
lesions or so to pass: a draw misses all k lesions of a class with a chance of about exp(-k). Percentile intervals
do not correct bias: the expected calibration error of a resample is larger than that of the sample on average, so its
interval may lie above the value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lesionlab.errors import UsageError
from lesionlab.evaluation.metrics import OVERALL, PER_CLASS, Scores, sample, scores
from lesionlab.evaluation.predictions import Floats, Ints, Predictions

LEVEL = 0.95
UNDEFINED_LIMIT = 0.05
"""Largest share of resamples that may leave a metric undefined."""

FEWEST = 40
"""Fewest resamples: with less, the outer 2.5 % hold no resample."""

BLOCK_BYTES = 32 * 2**20
"""Size of one block of weights; the bootstrap takes a few times as much memory."""


@dataclass(frozen=True)
class Interval:
    """A 95 % interval, None where there is none, and the share of resamples in which the metric was undefined."""

    low: float | None
    high: float | None
    undefined_share: float

    @property
    def why(self) -> str:
        """Why there is none; "" where there is one."""
        if self.low is not None:
            return ""
        if self.undefined_share == 0:
            return "no interval: there is a single lesion"
        limit = f"{UNDEFINED_LIMIT:.0%}"
        return f"no interval: undefined in {self.undefined_share:.1%} of the resamples (at most {limit} allowed)"


def lesion_weights(lesions: Ints, resamples: int, seed: int, block_bytes: int = BLOCK_BYTES) -> Iterator[Floats]:
    """Yield blocks (b, n) of image weights, `resamples` rows in all: how often each image's lesion was drawn.

    `lesions` (n,) numbers the lesions from 0. The rows depend on `seed` alone, not on the size of a block, so two
    models' metrics on the same images can be compared pair by pair.
    """
    generator = np.random.default_rng(seed)
    count = int(lesions.max()) + 1
    rows = max(1, block_bytes // (8 * len(lesions)))
    for start in range(0, resamples, rows):
        block = min(rows, resamples - start)
        drawn = generator.integers(0, count, size=(block, count)) + np.arange(block)[:, None] * count
        times = np.bincount(drawn.ravel(), minlength=block * count).reshape(block, count)
        yield times.astype(np.float64)[:, lesions]


def measured(
    measures: Callable[[Floats], Mapping[str, Floats]], lesions: Ints, resamples: int = 2000, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Return {value, low, high} by name of what `measures` gives for image weights (b, n): figures (b,) by name.

    `lesions` (n,) numbers the images' lesions from 0. What is undefined is None; so are low and high of a single
    lesion, and with 0 resamples. A value without limits has a `why`.

    Raises `UsageError` for other numbers of resamples below `FEWEST`.
    """
    found = intervals_of(measures, lesions, resamples, seed)
    return {
        name: figure(float(value[0]), found.get(name)) for name, value in measures(np.ones((1, len(lesions)))).items()
    }


def intervals_of(
    measures: Callable[[Floats], Mapping[str, Floats]], lesions: Ints, resamples: int = 2000, seed: int = 0
) -> dict[str, Interval]:
    """Return the interval of each figure that `measured` tells; nothing with 0 resamples.

    A single lesion tells nothing about how other lesions would vary, so its figures have no limits.
    """
    if resamples == 0:
        return {}
    check_resamples(resamples)
    blocks = [measures(weights) for weights in lesion_weights(lesions, resamples, seed)]
    if lesions.max() == 0:
        return {name: Interval(None, None, 0.0) for name in blocks[0]}
    return {name: interval(np.concatenate([block[name] for block in blocks])) for name in blocks[0]}


def figure(value: float, found: Interval | None) -> dict[str, Any]:
    """Return {value, low, high} with None for what is undefined, and why where a value has no limits."""
    if math.isnan(value):
        return {"value": None, "low": None, "high": None}
    limits = {"value": value, "low": found.low if found else None, "high": found.high if found else None}
    return limits | {"why": found.why} if found and found.why else limits


def bootstrap(predictions: Predictions, resamples: int = 2000, seed: int = 0) -> Scores:
    """Return every metric of every resample: arrays whose first axis has the length `resamples`.

    Raises `UsageError` for fewer resamples than `FEWEST`.
    """
    check_resamples(resamples)
    of = sample(predictions)
    blocks = [scores(of, weights) for weights in lesion_weights(predictions.lesions, resamples, seed)]
    return Scores(
        {name: np.concatenate([block.overall[name] for block in blocks]) for name in OVERALL},
        {name: np.concatenate([block.per_class[name] for block in blocks]) for name in PER_CLASS},
        np.concatenate([block.confusion for block in blocks]),
    )


def check_resamples(resamples: int) -> None:
    """Raise `UsageError` for fewer resamples than `FEWEST`."""
    if resamples < FEWEST:
        raise UsageError(f"{resamples} resamples are too few for an interval", f"take at least {FEWEST}, better 2000")


def interval(values: Floats) -> Interval:
    """Return the percentile interval of one metric's resampled values (b,), NaN where undefined."""
    defined = values[~np.isnan(values)]
    share = 1 - len(defined) / len(values)
    if share > UNDEFINED_LIMIT:
        return Interval(None, None, share)
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high), share)
