"""What PATH arguments stand for."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from lesionlab.errors import DataError
from lesionlab.prediction.paths import find_images


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
