"""What a model is worth in each group of images, and how far that is from all other images.

Every figure has an interval from the bootstrap over lesions, in which all groups and their complements see the same
resamples. Where a group holds too few images for a figure, the count is told instead of a number.

A group is compared with all other images by the difference of the two figures. For balanced accuracy both sides take
the mean over the diagnoses of which both hold enough images, because a mean over other diagnoses would be another
quantity. The worst group of many is bad by chance as well; its difference is therefore told once more with an interval
widened for the number of groups compared (Bonferroni, on the normal approximation of the bootstrap interval). Two kinds
of differences are told but never tested. The calibration error of few images is larger than that of many by chance
alone, and among many images errors of opposite sign cancel. And where a model is right, or wrong, on every image that a
figure is of, all resamples agree: the bootstrap sees no uncertainty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import NormalDist
from typing import Any

import numpy as np

from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError
from lesionlab.evaluation.groups import UNKNOWN, Groups
from lesionlab.evaluation.intervals import LEVEL, check_resamples, measured
from lesionlab.evaluation.metrics import LOWER_IS_BETTER, Bools, sample
from lesionlab.evaluation.predictions import Floats, Ints, Predictions
from lesionlab.evaluation.slices import METRICS, SHARED, Guard, Slice, cut, values

UNTESTED = frozenset({"ece"})
"""Metrics that are larger by chance in a small group."""

CAUTION = (
    "The worst of many groups is worse by chance, too: look at `adjusted`, and try it on other images before it is "
    "called a weakness. Groups differ in their diagnoses as well as in what they are named after."
)


def subgroups(
    predictions: Predictions, groups: Groups, resamples: int = 2000, seed: int = 0, guard: Guard | None = None
) -> dict[str, Any]:
    """Return the figures of each group of n images, as a JSON-able dictionary.

    Keys
    ----
    images, lesions : counts. classes : code -> images.
    guard : {images, kind}. bootstrap : {resamples, seed, unit, level}.
    overall : the figures of all images, metric (`METRICS`) -> figure; see below.
    groups : one row per group, {attribute, group, images, lesions, classes: code -> images, metrics: metric -> figure}.
    worst : metric -> {attribute, group, value, difference, compared, adjusted, beyond_chance}, or None where fewer
        than two groups can be compared: see `worst_group`.
    caution : what to keep in mind.

    A figure is {value, low, high}, with `classes` for balanced accuracy (its mean is over these), or {too_few: why}.
    A group's also holds `difference`, the group minus all other images: {value, low, high}, with `classes`; or
    {too_few: why} where the other images are too few.

    `resamples` 0 leaves the intervals out. Raises `DataError` for groups of another number of images or without any,
    and `UsageError` for other numbers of resamples below 40.
    """
    guard = guard or Guard()
    if resamples:
        check_resamples(resamples)
    terms = sample(predictions).terms
    everything = np.ones(len(predictions), dtype=bool)
    _check(groups, len(predictions))
    rows = []
    for attribute, parts in groups.items():
        for group, mine in parts.items():
            here, there = (cut(predictions, terms, chosen, guard) for chosen in (mine, ~mine))
            figures = _figures(here, there, predictions.lesions, resamples, seed)
            rows.append({"attribute": attribute, "group": group, **_counts(predictions, mine), "metrics": figures})
    whole = cut(predictions, terms, everything, guard)
    return {
        **_counts(predictions, everything),
        "guard": asdict(guard),
        "bootstrap": {"resamples": resamples, "seed": seed, "unit": "lesion", "level": LEVEL},
        "overall": _figures(whole, None, predictions.lesions, resamples, seed),
        "groups": rows,
        "worst": {metric: worst_group(rows, metric) for metric in METRICS},
        "caution": CAUTION,
    }


def _check(groups: Groups, images: int) -> None:
    for attribute, parts in groups.items():
        for group, rows in parts.items():
            if rows.shape != (images,) or not rows.any():
                told = f"{attribute} {group!r}: {rows.sum()} of {len(rows)} images"
                raise DataError(told, f"a group is some of the {images} images that were predicted")


def _counts(predictions: Predictions, rows: Bools) -> dict[str, Any]:
    classes = np.bincount(predictions.truth[rows], minlength=len(CODES))
    return {
        "images": int(rows.sum()),
        "lesions": len(np.unique(predictions.lesions[rows])),
        "classes": {code: int(count) for code, count in zip(CODES, classes, strict=True)},
    }


def _figures(mine: Slice, others: Slice | None, lesions: Ints, resamples: int, seed: int) -> dict[str, dict[str, Any]]:
    """Return metric -> figure of one side, with its difference to the others where there are any to compare with."""
    if len(mine.too_few) == len(METRICS):
        return {metric: {"too_few": why} for metric, why in mine.too_few.items()}
    shared = mine.classes & others.classes if others else mine.classes

    def measures(weights: Floats) -> dict[str, Floats]:
        here = values(mine, weights, shared)
        if others is None:
            return here
        there = values(others, weights, shared)
        return here | {f"{name} difference": here[name] - there[name] for name in there}

    numbers = measured(measures, lesions, resamples, seed)
    found: dict[str, dict[str, Any]] = {}
    for metric in METRICS:
        if metric in mine.too_few:
            found[metric] = {"too_few": mine.too_few[metric]}
            continue
        found[metric] = {**numbers[metric], **_over(metric, mine.classes)}
        if others:
            compared = f"{SHARED if metric == 'balanced_accuracy' else metric} difference"
            why = _not_compared(metric, others, shared)
            difference = {"too_few": why} if why else {**numbers[compared], **_over(metric, shared)}
            found[metric]["difference"] = difference
    return found


def _over(metric: str, classes: Bools) -> dict[str, list[str]]:
    """Return the diagnoses that a metric is the mean over, where it is one."""
    chosen = [code for code, taken in zip(CODES, classes, strict=True) if taken]
    return {"classes": chosen} if metric == "balanced_accuracy" else {}


def _not_compared(metric: str, others: Slice, shared: Bools) -> str:
    """Return why a metric is not compared with the other images, "" where it is."""
    if not len(others.rows):
        return "there are no other images"
    if metric in others.too_few:
        return f"other images: {others.too_few[metric]}"
    few = metric == "balanced_accuracy" and shared.sum() < 2
    return "fewer than two diagnoses with enough images in the group and outside" if few else ""


def worst_group(rows: Sequence[Mapping[str, Any]], metric: str) -> dict[str, Any] | None:
    """Return the group that is furthest from all other images for the worse, of rows as `subgroups` returns them.

    Keys: attribute, group, value and difference {value, low, high}; compared, the number of groups with a difference
    and an interval; adjusted {low, high}, the difference's interval widened for so many (Bonferroni); beyond_chance,
    whether that leaves out 0. The last two are None where the difference cannot be tested. Images of unknown group are
    no group. None where fewer than two can be compared.
    """
    candidates = [row for row in rows if row["group"] != UNKNOWN and _comparable(row["metrics"][metric])]
    if len(candidates) < 2:
        return None
    sign = -1 if metric in LOWER_IS_BETTER else 1
    found = min(candidates, key=lambda row: sign * row["metrics"][metric]["difference"]["value"])
    figure = found["metrics"][metric]
    adjusted = _widened(figure["difference"], len(candidates)) if _testable(metric, figure) else None
    return {
        "attribute": found["attribute"],
        "group": found["group"],
        "value": {key: figure[key] for key in ("value", "low", "high")},
        "difference": figure["difference"],
        "compared": len(candidates),
        "adjusted": adjusted,
        "beyond_chance": _leaves_out_0(adjusted) if adjusted else None,
    }


def _comparable(figure: Mapping[str, Any]) -> bool:
    return figure.get("low") is not None and figure.get("difference", {}).get("low") is not None


def _testable(metric: str, figure: Mapping[str, Any]) -> bool:
    """Return whether the interval of a figure's difference tells what chance may do."""
    return metric not in UNTESTED and _comparable(figure) and bool(figure["low"] < figure["high"])


def _leaves_out_0(interval: Mapping[str, float]) -> bool:
    return interval["low"] > 0 or interval["high"] < 0


def _widened(difference: Mapping[str, float], groups: int) -> dict[str, float]:
    """Return the interval that a difference has when it is one of several: as wide as a normal one would become."""
    normal = NormalDist().inv_cdf
    half = (difference["high"] - difference["low"]) / 2
    half *= normal(1 - (1 - LEVEL) / (2 * groups)) / normal(1 - (1 - LEVEL) / 2)
    return {"low": difference["value"] - half, "high": difference["value"] + half}


def group_rows(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return what a command prints of a `subgroups` result: attribute, group, images, melanomas, a cell per metric.

    A star stands where the interval of the difference to all other images leaves out 0, if it can be tested.
    """
    whole = {"attribute": "all", "group": "", **result, "metrics": result["overall"]}
    rows = []
    for row in (whole, *result["groups"]):
        cells = (_cell(metric, row["metrics"][metric]) for metric in METRICS)
        rows.append((row["attribute"], row["group"], f"{row['images']:,}", f"{row['classes']['mel']:,}", *cells))
    return rows


def _cell(metric: str, figure: Mapping[str, Any]) -> str:
    if figure.get("value") is None:
        return "too few" if "too_few" in figure else "undefined"
    told = f"{figure['value']:.2f}"
    if figure["low"] is not None:
        told += f" [{figure['low']:.2f}, {figure['high']:.2f}]"
    differs = _testable(metric, figure) and _leaves_out_0(figure["difference"])
    return told + (" *" if differs else "")


def worst_rows(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return (metric in words, worst group, its difference to all other images, the same allowing for many groups)."""
    return [
        (METRICS[metric], f"{row['attribute']}: {row['group']}", _signed(row["difference"]), _allowing(metric, row))
        for metric, row in result["worst"].items()
        if row
    ]


def _signed(difference: Mapping[str, float]) -> str:
    return f"{difference['value']:+.2f} [{difference['low']:+.2f}, {difference['high']:+.2f}]"


def _allowing(metric: str, row: Mapping[str, Any]) -> str:
    if row["adjusted"] is None:
        why = "it is larger in small groups by chance" if metric in UNTESTED else "all its images are answered alike"
        return f"cannot be told: {why}"
    told = f"[{row['adjusted']['low']:+.2f}, {row['adjusted']['high']:+.2f}] of {row['compared']} groups"
    return f"{told}: {'unlikely to be chance' if row['beyond_chance'] else 'may be chance'}"
