"""What a bulk run keeps beside its output."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lesionlab.errors import DataError
from lesionlab.prediction.parts import Parts, Row, format_entry, format_row, parse_entry, parse_row, parts_folder
from lesionlab.prediction.paths import Entry

ODD = [
    Entry("caf\udce9", Path(os.fsdecode(b"caf\xe9.jpg"))),
    Entry("two\nlines", Path("in/two\nlines\u2028.jpg")),
    Entry("ünï 1", Path("/in/ünï 1.jpg")),
]


def test_names_of_any_bytes_are_kept() -> None:
    for entry in ODD:
        line = format_entry(entry)
        assert line.count(b"\n") == 1 and parse_entry(line) == entry


def test_rows_are_a_line_each() -> None:
    row: Row = {"path": "two\nlines\u2028", "p_mel": 0.1, "prediction_set": ["nv"], "malignant": None}
    assert format_row(row).count("\n") == 1 and parse_row(format_row(row).encode()) == row


def test_the_folder_is_beside_the_output() -> None:
    assert parts_folder(Path("out/results.parquet")) == Path("out/results.parquet.parts")


def test_what_waits_is_what_has_no_row(tmp_path: Path) -> None:
    first = Parts(tmp_path)
    first.open(ODD, {"views": 1})
    assert (first.count, first.done, list(first.waiting())) == (3, 0, ODD)
    first.keep([{"image_id": "a"}])
    first.keep([])
    first.keep([{"image_id": "b"}])
    again = Parts(tmp_path)
    again.open(iter(ODD), {"views": 1})
    assert (again.count, again.done, list(again.waiting())) == (3, 2, ODD[2:])
    assert list(again.rows()) == [{"image_id": "a"}, {"image_id": "b"}]


def test_a_run_that_was_killed_before_it_had_a_listing_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "part-000000000000-000000000001.jsonl").write_text('{"image_id": "of another run"}\n')
    (tmp_path / "listing.jsonl").write_text("of another run\n")
    parts = Parts(tmp_path)
    parts.open(ODD, {})
    assert (parts.done, list(parts.waiting()), list(parts.rows())) == (0, ODD, [])


def test_a_damaged_run_is_told(tmp_path: Path) -> None:
    Parts(tmp_path).open(ODD, {})
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(DataError, match=r"run\.json"):
        Parts(tmp_path).open(ODD, {})
