"""The figures that a study of the paper is to reach under the paper's own protocol, and by how much it missed them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lesionlab.evaluation.paired import difference
from lesionlab.report.table import NONE, Cell, Table, interval, number, signed
from lesionlab.study.captions import study_caption
from lesionlab.study.results import Results, Row, value

PROTOCOL = "paper"

ALLOWED: dict[str, float] = {"full": 0.0, "cpu": 0.03}
"""Budget -> how much less than the aim is as good; budget smoke has no aims."""

XCEPTION = (3, 3)
"""Table and number of the paper's Xception, RGB."""

AVERAGES = ("average", "weighted")
"""The rules that average three members."""

Figure = Mapping[str, float | None]


@dataclass(frozen=True)
class Aim:
    """One figure to reach.

    wanted : at full fidelity. model : the label of the row that was judged by it, "" where none was. reached : {value,
    low, high}, None where nothing was run. extent : its interval in words. gain : whether it is a difference.
    """

    name: str
    wanted: float
    model: str
    reached: Figure | None
    extent: str
    gain: bool = False


def aims(of: Results) -> Table:
    """Return what was to be reached, what was, and by how much it was missed; no rows with budget smoke."""
    budget = of.state["budget"]
    allowed = ALLOWED.get(budget, 0.0)
    found = _aims(of) if budget in ALLOWED else []
    rows, records = [], []
    for aim in found:
        least = aim.wanted - allowed
        reached = aim.reached["value"] if aim.reached else None
        missed = None if reached is None else max(0.0, round(least - reached, 9))
        told = signed if aim.gain else number
        rows.append(
            (
                Cell(aim.name),
                Cell(told(aim.wanted, 2), "number"),
                Cell(told(least, 2), "number"),
                Cell(aim.model or NONE),
                Cell("not run", "missing") if reached is None else Cell(told(reached), "ours", aim.extent),
                Cell(NONE if missed is None else number(missed) if missed else "reached", "number"),
            )
        )
        records.append(
            {
                "aim": aim.name,
                "at_least": aim.wanted,
                "with_this_budget": least,
                "model": aim.model,
                "reached": reached,
                "missed_by": missed,
            }
        )
    return Table(
        "aims",
        "Figures to reach",
        "At least these figures, under the paper's own protocol. "
        + (f"Budget {budget} may stay {allowed:.2f} below those of full fidelity. " if allowed else "")
        + study_caption(of, protocols=of.protocols[:1]),
        ("figure", "aim", "aim with this budget", "model", "ours", "missed by"),
        tuple(rows),
        tuple(records),
    )


def _aims(of: Results) -> list[Aim]:
    rows = of.rows(PROTOCOL) if PROTOCOL in of.protocols else []
    xception = next((row for row in rows if (row["table"], row["number"]) == XCEPTION), None)
    averages = [row for row in rows if row["kind"] == "ensemble" and _averages_three(row) and _value(row) is not None]
    average = max(averages, key=lambda row: _value(row) or 0.0, default=None)
    mixes = [row for row in rows if row["kind"] == "mix" and row["status"] == "done"]
    return [
        _of_row("Xception in RGB, accuracy", 0.87, xception, "accuracy"),
        _of_row("Xception in RGB, macro F1", 0.78, xception, "macro_f1"),
        _of_row("best average of three, macro F1", 0.84, average, "macro_f1"),
        *_mix(of, mixes[0] if mixes else None),
    ]


def _averages_three(row: Row) -> bool:
    return row["recipe"]["rule"] in AVERAGES and len(row["recipe"]["members"]) == 3


def _value(row: Row) -> float | None:
    return value(row, "macro_f1")["value"]


def _of_row(name: str, wanted: float, row: Row | None, metric: str) -> Aim:
    figure = value(row, metric)
    if row is None or figure["value"] is None:
        return Aim(name, wanted, "", None, "")
    return Aim(name, wanted, row["label"], figure, interval(figure, missing=""))


def _mix(of: Results, mix: Row | None) -> list[Aim]:
    """Return what a Mix-Model gains in macro F1 and in recall of melanoma."""
    names = ("Mix-Model minus its base, macro F1", "Mix-Model minus its base, recall of melanoma")
    base = of.row(PROTOCOL, mix["recipe"]["base"]) if mix else None
    before = of.predictions(PROTOCOL, base["id"]) if base else None
    after = of.predictions(PROTOCOL, mix["id"]) if mix else None
    if mix is None or base is None or not base["figures"] or before is None or after is None:
        return [Aim(name, wanted, "", None, "", gain=True) for name, wanted in zip(names, (0.02, 0.0), strict=True)]
    f1 = difference(before, after)["macro_f1"]
    recalls = [row["figures"]["per_class"]["mel"]["recall"]["value"] for row in (base, mix)]
    lost = None if None in recalls else {"value": recalls[1] - recalls[0], "low": None, "high": None}
    return [
        Aim(names[0], 0.02, mix["label"], f1, interval(f1, missing=""), gain=True),
        Aim(names[1], 0.0, mix["label"], lost, "", gain=True),
    ]
