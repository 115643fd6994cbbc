"""Images without diagnoses: plain folders, and tables with hardly a column."""

from __future__ import annotations

from pathlib import Path

import pytest

from lesionlab.data.sources import load_source
from lesionlab.data.sources.unlabelled import load_images
from lesionlab.errors import DataError


def put(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"image")
    return folder


def test_a_source_is_read_as_ever(synthetic: Path) -> None:
    assert load_images(synthetic) == load_source(synthetic)


def test_a_folder_of_photographs(tmp_path: Path) -> None:
    listing = load_images(put(tmp_path, "b.png", "a/b.png", "a/c_segmentation.png", "a/notes.txt"))
    assert [(c.image_id, c.path, c.dx) for c in listing.cases] == [
        ("a/b.png", str(tmp_path / "a/b.png"), ""),
        ("b.png", str(tmp_path / "b.png"), ""),
    ]
    assert listing.problems == []


@pytest.mark.parametrize("names", [("1.png",), ("mel/1.png",)])
def test_equal_names_in_two_folders_are_no_lesion(names: tuple[str, ...], tmp_path: Path) -> None:
    first, second = (load_images(put(tmp_path / folder, *names)).cases[0] for folder in ("train", "test"))
    assert first.image_id == second.image_id and first.dx == second.dx
    assert first.lesion_id != second.lesion_id
    assert first.lesion_id == load_images(tmp_path / "train").cases[0].lesion_id


def test_a_table_of_names_keeps_rows_without_a_file(tmp_path: Path) -> None:
    table = put(tmp_path, "images/a.jpg") / "t.csv"
    table.write_text("image_id,lesion_id\na,L1\nb,L2\n")
    listing = load_images(table)
    assert [(c.image_id, c.lesion_id, c.path, c.dx) for c in listing.cases] == [
        ("a", "L1", str(tmp_path / "images/a.jpg"), ""),
        ("b", "L2", "", ""),
    ]
    assert [(p.kind, p.image_id) for p in listing.problems] == [("missing image", "b")]


def test_a_table_with_paths_and_the_fields_other_names(tmp_path: Path) -> None:
    table = put(tmp_path, "x/one.jpg", "mel/two.jpg") / "t.csv"
    table.write_text("image_id,path,dx,age_approx\nA,x/one.jpg,NV,50\nB,x/gone.jpg,,\n")
    first, second = load_images(table).cases
    assert (first.path, first.dx, first.age, first.lesion_id) == (str(tmp_path / "x/one.jpg"), "nv", 50.0, "A")
    assert second.path == ""


def test_a_table_beside_folders_of_diagnoses_is_still_read_as_a_table(tmp_path: Path) -> None:
    table = put(tmp_path, "mel/a.jpg", "nv/b.jpg") / "t.csv"
    table.write_text("image_id\na\n")
    assert [case.image_id for case in load_images(table).cases] == ["a"]


@pytest.mark.parametrize(
    ("text", "words"),
    [("name\na\n", "'image_id' is missing"), ("image_id,dx\na,zz\n", "zz"), ("image_id\n", "no rows")],
)
def test_bad_tables(text: str, words: str, tmp_path: Path) -> None:
    table = put(tmp_path, "mel/a.jpg") / "t.csv"
    table.write_text(text)
    with pytest.raises(DataError, match=words):
        load_images(table)


def test_a_folder_without_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no images"):
        load_images(put(tmp_path, "notes.txt"))
    (tmp_path / "t.csv").write_text("name\na\n")
    with pytest.raises(DataError, match="no images"):
        load_images(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        load_images(tmp_path / "none")
