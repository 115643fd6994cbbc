"""Answers as lines of CSV or JSON, written as they come."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lesionlab.data.cases import guard
from lesionlab.diagnoses import CODES
from lesionlab.files import atomic
from lesionlab.prediction.judging import Verdict
from lesionlab.prediction.lesions import LesionAnswer
from lesionlab.prediction.predictor import Answer, Refusal

VERDICT: tuple[str, ...] = (
    "diagnosis", *(f"p_{code}" for code in CODES), "malignant", "prediction_set", "abstained", "reason",
)  # fmt: skip
COLUMNS: tuple[str, ...] = ("image_id", "path", *VERDICT)
"""The columns of the CSV: the image, its likeliest diagnosis, the probability of each, and what the model decides.

`malignant` and `abstained` are yes or no, `prediction_set` is codes joined by `|`, the likeliest first; all are empty
for a model that has no decisions.
"""

LESION_COLUMNS: tuple[str, ...] = ("lesion_id", "photographs", *VERDICT)
"""The columns where photographs are answered by lesion; `photographs` is how many."""

Result = Answer | LesionAnswer | Refusal


def csv_lines(results: Iterable[Result], columns: tuple[str, ...] = COLUMNS) -> Iterator[str]:
    """Yield a header and one line, ending in a newline, for each answer; refusals are left out.

    Probabilities have eight decimals. Text that a spreadsheet would run as a formula is neutralised.
    """
    yield csv_line(columns)
    for result in results:
        if not isinstance(result, Refusal):
            yield csv_line(row(result).values())


def csv_line(values: Iterable[object]) -> str:
    """Return values as one line of the CSV, with its newline."""
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\n").writerow([_cell(value) for value in values])
    return line.getvalue()


def _cell(value: object) -> str:
    """Return a value as a cell."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.8f}"
    if isinstance(value, list):
        return "|".join(value)
    return "" if value is None else guard(str(value))


def jsonl_lines(results: Iterable[Result]) -> Iterator[str]:
    """Yield one JSON object a line: for an answer the CSV's columns, for a refusal `path` and `refused`."""
    for result in results:
        yield json.dumps(row(result), ensure_ascii=False) + "\n"


def row(result: Result) -> dict[str, Any]:
    """Return a result as values by column."""
    if isinstance(result, Refusal):
        return {"path": text(str(result.path)), "refused": text(result.reason)}
    if isinstance(result, LesionAnswer):
        return {
            "lesion_id": text(result.lesion_id),
            "photographs": len(result.photographs),
            **_decided(result.verdict),
        }
    return {"image_id": text(result.image_id), "path": text(str(result.path)), **_decided(result.verdict)}


def _decided(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as values by the columns `VERDICT`."""
    return {
        "diagnosis": verdict.diagnosis,
        **{f"p_{code}": round(p, 8) for code, p in zip(CODES, verdict.probabilities, strict=True)},
        "malignant": verdict.malignant,
        "prediction_set": None if verdict.prediction_set is None else list(verdict.prediction_set),
        "abstained": verdict.abstained,
        "reason": verdict.reason,
    }


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines as UTF-8 to a file that appears when the last is written; `DataError` when the disk refuses."""
    with atomic(path) as file:
        for line in lines:
            file.write(line.encode("utf-8"))


def text(name: str) -> str:
    """Return a file name as text that UTF-8 can hold: bytes that are no text become the replacement character."""
    return os.fsencode(name).decode("utf-8", "replace")
