"""One evaluation: all figures of one set of predictions with their intervals, ready for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lesionlab.diagnoses import CODES, NAMES
from lesionlab.evaluation.decided import decision_rows
from lesionlab.evaluation.intervals import LEVEL, figure, intervals_of
from lesionlab.evaluation.metrics import OVERALL
from lesionlab.evaluation.net_benefit import decision_curves
from lesionlab.evaluation.predictions import Floats, Predictions
from lesionlab.evaluation.reasons import undefined
from lesionlab.evaluation.stated import Stated
from lesionlab.evaluation.table import FURTHER, OF_CLASS, OF_TARGET, measures
from lesionlab.models.decisions import TARGETS, columns

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
    "macro_auprc": "macro AUPRC",
    "kappa": "Cohen's kappa",
    "mcc": "Matthews correlation (MCC)",
    "ece_equal_mass": "calibration error, bins of equal mass",
}
"""The metrics' names in words."""


def evaluate(
    predictions: Predictions, resamples: int = 2000, seed: int = 0, stated: Stated | None = None
) -> dict[str, Any]:
    """Return every figure with its 95 % interval, bootstrapped by lesion, as a JSON-able dictionary.

    Keys
    ----
    images, lesions : counts.
    classes : the class order, `CODES`; classes_in_truth : those over which macro means are taken.
    metrics : name (`metrics.OVERALL` and `table.FURTHER`) -> {value, low, high}.
    per_class : code -> {name, images, lesions, predicted, and precision (PPV), recall (sensitivity), specificity, npv,
        f1, auroc, auprc, each {value, low, high}}.
    targets : melanoma and malignant, each asked against the rest -> {images, lesions (that show it), and auroc, auprc,
        pauc, sensitivity_at_specificity_0.80 (.90, .95), specificity_at_sensitivity_0.80 (.90, .95), brier, nll, ece,
        ece_equal_mass (of the target's probability), each {value, low, high}}.
    min_tpr : the sensitivity above which pauc is the area, at the most 1 - min_tpr; from `stated`, or its default.
    decision_curves : target -> what `net_benefit.decision_curves` tells.
    confusion : counts (7 x 7, truth in rows) and normalised (each row divided by its sum, None for an absent class).
    bootstrap : {resamples, seed, unit, level, undefined_share: metric -> share of resamples, where not 0}.
    undefined : metric ("macro_f1", "recall.df", "melanoma.pauc") -> why its value or its interval is None.

    `resamples` 0 leaves the intervals out (low and high None). Raises `UsageError` for other numbers below 40.
    """
    stated = stated or Stated()
    measure, confusion = measures(predictions, stated.min_tpr), _confusion(predictions)
    intervals = intervals_of(measure, predictions.lesions, resamples, seed)
    point = measure(np.ones((1, len(predictions))))
    table = {name: figure(float(value[0]), intervals.get(name)) for name, value in point.items()}
    shares = {name: found.undefined_share for name, found in intervals.items() if 0 < found.undefined_share < 1}
    return {
        "images": len(predictions),
        "lesions": int(predictions.lesions.max()) + 1,
        "classes": list(CODES),
        "classes_in_truth": [code for k, code in enumerate(CODES) if (predictions.truth == k).any()],
        "metrics": {name: table[name] for name in (*OVERALL, *FURTHER)},
        "per_class": {code: _class_row(predictions, k, table) for k, code in enumerate(CODES)},
        "targets": {target: _target_row(predictions, target, table) for target in TARGETS},
        "min_tpr": stated.min_tpr,
        "decision_curves": decision_curves(predictions, resamples, seed),
        "confusion": {"counts": confusion.astype(int).tolist(), "normalised": normalise(confusion)},
        "bootstrap": {
            "resamples": resamples,
            "seed": seed,
            "unit": "lesion",
            "level": LEVEL,
            "undefined_share": shares,
        },
        "undefined": undefined(predictions, table, intervals),
    }


def normalise(counts: Floats) -> list[list[float] | None]:
    """Return a confusion matrix (7, 7) with each row divided by its sum; None for a row that adds up to 0."""
    return [(row / row.sum()).tolist() if row.sum() else None for row in counts]


def _confusion(predictions: Predictions) -> Floats:
    counts = np.zeros((len(CODES), len(CODES)))
    np.add.at(counts, (predictions.truth, predictions.predicted), 1)
    return counts


def _class_row(predictions: Predictions, k: int, table: dict[str, dict[str, float | None]]) -> dict[str, Any]:
    mine = predictions.truth == k
    return {
        "name": NAMES[CODES[k]],
        "images": int(mine.sum()),
        "lesions": len(np.unique(predictions.lesions[mine])),
        "predicted": int((predictions.predicted == k).sum()),
        **{name: table[f"{name}.{CODES[k]}"] for name in OF_CLASS},
    }


def _target_row(predictions: Predictions, target: str, table: dict[str, dict[str, float | None]]) -> dict[str, Any]:
    shown = np.isin(predictions.truth, columns(TARGETS[target]))
    return {
        "images": int(shown.sum()),
        "lesions": len(np.unique(predictions.lesions[shown])),
        **{name: table[f"{target}.{name}"] for name in OF_TARGET},
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


def target_rows(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return what a command prints of melanoma and malignant: (figure in words, value of the one, of the other)."""
    targets, curves = result["targets"], result["decision_curves"]
    rows = [("images that show it", *(f"{one['images']:,} of {one['lesions']:,} lesions" for one in targets.values()))]
    rows += [
        (target_words(name, result["min_tpr"]), *(with_interval(one[name]) for one in targets.values()))
        for name in OF_TARGET
    ]
    return [*rows, ("net benefit above all and none", *(_better_at(curves[target]) for target in targets))]


def target_words(name: str, min_tpr: float) -> str:
    """Return the name of a target's figure in words."""
    labels = {"auroc": "AUROC", "auprc": "AUPRC", "pauc": f"partial AUROC above sensitivity {min_tpr:.2f}"}
    return labels.get(name) or LABELS.get(name) or name.replace("_", " ")


def _better_at(curve: Mapping[str, Any]) -> str:
    """Return at which thresholds acting on the model's probabilities has the most net benefit."""
    if "undefined" in curve:
        return "undefined"
    better, count = curve["better_at"], len(curve["curve"])
    return f"at {len(better)} of {count} thresholds" + (f", {better[0]:.2f} to {better[-1]:.2f}" if better else "")


def with_interval(metric: Mapping[str, float | None], digits: int = 3) -> str:
    """Return "0.834 [0.812, 0.855]", the value alone where there is no interval, "undefined" without a value."""
    if metric["value"] is None:
        return "undefined"
    value = f"{metric['value']:.{digits}f}"
    return value if metric["low"] is None else f"{value} [{metric['low']:.{digits}f}, {metric['high']:.{digits}f}]"
