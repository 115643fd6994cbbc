"""What a comparison leaves on the disk, and where it finds the answers."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionlab.errors import DataError
from lesionlab.evaluation.predictions import Predictions, write_predictions
from lesionlab.files import read_json
from lesionlab.report.comparing import FILES, compare_models, table_rows


@pytest.fixture
def answers() -> Predictions:
    generator = np.random.default_rng(0)
    truth = np.arange(140) % 7
    names = tuple(f"image{i}" for i in range(140))
    return Predictions(names, names, truth, 0.85 * generator.dirichlet(np.ones(7), 140) + 0.15 * np.eye(7)[truth])


@pytest.fixture
def runs(answers: Predictions, tmp_path: Path) -> tuple[Path, Path]:
    """Two run folders with answers to test images; the second one's are nearly always right."""
    sharp = 0.2 * answers.probabilities + 0.8 * np.eye(7)[answers.truth]
    for name, one in (("a", answers), ("b", replace(answers, probabilities=sharp))):
        write_predictions(tmp_path / name / "evaluation" / "test" / "predictions.csv", one)
    return tmp_path / "a", tmp_path / "b"


def test_the_files(runs: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = compare_models(*runs, out=out, resamples=600, command="lesionlab compare a b")
    assert {path.name for path in out.iterdir()} == set(FILES)
    assert read_json(out / "comparison.json") == found
    assert found["models"] == {"a": str(runs[0]), "b": str(runs[1])} and found["command"] == "lesionlab compare a b"
    with (out / "comparison.csv").open(newline="") as file:
        rows = {row["metric"]: row for row in csv.DictReader(file)}
    gap = found["metrics"]["macro_f1"]["difference"]
    assert float(rows["macro_f1"]["difference"]) == gap["value"] and rows["macro_f1"]["better"] == "b"
    with Image.open(out / "differences.png") as picture:
        assert picture.width > 600


def test_the_printed_table(runs: tuple[Path, Path]) -> None:
    rows = {row[0]: row[1:] for row in table_rows(compare_models(*runs, resamples=600))}
    assert rows["accuracy"][-1] == "B" and rows["accuracy"][4] == "McNemar" and rows["accuracy"][5] == "<.001"
    assert rows["melanoma AUROC"][4] == "DeLong" and rows["macro F1"][2].startswith("+")


def test_what_is_undefined_is_drawn_and_printed_as_such(answers: Predictions, tmp_path: Path) -> None:
    rows = np.flatnonzero(answers.truth != 4)
    few = Predictions(
        tuple(answers.image_ids[i] for i in rows), tuple(answers.lesion_ids[i] for i in rows),
        answers.truth[rows], answers.probabilities[rows],
    )  # fmt: skip
    write_predictions(tmp_path / "few.csv", few)
    found = compare_models(tmp_path / "few.csv", tmp_path / "few.csv", out=tmp_path / "out", resamples=40)
    assert {row[0]: row[1] for row in table_rows(found)}["melanoma AUROC"] == "undefined"
    assert (tmp_path / "out" / "differences.png").is_file()


def test_mistakes(runs: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        compare_models(tmp_path / "nowhere", runs[1])
    with pytest.raises(DataError, match="no predictions of its val images") as caught:
        compare_models(*runs, part="val")
    assert "lesionlab evaluate" in caught.value.hint
