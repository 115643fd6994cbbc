"""`lesionlab compare`: what it prints. The table: tests/evaluation/test_comparing.py."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lesionlab.cli.main import main
from lesionlab.errors import EXIT_DATA, EXIT_OK
from lesionlab.evaluation.predictions import Predictions, write_predictions


@pytest.fixture
def file(tmp_path: Path) -> Path:
    truth = np.arange(70) % 7
    names = tuple(f"image{i}" for i in range(70))
    write_predictions(tmp_path / "answers.csv", Predictions(names, names, truth, np.full((70, 7), 1 / 7)))
    return tmp_path / "answers.csv"


def test_table_and_verdict(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["compare", str(file), str(file), "--resamples", "40", "--out", str(out)]) == EXIT_OK
    printed = capsys.readouterr().out
    assert "no evidence of a difference" in printed and "balanced accuracy" in printed
    assert "melanomas lost 0, won 0" in printed and (out / "differences.png").is_file()


def test_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(file), str(file), "--resamples", "40", "--json"]) == EXIT_OK
    found = json.loads(capsys.readouterr().out)
    assert found["metrics"]["accuracy"]["test"] == "McNemar" and found["models"]["a"] == str(file)


def test_a_missing_model(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(file), str(tmp_path / "none")]) == EXIT_DATA
    assert "no such file or folder" in capsys.readouterr().err
