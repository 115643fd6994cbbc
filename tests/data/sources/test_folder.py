"""One folder per diagnosis."""

from __future__ import annotations

from pathlib import Path

import pytest

from lesionlab.data.sources import load_source
from lesionlab.errors import DataError


def make(folder: Path, images: list[str]) -> Path:
    for image in images:
        (folder / image).parent.mkdir(parents=True, exist_ok=True)
        (folder / image).write_bytes(b"jpg")
    return folder


def test_folders_are_diagnoses(tmp_path: Path) -> None:
    listing = load_source(make(tmp_path, ["mel/x.jpg", "NV/y.jpg", "train/bcc/z.jpg", "df/deeper/w.jpg"]))
    assert (listing.kind, listing.problems) == ("folder", [])
    assert {case.image_id: case.dx for case in listing.cases} == {"x": "mel", "y": "nv", "z": "bcc", "w": "df"}
    assert all(case.lesion_id == case.image_id for case in listing.cases)


def test_files_of_one_name_are_told_apart_by_their_path(tmp_path: Path) -> None:
    listing = load_source(make(tmp_path, ["mel/1.jpg", "nv/1.jpg", "nv/2.jpg"]))
    assert {case.image_id: case.dx for case in listing.cases} == {"mel_1": "mel", "nv_1": "nv", "2": "nv"}


def test_two_suffixes_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'mel_1' stands twice"):
        load_source(make(tmp_path, ["mel/1.jpg", "mel/1.png"]))


def test_folder_of_an_unknown_diagnosis(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"folder .*wart: unknown diagnosis 'wart'"):
        load_source(make(tmp_path, ["mel/1.jpg", "wart/2.jpg"]))


def test_images_outside_any_folder_are_problems(tmp_path: Path) -> None:
    listing = load_source(make(tmp_path, ["mel/1.jpg", "stray.jpg"]))
    assert [(p.kind, p.image_id) for p in listing.problems] == [("unlabelled image", "stray")]
    with pytest.raises(DataError, match="no folder named by a diagnosis"):
        load_source(make(tmp_path / "other", ["stray.jpg"]), "folder")
