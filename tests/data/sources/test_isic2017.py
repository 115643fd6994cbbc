"""ISIC 2017: two diagnoses, and images of which only is known that they show neither."""

from __future__ import annotations

from pathlib import Path

import pytest

from lesionlab.data.cases import read_cases, write_cases
from lesionlab.data.sources import load_source
from lesionlab.errors import DataError

HEADER = "image_id,melanoma,seborrheic_keratosis"


def make(folder: Path, rows: list[str], header: str = HEADER) -> Path:
    (folder / "images").mkdir(parents=True)
    (folder / "labels.csv").write_text("\n".join([header, *rows]) + "\n")
    for row in rows:
        (folder / "images" / f"{row.split(',')[0]}.jpg").write_bytes(b"jpg")
    return folder


def test_neither_is_no_diagnosis(tmp_path: Path) -> None:
    listing = load_source(make(tmp_path, ["a,1.0,0.0", "b,0.0,1.0", "c,0.0,0.0"]))
    assert (listing.kind, listing.problems) == ("isic2017", [])
    assert [(case.dx, case.excluded) for case in listing.cases] == [("mel", ""), ("bkl", ""), ("", "mel|bkl")]
    assert [case.possible for case in listing.cases] == [("mel",), ("bkl",), ("akiec", "bcc", "df", "nv", "vasc")]
    assert {case.source for case in listing.cases} == {"isic2017"}


def test_a_dx_column_does_not_turn_neither_into_a_nevus(tmp_path: Path) -> None:
    rows = ["a,train,0,0,nv,45,male", "b,val,1,0,mel,unknown,female"]
    header = "image_id,split,melanoma,seborrheic_keratosis,dx,age_approximate,sex"
    cases = load_source(make(tmp_path, rows, header)).cases
    assert [(case.dx, case.age, case.sex) for case in cases] == [("", 45.0, "male"), ("mel", None, "female")]


def test_what_is_excluded_survives_a_case_table(tmp_path: Path) -> None:
    cases = load_source(make(tmp_path, ["a,1,0", "c,0,0"])).cases
    write_cases(tmp_path / "cases.csv", cases)
    assert [case.possible for case in read_cases(tmp_path / "cases.csv")] == [case.possible for case in cases]


@pytest.mark.parametrize("answer", ["1,1", "0.5,0", "yes,no", ","])
def test_other_answers_are_refused(tmp_path: Path, answer: str) -> None:
    with pytest.raises(DataError, match=r"labels\.csv, line 3: melanoma"):
        load_source(make(tmp_path, ["a,0,0", f"b,{answer}"]))
