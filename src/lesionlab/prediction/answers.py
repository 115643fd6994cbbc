"""Answers as lines of CSV or JSON, written as they come."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from lesionlab.data.cases import guard
from lesionlab.diagnoses import CODES
from lesionlab.files import atomic
from lesionlab.prediction.predictor import Answer, Refusal

COLUMNS: tuple[str, ...] = ("image_id", "path", "diagnosis", *(f"p_{code}" for code in CODES))
"""The columns of the CSV: the image, its likeliest diagnosis, and the probability of each."""


def csv_lines(results: Iterable[Answer | Refusal]) -> Iterator[str]:
    """Yield a header and one line, ending in a newline, for each answer; refusals are left out.

    Probabilities have eight decimals. Text that a spreadsheet would run as a formula is neutralised.
    """
    yield _csv_line(COLUMNS)
    for result in results:
        if isinstance(result, Answer):
            name, path = guard(_text(result.image_id)), guard(_text(str(result.path)))
            yield _csv_line((name, path, result.diagnosis, *(f"{p:.8f}" for p in result.probabilities)))


def _csv_line(cells: Iterable[str]) -> str:
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def jsonl_lines(results: Iterable[Answer | Refusal]) -> Iterator[str]:
    """Yield one JSON object a line: for an answer the CSV's columns, for a refusal `path` and `refused`."""
    for result in results:
        row: dict[str, str | float] = {"path": _text(str(result.path))}
        if isinstance(result, Answer):
            row = {"image_id": _text(result.image_id), **row, "diagnosis": result.diagnosis}
            row |= {f"p_{code}": round(p, 8) for code, p in zip(CODES, result.probabilities, strict=True)}
        else:
            row["refused"] = _text(result.reason)
        yield json.dumps(row, ensure_ascii=False) + "\n"


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines as UTF-8 to a file that appears when the last is written; `DataError` when the disk refuses."""
    with atomic(path) as file:
        for line in lines:
            file.write(line.encode("utf-8"))


def _text(name: str) -> str:
    """Return a file name as text that UTF-8 can hold: bytes that are no text become the replacement character."""
    return os.fsencode(name).decode("utf-8", "replace")
