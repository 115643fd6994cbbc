"""The figures to reach, and by how much they were missed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_study import write_study

from lesionlab.evaluation.paired import difference
from lesionlab.files import read_json, write_json
from lesionlab.study.aims import aims
from lesionlab.study.results import Results, read_results, value


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return read_results(write_study(tmp_path))


def again(of: Results, **more: Any) -> Results:
    write_json(of.folder / "study.json", read_json(of.folder / "study.json") | more)
    return read_results(of.folder)


def test_what_was_reached_and_missed(results: Results) -> None:
    """Budget cpu may stay .03 below; an ensemble of two is no average of three."""
    records = aims(results).records
    reached = value(results.row("paper", "xception"), "macro_f1")["value"] or 0
    assert [round(record["with_this_budget"], 2) for record in records] == [0.84, 0.75, 0.81, -0.01, -0.03]
    assert records[1]["reached"] == reached and records[1]["missed_by"] == 0.0
    assert records[2]["reached"] is None and records[2]["missed_by"] is None
    assert aims(results).rows[2][4].text == "not run"
    before, after = (results.predictions("paper", name) for name in ("xception", "mix"))
    assert before and after
    assert records[3]["reached"] == difference(before, after)["macro_f1"]["value"]


def test_full_fidelity_has_the_whole_aims(results: Results) -> None:
    state = read_json(results.folder / "study.json")
    rows = {row["id"]: row for row in state["protocols"]["paper"]["rows"]}
    rows["xception"]["figures"]["metrics"]["accuracy"]["value"] = 0.8
    rows["mix"]["figures"]["per_class"]["mel"]["recall"]["value"] = 0.25
    rows["xception"]["figures"]["per_class"]["mel"]["recall"]["value"] = 0.5
    rows["weighted"]["figures"]["metrics"]["macro_f1"]["value"] = 0.615
    rows["weighted"]["recipe"]["members"] = ["xception", "lite2", "gray"]
    table = aims(again(results, budget="full", protocols=state["protocols"]))
    missed = [record["missed_by"] for record in table.records]
    assert missed[0] == pytest.approx(0.07) and missed[4] == pytest.approx(0.25)
    assert table.records[2]["reached"] == 0.615 and missed[2] == pytest.approx(0.225)
    assert table.rows[2][4].note.startswith("[0.") and table.rows[0][5].text == "0.070"


def test_smoke_has_no_aims_and_no_protocol_paper_nothing_reached(results: Results) -> None:
    assert aims(again(results, budget="smoke")).rows == ()
    protocols = read_json(results.folder / "study.json")["protocols"]
    table = aims(again(results, budget="cpu", protocols={"grouped": protocols["grouped"]}))
    assert [line[4].text for line in table.rows] == ["not run"] * 5
