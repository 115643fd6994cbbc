"""What evaluations have left in a run folder, as rows of words for a model card."""

from __future__ import annotations

from pathlib import Path

from lesionlab.evaluation.evaluate import summary_rows
from lesionlab.evaluation.questions import question_rows
from lesionlab.files import read_json

CHOSE: tuple[str, ...] = ("train", "val")
"""Parts that made the model, or chose it: their figures are too good to be told."""


def evaluation_tables(run: Path | None) -> dict[str, list[tuple[str, str]]]:
    """Return what was evaluated -> (figure in words, value with interval), of every part but `CHOSE`."""
    tables = {}
    for path in sorted(run.glob("evaluation/*/metrics.json")) if run else []:
        part, result = path.parent.name, read_json(path)
        if part not in CHOSE:
            rows = question_rows(result) if "questions" in result else summary_rows(result)
            tables[f"Part {part}: `lesionlab evaluate --model RUN --data SOURCE --split {part}`"] = rows
    return tables
