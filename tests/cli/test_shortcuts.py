"""`lesionlab shortcuts`: the tables, what they say, the count of looks, and mistakes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lesionlab.cli.main import main
from lesionlab.cli.shortcuts import show
from lesionlab.files import read_json


def test_the_test_part(own: Path, synthetic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["shortcuts", "--model", str(own), "--data", str(synthetic), "--resamples", "40"]
    assert main(arguments) == 0
    shown = capsys.readouterr()
    folder = own / "shortcuts" / "test"
    for words in (
        "test images", "age, sex and site alone", "minus whole images", "lesion hidden by a box",
        "size of the box alone", "melanoma AUROC: lesion, background hidden", "so far: 1", str(folder),
    ):  # fmt: skip
        assert words in shown.out
    assert "training images" in shown.err and "because of the filling" in shown.err and "too good" not in shown.err
    assert read_json(folder / "shortcuts.json")["looks"] == 1


def test_what_a_reader_must_know(
    run: Path, synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On images that it learnt the figures are too good; a source without masks still has its metadata."""
    own = Path(shutil.copytree(synthetic, tmp_path / "source", ignore=shutil.ignore_patterns("masks")))
    arguments = ["shortcuts", "--model", str(run), "--data", str(own), "--split", "train", "--resamples", "0"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr()
    assert "nothing is told of masked images" in shown.err and "no mask of any" in shown.err
    assert "was trained on" in shown.err and "are among these" in shown.err
    assert "age, sex and site alone" in shown.out and "background" not in shown.out
    assert not (run / "looks.jsonl").exists()


def test_json_and_some_masks(run: Path, synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    masks, out = tmp_path / "masks", tmp_path / "out"
    masks.mkdir()
    for path in sorted((synthetic / "masks").iterdir())[:20]:
        shutil.copy(path, masks)
    arguments = ["shortcuts", "--model", str(run), "--data", str(synthetic), "--split", "train", "--resamples", "0"]
    assert main([*arguments, "--masks", str(masks), "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == read_json(out / "shortcuts.json")
    show(told)
    assert "(missing mask)" in capsys.readouterr().err


def test_masks_that_are_not_there(
    run: Path, synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["shortcuts", "--model", str(run), "--data", str(synthetic), "--out", str(out)]
    assert main([*arguments, "--masks", str(tmp_path / "none")]) == 3
    assert "no such folder" in capsys.readouterr().err
    assert not out.exists() and not (run / "looks.jsonl").exists()
