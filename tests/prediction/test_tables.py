"""The finished tables of bulk runs."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lesionlab.diagnoses import CODES
from lesionlab.prediction import tables
from lesionlab.prediction.answers import COLUMNS
from lesionlab.prediction.parts import Row
from lesionlab.prediction.tables import REFUSED_COLUMNS, Tally, write_table

CHANCES = {f"p_{code}": 0.125 for code in CODES}
DECIDED = {"malignant": True, "prediction_set": ["mel", "nv"], "abstained": False, "reason": ""}
ROWS: list[Row] = [
    {"image_id": "one", "path": "in/one.jpg", "diagnosis": "mel", **CHANCES, **DECIDED},
    {"image_id": "=two", "path": "in/=two.jpg", "refused": "in/=two.jpg: damaged"},
    {"image_id": "three", "path": "in/three.jpg", "diagnosis": "nv", **CHANCES, **dict.fromkeys(DECIDED), "reason": ""},
]


def rows() -> Iterator[Row]:
    return iter(ROWS)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_csv_keeps_its_columns_and_has_refusals_beside_it(tmp_path: Path) -> None:
    out, refused = tmp_path / "a.csv", tmp_path / "a.refused.csv"
    assert write_table(out, rows) == Tally(2, 1, refused)
    found = read(out)
    assert tuple(found[0]) == COLUMNS and [row["image_id"] for row in found] == ["one", "three"]
    assert [found[0][name] for name in DECIDED] == ["yes", "mel|nv", "no", ""]
    assert [found[1][name] for name in DECIDED] == [""] * 4
    assert found[0]["p_mel"] == "0.12500000"
    (row,) = read(refused)
    assert tuple(row) == REFUSED_COLUMNS and row["image_id"] == "'=two" and row["refused"] == "in/=two.jpg: damaged"


def test_refusals_of_an_earlier_run_do_not_stay(tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", rows)
    assert write_table(tmp_path / "a.csv", lambda: iter(ROWS[:1])) == Tally(1, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_jsonl_has_all_rows(tmp_path: Path) -> None:
    assert write_table(tmp_path / "a.jsonl", rows) == Tally(2, 1)
    assert [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()] == ROWS


def test_parquet_has_all_rows_with_types_and_null_for_what_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(tables, "GROUP", 2)
    assert write_table(tmp_path / "a.parquet", rows) == Tally(2, 1)
    table = parquet.read_table(tmp_path / "a.parquet")
    assert table.column_names == [*COLUMNS, "refused"]
    assert table.to_pylist() == [{name: row.get(name) for name in table.column_names} for row in ROWS]
    kinds = [table.schema.field(name).type for name in ("p_mel", "malignant", "prediction_set")]
    assert kinds == [pyarrow.float64(), pyarrow.bool_(), pyarrow.list_(pyarrow.string())]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_no_rows(suffix: str, tmp_path: Path) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    assert write_table(tmp_path / f"a{suffix}", lambda: iter(())) == Tally(0, 0)
    assert (tmp_path / f"a{suffix}").exists()
