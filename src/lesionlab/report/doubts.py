"""Labels in doubt, found in the answers that evaluations left, as a table and as a page to look through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from lesionlab.data.cases import Case, write_rows
from lesionlab.data.images import load_image
from lesionlab.data.sources import load_source
from lesionlab.diagnoses import CODES, NAMES
from lesionlab.errors import DataError, UsageError
from lesionlab.evaluation.doubts import doubts
from lesionlab.evaluation.predictions import Predictions, read_predictions
from lesionlab.files import write_json, write_text
from lesionlab.report.asking import answers_file
from lesionlab.report.heatmaps import shrink
from lesionlab.report.html import Picture, render
from lesionlab.report.pages import Cell, draw_page, in_lines
from lesionlab.report.parts import Images, run_folder

HELD_OUT: tuple[str, ...] = ("test", "val")
"""The parts that a model has not learnt."""

RESULT, TABLE, PAGE, TEMPLATE = "doubts.json", "doubts.csv", "index.html", "doubts.html.j2"
COLUMNS: tuple[str, ...] = (
    *("image_id", "lesion_id", "label", "answer", "probability", "own", "margin", "photographs", "doubted"),
)
ACROSS = 6
"""Photographs in a row of a sheet."""


def find_doubts(
    runs: Sequence[Path], images: Images | None = None, out: Path | None = None, count: int = 120
) -> dict[str, Any]:
    """Return `evaluation.doubts.doubts` of what runs answered to images that they were not trained on.

    Parameters
    ----------
    runs : run folders whose `HELD_OUT` parts were evaluated. The folds of one k-fold split cover a whole source;
        where several answered one image, their mean counts.
    images, out : where given, `RESULT` and `TABLE` are written to `out`, and with `images` a page of the `count`
        largest doubts, by label and answer.

    Keys beside those of `doubts`: runs, answers: the files that were read.

    Raises `UsageError` for images without `out`, `DataError` for runs without such answers or that contradict each
    other in an image's label, and for a source that lacks an image.
    """
    if images and out is None:
        raise UsageError("pages need a place", "name a folder with --out")
    files = [file for run in runs for file in _answers(run)]
    result = {
        "runs": [str(run) for run in runs],
        "answers": [str(file) for file in files],
        **doubts(averaged([read_predictions(file) for file in files])),
    }
    if out:
        write_json(out / RESULT, result)
        write_rows(out / TABLE, COLUMNS, ([row[name] for name in COLUMNS] for row in result["doubts"]))
    if images and out:
        _write_page(result, images, out, count)
    return result


def _answers(run: Path) -> list[Path]:
    """Return the files of a run's answers to what it has not learnt."""
    folder = run_folder(run) or run
    found = [file for part in HELD_OUT if (file := answers_file(folder, part)).is_file()]
    if not found:
        raise DataError(
            f"{run}: was not evaluated on images that it has not learnt",
            f"first: lesionlab evaluate --model {run} --data SOURCE --split test",
        )
    return found


def averaged(tables: Iterable[Predictions]) -> Predictions:
    """Return one answer per image, the mean of all that there are; `DataError` where their labels differ."""
    known: dict[str, tuple[str, int, list[Any]]] = {}
    for table in tables:
        for row, name in enumerate(table.image_ids):
            _, truth, rows = known.setdefault(name, (table.lesion_ids[row], int(table.truth[row]), []))
            if truth != table.truth[row]:
                told = f"{CODES[truth]} in one, {CODES[table.truth[row]]} in another"
                raise DataError(f"{name}: the runs have different labels ({told})", "name runs of one source")
            rows.append(table.probabilities[row])
    return Predictions(
        tuple(known),
        tuple(lesion for lesion, _, _ in known.values()),
        np.array([truth for _, truth, _ in known.values()], np.int64),
        np.array([np.mean(rows, axis=0) for _, _, rows in known.values()]),
    )


def _write_page(result: Mapping[str, Any], images: Images, out: Path, count: int) -> None:
    cases = {case.image_id: case for case in load_source(images.data, images.source).cases}
    chosen = sorted(result["doubts"][:count], key=lambda row: (row["label"], row["answer"], -row["margin"]))
    if missing := [row["image_id"] for row in chosen if row["image_id"] not in cases]:
        raise DataError(f"{images.data}: lacks {missing[0]}, which was answered", "name the source of the runs")
    sheets, done = [], 0
    for (label, answer), group in groupby(chosen, key=lambda row: (row["label"], row["answer"])):
        rows = list(group)
        path = out / "figures" / f"{label}_as_{answer}.png"
        _sheet(rows, cases, path)
        told = f"labelled {NAMES[label].lower()}, answered as {NAMES[answer].lower()}: {len(rows)}"
        sheets.append(Picture(path, f"{told[0].upper()}{told[1:]}.", told, wide=True, photographic=True))
        done += len(rows)
        if images.progress:
            images.progress("pages", done, len(chosen))
    page = render(TEMPLATE, title="Labels in doubt", result=result, shown=len(chosen), pictures={"sheets": sheets})
    write_text(out / PAGE, page)


def _sheet(rows: Sequence[Mapping[str, Any]], cases: Mapping[str, Case], path: Path) -> None:
    """Draw photographs with their names, what the model says, and on how many of the lesion's photographs it does."""
    cells = []
    for row in rows:
        case = cases[row["image_id"]]
        said = f"{row['answer']} {row['probability']:.0%}, {row['label']} {row['own']:.0%}"
        of = f"{row['doubted']} of {row['photographs']} photographs" if row["photographs"] > 1 else "one photograph"
        photograph = shrink(load_image(Path(case.path), case.image_id))
        cells.append(Cell(photograph, f"{row['image_id']}\n{said}\n{case.dx_type or 'dx_type unknown'}, {of}"))
    draw_page(in_lines(cells, ACROSS), path)
