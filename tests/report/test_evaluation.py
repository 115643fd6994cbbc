"""The evaluation folder: its files agree with each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionlab.data.cases import read_rows
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError
from lesionlab.evaluation.evaluate import evaluate
from lesionlab.evaluation.predictions import Predictions, read_predictions
from lesionlab.evaluation.table import OF_CLASS
from lesionlab.files import read_json
from lesionlab.report.evaluation import FILES, write_evaluation


@pytest.fixture(scope="module")
def predictions() -> Predictions:
    """Forty images of 20 lesions; there is no vasc."""
    probabilities = np.random.default_rng(0).dirichlet(np.ones(7), size=40)
    ids = tuple(f"image{i}" for i in range(40))
    return Predictions(ids, tuple(f"lesion{i // 2}" for i in range(40)), np.arange(40) % 6, probabilities)


@pytest.fixture(scope="module")
def written(predictions: Predictions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "evaluation"
    assert write_evaluation(folder, predictions, 60, seed=2, title="test part") == evaluate(predictions, 60, seed=2)
    return folder


def test_all_files_and_no_other(written: Path) -> None:
    assert sorted(path.name for path in written.iterdir()) == sorted(FILES)


def test_metrics_can_be_made_again_from_the_predictions(written: Path) -> None:
    metrics = read_json(written / "metrics.json")
    again = evaluate(
        read_predictions(written / "predictions.csv"), metrics["bootstrap"]["resamples"], metrics["bootstrap"]["seed"]
    )
    assert again == metrics


def test_per_class_table_holds_the_same_numbers(written: Path) -> None:
    metrics = read_json(written / "metrics.json")
    rows = read_rows(written / "per_class.csv")
    assert [row["code"] for row in rows] == list(CODES)
    for row in rows:
        expected = metrics["per_class"][row["code"]]
        assert (row["name"], int(row["images"]), int(row["lesions"])) == (
            expected["name"],
            expected["images"],
            expected["lesions"],
        )
        for name in OF_CLASS:
            for suffix, key in (("", "value"), ("_low", "low"), ("_high", "high")):
                cell = row[name + suffix]
                assert (float(cell) if cell else None) == expected[name][key]
    assert rows[-1]["recall"] == ""


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".png")])
def test_pictures_can_be_read(written: Path, name: str) -> None:
    with Image.open(written / name) as image:
        image.load()
        assert min(image.size) > 600


def test_folder_that_cannot_be_made_is_the_users_error(predictions: Predictions, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot write"):
        write_evaluation(tmp_path / "file" / "evaluation", predictions, 0)
