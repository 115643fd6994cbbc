"""The folder that an evaluation leaves behind: metrics, predictions and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lesionlab.data.cases import Case, write_rows
from lesionlab.diagnoses import CODES
from lesionlab.evaluation.evaluate import evaluate
from lesionlab.evaluation.predictions import COLUMNS, Floats, Predictions, write_predictions
from lesionlab.evaluation.questions import evaluate_questions
from lesionlab.evaluation.stated import Stated
from lesionlab.evaluation.table import OF_CLASS
from lesionlab.files import write_json
from lesionlab.models.decisions import OperatingPoint
from lesionlab.report import figures
from lesionlab.report.net_benefit import draw_decision_curves

FILES: tuple[str, ...] = (
    "metrics.json",
    "predictions.csv",
    "per_class.csv",
    "confusion.png",
    "confusion_normalised.png",
    "roc.png",
    "decision_curves.png",
)
"""What `write_evaluation` writes."""


def write_evaluation(
    folder: Path,
    predictions: Predictions,
    resamples: int = 2000,
    seed: int = 0,
    title: str = "",
    decided: Mapping[str, Any] | None = None,
    stated: Stated | None = None,
) -> dict[str, Any]:
    """Evaluate, write `FILES` into `folder` (each atomically) and return `evaluate`'s result.

    `title` heads the confusion matrices, for example the model and the part of the split. `decided`, of
    `evaluation.decided`, joins the result as "decisions". Pictures need matplotlib (`UsageError` without it).
    """
    result = evaluate(predictions, resamples, seed, stated) | ({"decisions": decided} if decided else {})
    counts = result["confusion"]["counts"]
    write_predictions(folder / "predictions.csv", predictions)
    write_per_class(folder / "per_class.csv", result)
    figures.confusion_matrix(counts, folder / "confusion.png", title=title)
    figures.confusion_matrix(counts, folder / "confusion_normalised.png", normalised=True, title=title)
    figures.roc(predictions, folder / "roc.png")
    draw_decision_curves(result["decision_curves"], folder / "decision_curves.png", title)
    write_json(folder / "metrics.json", result)
    return result


def write_questions(
    folder: Path,
    cases: Sequence[Case],
    probabilities: Floats,
    resamples: int = 2000,
    points: Sequence[OperatingPoint] = (),
    stated: Stated | None = None,
) -> dict[str, Any]:
    """Evaluate where diagnoses are known in part only; write metrics.json and predictions.csv, return the former.

    `points` are the model's operating points, `stated` what `evaluate_questions` takes.
    The truth of an image that may be several diagnoses is written as these, joined by `|`.
    """
    result = evaluate_questions(cases, probabilities, resamples, points, stated)
    rows = [
        (case.image_id, case.lesion_id, "|".join(case.possible), CODES[int(row.argmax())], *row.tolist())
        for case, row in zip(cases, probabilities, strict=True)
    ]
    write_rows(folder / "predictions.csv", COLUMNS, rows)
    write_json(folder / "metrics.json", result)
    return result


def write_per_class(path: Path, result: dict[str, Any]) -> None:
    """Write the per-class table of an `evaluate` result as CSV, atomically; undefined cells are empty.

    Each of `table.OF_CLASS` has three columns: the value and its interval, as in recall, recall_low, recall_high.
    """
    counts = ("images", "lesions", "predicted")
    metrics = [column for name in OF_CLASS for column in (name, f"{name}_low", f"{name}_high")]
    rows = [
        [code, row["name"], *(row[name] for name in counts)]
        + [row[name][key] for name in OF_CLASS for key in ("value", "low", "high")]
        for code, row in result["per_class"].items()
    ]
    write_rows(path, ("code", "name", *counts, *metrics), rows)
