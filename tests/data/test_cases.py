"""The case table: what is read, what is refused, and that it comes back as it was written."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionlab.data.cases import (
    CELL_LIMIT,
    Case,
    check_unique,
    fingerprint,
    guard,
    labelled,
    parse_age,
    parse_dx,
    read_cases,
    read_rows,
    unguard,
    write_cases,
    write_rows,
)
from lesionlab.diagnoses import CODES
from lesionlab.errors import EXIT_DATA, DataError

TABLE = "image_id,path,dx,lesion_id,age,sex\nISIC_1,a.jpg,mel,HAM_1,45,female\nISIC_2,b.jpg,nv,HAM_1,,\n"


def write(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "cases.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_table_is_read(tmp_path: Path) -> None:
    first, second = read_cases(write(tmp_path, TABLE))
    assert first == Case("ISIC_1", str(tmp_path / "a.jpg"), "mel", "HAM_1", 45.0, "female")
    assert second.age is None and second.sex == ""


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text.replace("\n", "\r\n"),
        lambda text: text.replace("image_id", " image_id ").replace(",sex", ", sex"),
        lambda text: text.replace("mel", " MEL "),
        lambda text: text.replace("\nISIC_2", "\n\nISIC_2"),
        lambda text: text.replace("ISIC_1", '"ISIC_1"'),
    ],
    ids=["bom", "crlf", "bom and crlf", "spaces in the header", "capitals", "blank line", "quotes"],
)
def test_spreadsheet_habits_change_nothing(tmp_path: Path, change: object) -> None:
    plain = read_cases(write(tmp_path, TABLE))
    assert read_cases(write(tmp_path, change(TABLE))) == plain  # type: ignore[operator]


def test_latin1_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, TABLE.replace("female", "männlich").encode("latin-1"))
    assert read_cases(path)[0].sex == "männlich"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("mel", "melanoma", r"line 2: unknown diagnosis 'melanoma'"),
        ("45", "-1", r"line 2: age '-1' is outside 0 to 130"),
        ("45", "inf", r"line 2: age 'inf' is outside"),
        ("45", "old", r"line 2: age 'old' is no number"),
        ("ISIC_2", "ISIC_1", r"image_id 'ISIC_1' stands twice"),
        ("ISIC_2", "", r"line 3: image_id is empty"),
        (",45,female", ",45,female,extra", r"line 2: 7 cells for 6 columns"),
        (",45,female", "", r"line 2: 4 cells for 6 columns"),
        (",dx,", ",diagnosis,", r"column 'dx' is missing"),
        ("female", "x" * 100_000, rf"line 2: a cell has more than {CELL_LIMIT} characters"),
        ("female", "x" * 200_000, r"line 2: .*field limit"),
        ("female", '"' + "x" * 5000, r"line \d"),
    ],
)
def test_faults_are_refused_with_file_and_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write(tmp_path, TABLE.replace(old, new, 1))
    with pytest.raises(DataError, match=message) as caught:
        read_cases(path)
    assert str(path) in caught.value.message and len(caught.value.message) < len(str(path)) + 200
    assert caught.value.exit_code == EXIT_DATA


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"image_id,path,dx,lesion_id\n", b"\x89PNG\r\n\x1a\n\x00\x00", "a,b\n".encode("utf-16")]
)
def test_files_that_are_no_table_are_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match=r"cases\.csv"):
        read_cases(write(tmp_path, content))


def test_a_lesion_of_its_own_where_none_is_named(tmp_path: Path) -> None:
    assert read_cases(write(tmp_path, TABLE.replace("HAM_1", "")))[0].lesion_id == "ISIC_1"


@pytest.mark.parametrize(
    ("text", "age"),
    [("", None), (" ", None), ("unknown", None), ("NaN", None), ("0", 0.0), ("85.0", 85.0), ("130", 130.0)],
)
def test_ages(text: str, age: float | None) -> None:
    assert parse_age(text, "here") == age


@given(st.text(max_size=8))
def test_an_age_is_none_or_within_range_or_refused(text: str) -> None:
    try:
        age = parse_age(text, "here")
    except DataError:
        return
    assert age is None or (math.isfinite(age) and 0 <= age <= 130)


def test_diagnoses() -> None:
    assert [parse_dx(code.upper(), "here") for code in CODES] == list(CODES)
    assert parse_dx("  ", "here") == ""


@pytest.mark.parametrize("cell", ["=CMD()", "+1", "-1", "@x", "\t=1", "\r=1", '=HYPERLINK("http://x","y")'])
def test_formulas_are_neutralised_on_output_and_come_back(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "rows.csv"
    write_rows(path, ("name", "other"), [(cell, "plain")])
    written = path.read_text(encoding="utf-8").split("\n", 1)[1].lstrip('"')
    assert written.startswith("'")
    assert read_rows(path) == [{"name": cell, "other": "plain"}]


def test_numbers_are_not_guarded(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", ("loss", "age"), [(-1.5, None)])
    assert (tmp_path / "rows.csv").read_text() == "loss,age\n-1.5,\n"


@given(st.text(alphabet="'=+-@\t\rab", max_size=8))
def test_guard_and_unguard_are_inverse_and_guarded_cells_are_no_formulas(cell: str) -> None:
    assert unguard(guard(cell)) == cell
    assert guard(cell)[:1] not in ("=", "+", "-", "@", "\t", "\r")


text_cells = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(st.tuples(text_cells, text_cells), min_size=1, max_size=5))
def test_any_text_comes_back_from_a_csv(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    write_rows(path, ("first", "second"), rows)
    assert [tuple(row.values()) for row in read_rows(path)] == rows


names = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=12)
cases = st.builds(
    Case,
    image_id=names,
    path=st.sampled_from(["/data/images/a.jpg", "/elsewhere/b b.jpg"]),
    dx=st.sampled_from(("", *CODES)),
    lesion_id=names,
    age=st.none() | st.floats(0, 130),
    sex=text_cells,
    site=text_cells,
    source=text_cells,
    dx_type=text_cells,
)


@settings(max_examples=150, deadline=None)
@given(table=st.lists(cases, min_size=1, max_size=6, unique_by=lambda case: case.image_id))
def test_any_case_table_comes_back(tmp_path_factory: pytest.TempPathFactory, table: list[Case]) -> None:
    path = tmp_path_factory.getbasetemp() / "table.csv"
    write_cases(path, table)
    assert read_cases(path) == table


def test_image_paths_travel_with_the_folder(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    outside = str(tmp_path.parent / "far.jpg")
    write_cases(tmp_path / "old" / "cases.csv", [
        Case("a", str(tmp_path / "old" / "images" / "a.jpg"), "nv", "a"), Case("b", outside, "nv", "b"),
    ])  # fmt: skip
    (tmp_path / "old").rename(tmp_path / "new")
    inside, far = read_cases(tmp_path / "new" / "cases.csv")
    assert inside.path == str(tmp_path / "new" / "images" / "a.jpg")
    assert far.path == outside


def test_fingerprint_names_content_in_any_order() -> None:
    table = [Case(str(i), "x", "nv", "l") for i in range(5)]
    assert fingerprint(table) == fingerprint(table[::-1])
    assert fingerprint(table) != fingerprint([*table[:4], Case("4", "x", "mel", "l")])
    assert fingerprint(table) != fingerprint([*table[:4], Case("4", "x", "nv", "other")])
    assert fingerprint(table) != fingerprint(table[:4])


def test_check_unique_and_labelled() -> None:
    table = [Case("a", "x", "nv", "l"), Case("b", "x", "", "l")]
    check_unique(table, "here")
    assert labelled(table, "here") == table[:1]
    with pytest.raises(DataError, match="here: image_id 'a' stands twice"):
        check_unique([*table, table[0]], "here")
    with pytest.raises(DataError, match="no image has a diagnosis"):
        labelled(table[1:], "here")
