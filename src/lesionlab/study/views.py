"""Test-time augmentation as an ensemble of views: one network of a study, judged with one view and with more."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lesionlab.evaluation.paired import difference
from lesionlab.evaluation.predictions import read_predictions
from lesionlab.files import read_json
from lesionlab.report.evaluate_model import Evaluation, evaluate_model
from lesionlab.report.parts import Images
from lesionlab.report.table import Cell, Table, interval, number, signed, sure
from lesionlab.study.captions import row_caption
from lesionlab.study.kept import kept
from lesionlab.study.results import METRICS, Results, Row, read_results
from lesionlab.study.state import model_digest

FOLDER = "views"
VIEWS = (1, 4, 8)
"""How many flipped and turned views of an image are averaged; the differences are against the first."""

Figure = dict[str, float | None]
Judged = tuple[int, dict[str, Figure], Figure]
"""A number of views, the metrics with it, and the difference in macro F1 to one view."""

UNDEFINED: Figure = {"value": None, "low": None, "high": None}


def judge_views(out: Path, images: Images, resamples: int = 2000, protocols: Sequence[str] = ()) -> list[Path]:
    """Judge the network of `Results.lead` with each of `VIEWS` under protocols, and return the files of figures.

    OUT/PROTOCOL/views/ID/VIEWS holds an evaluation (see `report.evaluate_model`, as for the parameters); one of the
    same model stays. Test images that are scored count as looked at. All the study's protocols where none is named.
    """
    of, files = read_results(out), []
    for protocol in protocols or of.protocols:
        row = of.lead(protocol)
        if row is None:
            continue
        run, part = out / row["run"], of.state["protocols"][protocol]["part"]
        for views in VIEWS:
            judge = partial(
                evaluate_model, run, images, part, None, views, _folder(of, protocol, row, views), resamples,
                " ".join(sys.argv),
            )  # fmt: skip
            made_of = [row["id"], views, resamples, model_digest(run)]
            files += kept(out, f"{protocol}_views_{views}", made_of, partial(_files, judge))
    return files


def _files(judge: Callable[[], Evaluation]) -> list[Path]:
    """Return the files that an evaluation writes."""
    return sorted(judge().folder.iterdir())


def _folder(of: Results, protocol: str, row: Row, views: int) -> Path:
    return of.folder / protocol / FOLDER / str(row["id"]) / str(views)


def views_table(of: Results) -> Table:
    """Return one network's figures with each number of views, and the differences in macro F1 to a single view.

    The table has no rows where `judge_views` was not called.
    """
    networks = [(protocol, row) for protocol in of.protocols if (row := of.lead(protocol))]
    found = [(protocol, row, judged) for protocol, row in networks if (judged := _read(of, protocol, row))]
    told = [f"{row['label']}: {row_caption(of, protocol, row)}" for protocol, row, _ in found]
    usual = sorted({str(row["recipe"].get("views", 1)) for _, row, _ in found})
    return Table(
        "views",
        "An ensemble of views: test-time augmentation",
        "One network's answers to flipped and turned views of an image, averaged. Difference in macro F1 to one view "
        "on the same images, 95 % interval of the paired bootstrap over lesions; in bold where it excludes 0. "
        f"Views averaged everywhere else in this report: {' or '.join(usual)}. {' '.join(told)}",
        ("model", "protocol", "views", *METRICS.values(), "F1, difference", "95 % interval"),
        tuple(line for protocol, row, judged in found for line in _lines(protocol, row, judged)),
        tuple(_record(protocol, row, *one) for protocol, row, judged in found for one in judged),
    )


def _lines(protocol: str, row: Row, judged: Sequence[Judged]) -> list[tuple[Cell, ...]]:
    lines = []
    for place, (views, metrics, gain) in enumerate(judged):
        head = [Cell(text, rows=len(judged)) for text in (row["label"], protocol)] if place == 0 else []
        figures = [Cell(number(metrics[name]["value"]), "ours") for name in METRICS]
        kind = "outside" if sure(gain) else "number"
        lines.append(
            (
                *head,
                Cell(str(views), "number"),
                *figures,
                Cell(signed(gain["value"]), kind),
                Cell(interval(gain), "number"),
            )
        )
    return lines


def _record(protocol: str, row: Row, views: int, metrics: Mapping[str, Figure], gain: Figure) -> dict[str, Any]:
    values = {name: metrics[name]["value"] for name in METRICS}
    more = {f"macro_f1_difference_{key}": value for key, value in gain.items()}
    return {"id": row["id"], "protocol": protocol, "views": views, **values, **more}


def _read(of: Results, protocol: str, row: Row) -> list[Judged]:
    """Return the evaluations that there are, with the difference in macro F1 to one view; [] without that one."""
    folders = {views: _folder(of, protocol, row, views) for views in VIEWS}
    made = {views: folder for views, folder in folders.items() if (folder / "metrics.json").is_file()}
    if VIEWS[0] not in made:
        return []
    metrics = {views: read_json(folder / "metrics.json")["metrics"] for views, folder in made.items()}
    answers = {views: read_predictions(folder / "predictions.csv") for views, folder in made.items()}
    gains = {views: difference(answers[VIEWS[0]], answers[views])["macro_f1"] for views in made if views != VIEWS[0]}
    return [(views, metrics[views], gains.get(views, UNDEFINED)) for views in made]
