"""ISIC one-hot ground truth: order, values, lesion groupings."""

from __future__ import annotations

from pathlib import Path

import pytest

from lesionlab.data.sources import load_source
from lesionlab.diagnoses import ISIC_ORDER
from lesionlab.errors import DataError

HEADER = "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC"


def make(folder: Path, rows: list[str], header: str = HEADER) -> Path:
    truth, images = folder / "ISIC2018_Task3_Test_GroundTruth", folder / "ISIC2018_Task3_Test_Input"
    truth.mkdir(parents=True)
    images.mkdir()
    (truth / "ISIC2018_Task3_Test_GroundTruth.csv").write_text("\n".join([header, *rows]) + "\n")
    for row in rows:
        (images / f"{row.split(',')[0]}.jpg").write_bytes(b"jpg")
    return folder


def one_hot(name: str, place: int) -> str:
    return ",".join([name, *("1.0" if i == place else "0.0" for i in range(7))])


def test_each_column_is_its_own_diagnosis(tmp_path: Path) -> None:
    listing = load_source(make(tmp_path, [one_hot(f"ISIC_{i}", i) for i in range(7)]))
    assert (listing.kind, listing.problems) == ("isic", [])
    assert tuple(case.dx for case in listing.cases) == ISIC_ORDER
    assert ISIC_ORDER == ("mel", "nv", "bcc", "akiec", "bkl", "df", "vasc")
    assert [case.lesion_id for case in listing.cases] == [case.image_id for case in listing.cases]
    assert {case.source for case in listing.cases} == {"ISIC2018_Task3_Test"}


def test_lesion_groupings(tmp_path: Path) -> None:
    make(tmp_path, [one_hot(f"ISIC_{i}", 1) for i in range(3)])
    (tmp_path / "ISIC2018_Task3_Training_LesionGroupings.csv").write_text(
        "image,lesion_id,diagnosis_confirm_type\nISIC_0,HAM_7,histopathology\nISIC_1,HAM_7,follow-up\n"
    )
    cases = load_source(tmp_path).cases
    assert [case.lesion_id for case in cases] == ["HAM_7", "HAM_7", "ISIC_2"]
    assert [case.dx_type for case in cases] == ["histopathology", "follow-up", ""]


@pytest.mark.parametrize(
    "header",
    [
        "image,AKIEC,BCC,BKL,DF,MEL,NV,VASC",
        "image,MEL,NV,BCC,AKIEC,BKL,VASC,DF",
        "image,MEL,NV,BCC,AK,BKL,DF,VASC",
        "image,mel,nv,bcc,akiec,bkl,df,vasc",
    ],
)
@pytest.mark.parametrize("kind", [None, "isic"])
def test_columns_in_another_order_are_refused(tmp_path: Path, header: str, kind: str | None) -> None:
    with pytest.raises(DataError, match=r"GroundTruth\.csv: the columns are") as caught:
        load_source(make(tmp_path, [one_hot("ISIC_1", 0)], header), kind)
    assert HEADER in caught.value.hint


@pytest.mark.parametrize(
    "values",
    ["0,0,0,0,0,0,0", "1,1,0,0,0,0,0", ".5,.5,0,0,0,0,0", "1,0,0,0,0,0,yes", "nan,0,0,0,0,0,1", "2,0,0,0,0,0,-1"],
)
def test_rows_that_are_not_one_hot_are_refused(tmp_path: Path, values: str) -> None:
    with pytest.raises(DataError, match=r"line 3: image 'ISIC_2' is not one-hot"):
        load_source(make(tmp_path, [one_hot("ISIC_1", 0), f"ISIC_2,{values}"]))


def test_row_without_image_is_a_problem(tmp_path: Path) -> None:
    make(tmp_path, [one_hot("ISIC_1", 0), one_hot("ISIC_0035068", 1)])
    (tmp_path / "ISIC2018_Task3_Test_Input/ISIC_0035068.jpg").unlink()
    listing = load_source(tmp_path)
    assert [case.image_id for case in listing.cases] == ["ISIC_1"]
    assert [(p.kind, p.image_id) for p in listing.problems] == [("missing image", "ISIC_0035068")]
