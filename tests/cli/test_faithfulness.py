"""`lesionlab faithfulness`: the table, the files, the count of looks, and what is left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lesionlab.cli.main import main
from lesionlab.files import read_json


def test_the_test_part(own: Path, synthetic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["faithfulness", "--model", str(own), "--data", str(synthetic), "--count", "3", "--resamples", "40"]
    assert main(arguments) == 0
    shown, folder = capsys.readouterr().out, own / "faithfulness" / "test"
    for words in (
        "maximum inside the lesion", "integrated gradients", "centre Gaussian", "share of the frame, in",
        "of its energy is inside the lesion", "so far: 1", str(folder),
    ):  # fmt: skip
        assert words in shown
    assert main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["looks"] == 2 and told == read_json(folder / "faithfulness.json")


def test_mistakes(own: Path, synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["faithfulness", "--model", str(own), "--data", str(synthetic), "--split", "val"]
    assert main([*arguments, "--masks", str(tmp_path)]) == 3
    assert "no mask of any" in capsys.readouterr().err
    assert main([*arguments, "--count", "0"]) == 2
    assert not (own / "faithfulness").exists()
