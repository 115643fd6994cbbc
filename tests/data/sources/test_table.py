"""Plain case tables, with and without paths."""

from __future__ import annotations

from pathlib import Path

import pytest

from lesionlab.data.sources import load_source
from lesionlab.errors import DataError


def make(folder: Path, text: str, images: tuple[str, ...] = ("a.jpg", "sub/b.png")) -> Path:
    for image in images:
        (folder / image).parent.mkdir(parents=True, exist_ok=True)
        (folder / image).write_bytes(b"jpg")
    (folder / "cases.csv").write_text(text)
    return folder


def test_paths_count_from_the_table(tmp_path: Path) -> None:
    make(tmp_path, "image_id,path,dx,lesion_id,age\nA,a.jpg,mel,L,50\nB,sub/b.png,,L,\n")
    (tmp_path / "plot.png").write_bytes(b"png")
    listing = load_source(tmp_path)
    assert (listing.kind, listing.problems) == ("table", [])
    assert [(c.image_id, c.path, c.dx, c.age) for c in listing.cases] == [
        ("A", str(tmp_path / "a.jpg"), "mel", 50.0),
        ("B", str(tmp_path / "sub/b.png"), "", None),
    ]


@pytest.mark.parametrize("name", ["a", "a.jpg"])
def test_images_are_found_by_name_and_columns_by_their_other_names(tmp_path: Path, name: str) -> None:
    text = f"image_id,split,dx,age_approximate,anatom_site_general,dataset\n{name},train,NV,55,Back,here\n"
    listing = load_source(make(tmp_path, text, ("deep/er/a.jpg",)))
    (case,) = listing.cases
    assert (case.image_id, case.path, case.dx) == (name, str(tmp_path / "deep/er/a.jpg"), "nv")
    assert (case.age, case.site, case.source, case.lesion_id) == (55.0, "back", "here", name)


def test_paths_without_lesions(tmp_path: Path) -> None:
    listing = load_source(make(tmp_path, "image_id,path,dx\nA,a.jpg,mel\n"))
    assert [(c.path, c.lesion_id) for c in listing.cases] == [(str(tmp_path / "a.jpg"), "A")]


def test_missing_files_are_problems_unless_all_are(tmp_path: Path) -> None:
    make(tmp_path, "image_id,path,dx,lesion_id\nA,a.jpg,mel,L\nC,c.jpg,mel,M\n")
    listing = load_source(tmp_path)
    assert [case.image_id for case in listing.cases] == ["A"]
    assert [(p.kind, p.image_id, p.path) for p in listing.problems] == [("missing image", "C", str(tmp_path / "c.jpg"))]
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(DataError, match="none of its 2 images exists"):
        load_source(tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("image_id,path,dx,lesion_id\nA,a.jpg,wart,L\n", "unknown diagnosis 'wart'"),
        ("image_id,path,dx,lesion_id\nA,a.jpg,mel,L\nA,a.jpg,mel,L\n", "'A' stands twice"),
        ("image_id,path,lesion_id\nA,a.jpg,L\n", "column 'dx' is missing"),
        ("path,dx,lesion_id\na.jpg,mel,L\n", "column 'image_id' is missing"),
        ("", "column 'image_id' is missing"),
    ],
)
def test_faults_name_the_file(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        load_source(make(tmp_path, text) / "cases.csv", "table")
    assert "cases.csv" in caught.value.message
