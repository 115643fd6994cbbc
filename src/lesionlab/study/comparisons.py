"""The paper's tables with ours beside them: summary, Tables 2, 3 and 6, ensembles, and what the leak is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lesionlab.report.table import NONE, Cell, Table, interval, number, signed
from lesionlab.study.captions import study_caption
from lesionlab.study.results import METRICS, PROTOCOLS, Results, Row, value, why_missing

HOW_TO_READ = (
    "Difference: ours minus the paper's; in bold where the paper's value lies outside our 95 % interval "
    "(bootstrap over lesions)."
)


def summary(of: Results) -> Table:
    """Return the first table: macro F1 and accuracy of every model, paper | ours | ours without the leak."""
    names = {"macro_f1": "F1", "accuracy": "accuracy"}
    ours = [PROTOCOLS[protocol] for protocol in of.protocols]
    columns = ["model", *(f"{name}, {who}" for name in names.values() for who in ("paper", *ours))]
    designs = of.designs("row", "ensemble", "mix")
    rows = [
        (
            Cell(design["label"]),
            *(cell for metric in names for cell in _summary_cells(of, design, metric)),
        )
        for design in designs
    ]
    return Table(
        "summary",
        " | ".join(["Paper", *ours]),
        "Macro F1 and accuracy with 95 % intervals. " + study_caption(of, designs),
        tuple(columns),
        tuple(rows),
        tuple(record for design in designs for record in _records(of, design)),
    )


def _summary_cells(of: Results, design: Row, metric: str) -> list[Cell]:
    cells = [Cell(number(_published(design, metric), 2), "number")]
    for protocol in of.protocols:
        row = of.row(protocol, design["id"])
        found = value(row, metric)
        if found["value"] is None:
            undone = row is not None and row["status"] != "done"
            cells.append(Cell(row["status"], "missing", link="missing") if row and undone else Cell(NONE, "number"))
            continue
        link = made_id(protocol, design["id"])
        cells.append(Cell(number(found["value"]), "ours", interval(found, missing=""), link=link))
    return cells


def paper_table(of: Results, table: int) -> Table:
    """Return Table 2, 3 or 6 of the paper: four figures of each model, paper | ours | difference | 95 % interval.

    Table 6 sets each Mix-Model beside its base.
    """
    titles = {2: "Vision transformers", 3: "Models", 6: "Mix-Model and its base"}
    if table == 6:
        bases: dict[str, Any] = {}
        for mix in of.designs("mix"):  # the paper's Table 6 gives its base other figures than its Table 3
            bases[mix["recipe"]["base"]] = bases.get(mix["recipe"]["base"]) or mix.get("base_published")
        shown = [row for row in of.designs() if row["id"] in bases or row["kind"] == "mix"]
        designs = [
            {**row, "published": bases[row["id"]], "number": None} if row["id"] in bases else row for row in shown
        ]
    else:
        designs = [row for row in of.designs("row") if row["table"] == table]
    return _compared(of, f"table{table}", f"Table {table}: {titles[table]}", designs)


def others(of: Results) -> Table:
    """Return the study's models that stand in none of the paper's tables, as `paper_table` does; may have no rows."""
    designs = [row for row in of.designs("row") if row["table"] is None]
    return _compared(of, "further", "Further models of this study", designs)


def ensembles(of: Results) -> Table:
    """Return the ensembles' four figures, as `paper_table` does."""
    return _compared(of, "ensembles", "Ensembles (3.5.3)", of.designs("ensemble"))


def _compared(of: Results, name: str, title: str, designs: Sequence[Row]) -> Table:
    columns = ["model", "figure", "paper"]
    for protocol in of.protocols:
        columns += [PROTOCOLS[protocol], "difference", "95 % interval"]
    return Table(
        name,
        title,
        f"{study_caption(of, designs)} {HOW_TO_READ}",
        tuple(columns),
        tuple(line for design in designs for line in _lines(of, design)),
        tuple(record for design in designs for record in _records(of, design)),
    )


def _lines(of: Results, design: Row) -> list[tuple[Cell, ...]]:
    """Return a model's four lines, or one where nobody has figures; a reason spans the lines and equal protocols."""
    blocks = [_block(of, protocol, design) for protocol in of.protocols]
    reasons = [block for block in blocks if isinstance(block, str)]
    none = len(reasons) == len(blocks)
    if none and not any(_published(design, metric) is not None for metric in METRICS):
        return [(Cell(_numbered(design)), Cell("all"), Cell(NONE, "number"), *_reasons(reasons, 1))]
    lines = []
    for place, (metric, name) in enumerate(METRICS.items()):
        line = [Cell(_numbered(design), rows=len(METRICS))] if place == 0 else []
        line += [Cell(name), Cell(number(_published(design, metric), 2), "number")]
        if none:
            line += _reasons(reasons, len(METRICS)) if place == 0 else []
        for block in blocks if not none else ():
            if not isinstance(block, str):
                line += block[place]
            elif place == 0:
                line += _reasons([block], len(METRICS))
        lines.append(tuple(line))
    return lines


def _reasons(reasons: Sequence[str], rows: int) -> list[Cell]:
    """Return cells that tell why protocols have no figures: one for all where the reason is the same."""
    if len(set(reasons)) == 1:
        return [Cell(reasons[0], "missing", rows=rows, columns=3 * len(reasons))]
    return [Cell(reason, "missing", rows=rows, columns=3) for reason in reasons]


def _block(of: Results, protocol: str, design: Row) -> list[list[Cell]] | str:
    """Return the cells ours | difference | interval of each figure under one protocol, or why there are none."""
    row = of.row(protocol, design["id"])
    if row is None or row["status"] != "done":
        return why_missing(row)
    lines = []
    for metric in METRICS:
        found, published = value(row, metric), _published(design, metric)
        ours = found["value"]
        kind = "outside" if _outside(published, found["low"], found["high"]) else "number"
        lines.append(
            [
                Cell(number(ours), "ours", link=made_id(protocol, design["id"])),
                Cell(signed(minus(ours, published)), kind),
                Cell(interval(found), "number"),
            ]
        )
    return lines


def made_id(protocol: str, identifier: str) -> str:
    """Return the id of the page's element that tells how a row was made."""
    return f"made-{protocol}-{identifier}"


def forest(of: Results) -> dict[str, Any]:
    """Return what the summary's picture draws: macro F1 of every model that has a published figure or one of ours.

    Keys: models : [{label, paper, ours : protocol -> {value, low, high}}]; low, high : the axis; ticks : every 0.1.
    """
    models = []
    for design in of.designs("row", "ensemble", "mix"):
        found = {protocol: value(of.row(protocol, design["id"]), "macro_f1") for protocol in of.protocols}
        done = {protocol: figure for protocol, figure in found.items() if figure["value"] is not None}
        paper = _published(design, "macro_f1")
        if done or paper is not None:
            models.append({"label": design["label"], "paper": paper, "ours": done})
    limits = ("value", "low", "high")
    drawn = [figure[limit] for model in models for figure in model["ours"].values() for limit in limits]
    drawn += [model["paper"] for model in models]
    known = [v for v in drawn if v is not None]
    first, last = math.floor(min(known, default=0) * 10), math.ceil(max(known, default=1) * 10)
    ticks = [tick / 10 for tick in range(first, max(last, first + 1) + 1)]
    return {"models": models, "low": ticks[0], "high": ticks[-1], "ticks": ticks}


def _records(of: Results, design: Row) -> list[dict[str, Any]]:
    """Return a model's figures for CSV: one record per protocol and figure."""
    records = []
    for protocol in of.protocols:
        row = of.row(protocol, design["id"])
        for metric in METRICS:
            found, published = value(row, metric), _published(design, metric)
            records.append(
                {
                    "id": design["id"],
                    "label": design["label"],
                    "metric": metric,
                    "protocol": protocol,
                    "paper": published,
                    "ours": found["value"],
                    "difference": minus(found["value"], published),
                    "low": found["low"],
                    "high": found["high"],
                    "cross_fitted": bool(row and row.get("fitted")),
                    "status": row["status"] if row else "not run",
                    "reason": row["reason"] if row else "",
                    "command": row["command"] if row else "",
                }
            )
    return records


def _numbered(design: Row) -> str:
    return f"{design['number']}. {design['label']}" if design["number"] is not None else str(design["label"])


def _published(design: Row, metric: str) -> float | None:
    return (design["published"] or {}).get(metric)


def minus(a: float | None, b: float | None) -> float | None:
    """Return a difference, None where a figure is not there."""
    return None if a is None or b is None else a - b


def _outside(published: float | None, low: float | None, high: float | None) -> bool:
    return published is not None and low is not None and high is not None and not low <= published <= high
