"""Tables: spanning cells, rounding, CSV."""

from __future__ import annotations

from pathlib import Path

from small_study import TABLE

from lesionlab.data.cases import read_rows
from lesionlab.report.table import interval, number, signed, sure, write_table


def test_spanning_cells_leave_their_places_empty() -> None:
    grid = [[cell.text if cell else None for cell in line] for line in TABLE.grid()]
    assert grid == [
        ["A | B", "0.87", "not run: no <weights>", None],
        [None, "0.75", None, None],
        ["C", "0.80", "0.823", "+0.023"],
    ]
    assert TABLE.flush_right == (False, True, True, True)


def test_csv_holds_unrounded_numbers(tmp_path: Path) -> None:
    write_table(tmp_path / "small.csv", TABLE)
    assert read_rows(tmp_path / "small.csv") == [
        {"model": "A", "ours": "", "low": ""},
        {"model": "C", "ours": "0.8234567", "low": "0.8"},
    ]


def test_numbers_as_text() -> None:
    assert (number(0.8266), number(0.8266, 2), number(None)) == ("0.827", "0.83", "–")
    assert (signed(0.0123), signed(-0.0123), signed(None)) == ("+0.012", "−0.012", "–")
    assert signed(-0.0001) == signed(0.0) == "+0.000"
    assert interval({"value": 0, "low": -0.01, "high": 0.02}) == "[−0.010, 0.020]"
    assert interval({"value": 0, "low": None, "high": None}) == "–"
    assert sure({"low": 0.01, "high": 0.02}) and sure({"low": -0.02, "high": -0.01})
    assert not sure({"low": -0.01, "high": 0.02}) and not sure({"low": None, "high": None})
