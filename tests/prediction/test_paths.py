"""What PATH arguments stand for."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from lesionlab.errors import DataError
from lesionlab.prediction.paths import Entry, find_images, list_images


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b.jpg", "a.PNG", "notes.txt", "deep/er/c.tiff", "deep/d.jpeg", "deep/._d.jpeg", ".hidden/e.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*arguments: str) -> list[str]:
    return [path.as_posix() for path in find_images(arguments)]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["."], ["a.PNG", "b.jpg", "deep/d.jpeg", "deep/er/c.tiff"]),
        (["deep", "b.jpg"], ["deep/d.jpeg", "deep/er/c.tiff", "b.jpg"]),
        (["b.jpg", "b.jpg", "./b.jpg"], ["b.jpg"]),
        (["notes.txt"], ["notes.txt"]),
        (["*.jpg"], ["b.jpg"]),
        (["**/*.t*"], ["deep/er/c.tiff", "notes.txt"]),
        (["d*"], ["deep/d.jpeg", "deep/er/c.tiff"]),
        (["b.jpg", "gone.jpg", "*.webp", "empty"], ["b.jpg", "gone.jpg", "*.webp", "empty"]),
    ],
)
def test_arguments_stand_for_files(tree: Path, arguments: list[str], found: list[str]) -> None:
    assert names(*arguments) == found


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tree: Path) -> None:
    Path("scan[1].jpg").touch()
    assert names("scan[1].jpg") == ["scan[1].jpg"]


def test_a_dash_reads_a_list(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = os.fsdecode(b"caf\xe9.jpg")
    Path(odd).touch()
    given = io.TextIOWrapper(io.BytesIO(b"b.jpg\r\n\ndeep\ncaf\xe9.jpg\n*.png"))
    monkeypatch.setattr(sys, "stdin", given)
    assert names("a.PNG", "-") == ["a.PNG", "b.jpg", "deep/d.jpeg", "deep/er/c.tiff", odd, "*.png"]


def test_linked_folders_do_not_lead_round_in_circles(tree: Path) -> None:
    Path("deep/loop").symlink_to(tree)
    assert names("deep") == ["deep/d.jpeg", "deep/er/c.tiff"]


@pytest.mark.parametrize("arguments", [[], ["empty"], ["gone"], ["*.webp", "gone.jpg"], [".hidden/*.png"], ["-"]])
def test_nothing_found_is_said(tree: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n")))
    with pytest.raises(DataError, match="no image found"):
        find_images(arguments)


def test_a_table_names_images_and_what_to_call_them(tree: Path) -> None:
    odd = os.fsdecode(b"caf\xe9.jpg")
    rows = b"\xef\xbb\xbfimage_id, path,age\r\none,b.jpg,\r\n,'=d.jpg,4\r\n\r\nthree,caf\xe9.jpg,\r\nfour,/no.jpg,\r\n"
    Path("deep/list.CSV").write_bytes(rows)
    Path("deep/b.jpg").touch()
    assert list(list_images(["deep/list.CSV", "deep/b.jpg"])) == [
        Entry("one", Path("deep/b.jpg")),
        Entry("=d", Path("deep/=d.jpg")),
        Entry("three", Path("deep", odd)),
        Entry("four", Path("/no.jpg")),
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "column path"),
        ("image_id,file\na,b.jpg\n", "column path"),
        ("path,age\nb.jpg\n", r"line 2: 1 cells for 2"),
        ("path,age\nb.jpg,1\n,2\n", r"line 3: its path is empty"),
        ("path\n" + "x" * 5000 + "\n", "line 2"),
        ("path\n" + "x" * 200_000 + "\n", "field larger"),
        ("path\nb\0.jpg\n", "line 2"),
    ],
)
def test_a_table_that_is_none(tree: Path, content: str, words: str) -> None:
    Path("list.csv").write_text(content)
    with pytest.raises(DataError, match=words):
        find_images(["list.csv"])


def test_images_are_given_as_they_are_found(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lines() -> Iterator[bytes]:
        yield b"b.jpg\n"
        raise AssertionError("asked for too much")

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=lines()))
    assert next(list_images(["-"])).image_id == "b"
