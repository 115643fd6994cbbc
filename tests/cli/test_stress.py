"""`lesionlab stress`: the table, the files, the count of looks, and mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lesionlab.cli.main import main
from lesionlab.files import read_json


def test_the_test_part(own: Path, synthetic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["stress", "--model", str(own), "--data", str(synthetic), "--count", "3", "--resamples", "40"]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    folder = own / "stress" / "test"
    for words in (
        "bubbles and dark corners", "mean of all", "suffers most from", "photometric: warmer", "dihedral, mean",
        "flipped by any change", "ink, severity 5", "called malignant (by chance", "so far: 1", str(folder),
    ):  # fmt: skip
        assert words in shown
    assert main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["looks"] == 2 and told == read_json(folder / "stress.json")
    looks = [json.loads(line) for line in (own / "looks.jsonl").read_text().splitlines()]
    assert [look["part"] for look in looks] == ["test", "test"]


def test_images_that_it_learnt(own: Path, synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["stress", "--model", str(own), "--data", str(synthetic), "--split", "train", "--count", "2"]
    assert main([*arguments, "--out", str(tmp_path / "out"), "--resamples", "0"]) == 0
    assert "was trained on" in capsys.readouterr().err
    assert not (own / "looks.jsonl").exists() and not (own / "stress").exists()
