"""One evaluation: all metrics of one set of predictions with their intervals, ready for JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from lesionlab.diagnoses import CODES, MALIGNANT, NAMES
from lesionlab.evaluation.decided import decision_rows
from lesionlab.evaluation.intervals import LEVEL, UNDEFINED_LIMIT, Interval, bootstrap, interval
from lesionlab.evaluation.metrics import OVERALL, PER_CLASS, Scores, sample, scores
from lesionlab.evaluation.predictions import Floats, Predictions

LABELS: dict[str, str] = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "macro_f1": "macro F1",
    "macro_auroc": "macro AUROC",
    "melanoma_auroc": "melanoma AUROC",
    "malignant_auroc": "malignant AUROC",
    "brier": "Brier score",
    "nll": "log loss",
    "ece": "calibration error (ECE)",
}
"""The metrics' names in words."""


def evaluate(predictions: Predictions, resamples: int = 2000, seed: int = 0) -> dict[str, Any]:
    """Return every metric with its 95 % interval, bootstrapped by lesion, as a JSON-able dictionary.

    Keys
    ----
    images, lesions : counts.
    classes : the class order, `CODES`; classes_in_truth : those over which macro means are taken.
    metrics : name (`metrics.OVERALL`) -> {value, low, high}.
    per_class : code -> {name, images, lesions, predicted, and precision, recall, specificity, f1, auroc, each
        {value, low, high}}.
    confusion : counts (7 x 7, truth in rows) and normalised (each row divided by its sum, None for an absent class).
    bootstrap : {resamples, seed, unit, level, undefined_share: metric -> share of resamples, where not 0}.
    undefined : metric ("macro_f1", "recall.df") -> why its value or its interval is None.

    `resamples` 0 leaves the intervals out (low and high None). Raises `UsageError` for other numbers below 40.
    """
    point = _named(scores(sample(predictions), np.ones((1, len(predictions)))))
    confusion = _confusion(predictions)
    intervals = _intervals(predictions, resamples, seed)
    table = {name: _metric(float(value[0]), intervals.get(name)) for name, value in point.items()}
    shares = {name: found.undefined_share for name, found in intervals.items() if 0 < found.undefined_share < 1}
    return {
        "images": len(predictions),
        "lesions": int(predictions.lesions.max()) + 1,
        "classes": list(CODES),
        "classes_in_truth": [code for k, code in enumerate(CODES) if (predictions.truth == k).any()],
        "metrics": {name: table[name] for name in OVERALL},
        "per_class": {code: _class_row(predictions, k, table) for k, code in enumerate(CODES)},
        "confusion": {"counts": confusion.astype(int).tolist(), "normalised": normalise(confusion)},
        "bootstrap": {
            "resamples": resamples,
            "seed": seed,
            "unit": "lesion",
            "level": LEVEL,
            "undefined_share": shares,
        },
        "undefined": _undefined(predictions, table, intervals),
    }


def normalise(counts: Floats) -> list[list[float] | None]:
    """Return a confusion matrix (7, 7) with each row divided by its sum; None for a row that adds up to 0."""
    return [(row / row.sum()).tolist() if row.sum() else None for row in counts]


def _confusion(predictions: Predictions) -> Floats:
    counts = np.zeros((len(CODES), len(CODES)))
    np.add.at(counts, (predictions.truth, predictions.predicted), 1)
    return counts


def _named(of: Scores) -> dict[str, Floats]:
    """Return all metrics (b,) by name, those of a class as "recall.mel"."""
    per_class = {f"{name}.{code}": of.per_class[name][:, k] for name in PER_CLASS for k, code in enumerate(CODES)}
    return {**of.overall, **per_class}


def _intervals(predictions: Predictions, resamples: int, seed: int) -> dict[str, Interval]:
    """Return the interval of each metric by name; nothing when there are no resamples.

    A single lesion tells nothing about how other lesions would vary, so it has no intervals.
    """
    if resamples == 0:
        return {}
    values = _named(bootstrap(predictions, resamples, seed))
    if predictions.lesions.max() == 0:
        return {name: Interval(None, None, 0.0) for name in values}
    return {name: interval(value) for name, value in values.items()}


def _metric(value: float, found: Interval | None) -> dict[str, float | None]:
    """Return {value, low, high} with None for what is undefined."""
    return {
        "value": None if math.isnan(value) else value,
        "low": found.low if found else None,
        "high": found.high if found else None,
    }


def _undefined(
    predictions: Predictions, table: dict[str, dict[str, float | None]], intervals: dict[str, Interval]
) -> dict[str, str]:
    """Return metric -> reason for every value that is None and every interval that could not be given."""
    reasons = _reasons(predictions)
    without_value = {name: reasons[name] for name, metric in table.items() if metric["value"] is None}
    without_interval = {
        name: _why_no_interval(predictions, found)
        for name, found in intervals.items()
        if found.low is None and name not in without_value
    }
    return {**without_value, **without_interval}


def _reasons(predictions: Predictions) -> dict[str, str]:
    """Return, for every metric that can be undefined, why it would be."""
    there = {code: bool((predictions.truth == k).any()) for k, code in enumerate(CODES)}
    absent = {code: f"no image in the truth is {code}" for code in CODES}
    alone = {code: f"every image in the truth is {code}" for code in CODES}
    both = {code: alone[code] if there[code] else absent[code] for code in CODES}
    malignant = any(there[code] for code in MALIGNANT)
    return {
        **{f"{name}.{code}": absent[code] for name in ("precision", "recall", "f1") for code in CODES},
        **{f"specificity.{code}": alone[code] for code in CODES},
        **{f"auroc.{code}": both[code] for code in CODES},
        "melanoma_auroc": both["mel"],
        "malignant_auroc": f"every image in the truth is {'malignant' if malignant else 'benign'}",
        "macro_auroc": "the truth holds a single class",
    }


def _why_no_interval(predictions: Predictions, found: Interval) -> str:
    if predictions.lesions.max() == 0:
        return "no interval: there is a single lesion"
    limit = f"{UNDEFINED_LIMIT:.0%}"
    return f"no interval: undefined in {found.undefined_share:.1%} of the resamples (at most {limit} allowed)"


def _class_row(predictions: Predictions, k: int, table: dict[str, dict[str, float | None]]) -> dict[str, Any]:
    mine = predictions.truth == k
    return {
        "name": NAMES[CODES[k]],
        "images": int(mine.sum()),
        "lesions": len(np.unique(predictions.lesions[mine])),
        "predicted": int((predictions.predicted == k).sum()),
        **{name: table[f"{name}.{CODES[k]}"] for name in PER_CLASS},
    }


def summary_rows(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what a command prints of an `evaluate` result: (metric in words, value with interval)."""
    rows = [("images", f"{result['images']:,} of {result['lesions']:,} lesions")]
    missing = [code for code in result["classes"] if code not in result["classes_in_truth"]]
    if missing:
        rows.append(("not in the truth", f"{', '.join(missing)} (macro means leave them out)"))
    rows += [(LABELS[name], with_interval(value)) for name, value in result["metrics"].items()]
    rows += [(f"recall {code}", with_interval(row["recall"])) for code, row in result["per_class"].items()]
    decided = decision_rows(result["decisions"]) if "decisions" in result else []
    return rows + [(name, with_interval(figure)) for name, figure in decided]


def with_interval(metric: Mapping[str, float | None]) -> str:
    """Return "0.834 [0.812, 0.855]", the value alone where there is no interval, "undefined" without a value."""
    if metric["value"] is None:
        return "undefined"
    if metric["low"] is None:
        return f"{metric['value']:.3f}"
    return f"{metric['value']:.3f} [{metric['low']:.3f}, {metric['high']:.3f}]"
