"""Subgroup tables and forest plots: files that agree with each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lesionlab.data.cases import read_rows
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError
from lesionlab.evaluation.groups import Groups
from lesionlab.evaluation.predictions import Predictions
from lesionlab.evaluation.slices import METRICS, Guard
from lesionlab.evaluation.subgroups import subgroups
from lesionlab.files import read_json
from lesionlab.report.figures import COLOURS
from lesionlab.report.subgroups import COLUMNS, PICTURES, TABLES, draw_subgroups, forest, write_subgroups

GUARD = Guard(30, 5)


@pytest.fixture(scope="module")
def predictions() -> Predictions:
    """210 images, right more often than not."""
    rng = np.random.default_rng(0)
    truth = np.arange(210) % 7
    probabilities = rng.dirichlet(np.ones(7), size=210) + 0.4 * np.eye(7)[truth]
    ids = tuple(f"image{i}" for i in range(210))
    return Predictions(ids, ids, truth, probabilities / probabilities.sum(axis=1, keepdims=True))


@pytest.fixture(scope="module")
def groups() -> Groups:
    """Two attributes; one group is too small, one name would run as a formula in a spreadsheet."""
    number = np.arange(210)
    return {
        "site": {"=back": number < 80, "face": (number >= 80) & (number < 190), "ear": number >= 190},
        "sex": {"female": number % 2 == 0, "male": number % 2 == 1},
    }


@pytest.fixture(scope="module")
def written(predictions: Predictions, groups: Groups, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "evaluation"
    result = write_subgroups(folder, predictions, groups, 60, 1, GUARD, {"part": "val"})
    assert result == {**subgroups(predictions, groups, 60, 1, GUARD), "part": "val"}
    draw_subgroups(folder, result, "a model, val")
    return folder


def test_all_files_and_no_other(written: Path) -> None:
    assert sorted(path.name for path in written.iterdir()) == sorted((*TABLES, *PICTURES.values()))


def test_the_table_holds_the_same_numbers(written: Path) -> None:
    result, rows = read_json(written / "subgroups.json"), read_rows(written / "subgroups.csv")
    assert tuple(rows[0]) == COLUMNS
    expected = [(row, metric) for row in result["groups"] for metric in METRICS]
    assert len(rows) == len(expected) == 5 * len(METRICS)
    for cells, (row, metric) in zip(rows, expected, strict=True):
        assert (cells["attribute"], cells["group"], cells["metric"]) == (row["attribute"], row["group"], metric)
        assert [int(cells[code]) for code in CODES] == list(row["classes"].values())
        assert (int(cells["images"]), int(cells["lesions"])) == (row["images"], row["lesions"])
        figure = row["metrics"][metric]
        assert cells["too_few"] == figure.get("too_few", "")
        assert cells["classes"].split("|") == figure.get("classes", [""])
        for prefix, told in (("", figure), ("difference", figure.get("difference", {}))):
            for key in ("value", "low", "high"):
                name = f"{prefix}_{key}" if prefix and key != "value" else prefix or key
                assert (float(cells[name]) if cells[name] else None) == told.get(key)


def shows(path: Path, colour: str) -> int:
    """Return how many pixels of a picture have exactly this colour."""
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    with Image.open(path) as image:
        return int((np.asarray(image.convert("RGB")) == wanted).all(axis=2).sum())


@pytest.mark.parametrize("metric", METRICS)
def test_pictures_show_all_groups_and_the_worst(written: Path, metric: str) -> None:
    path = written / PICTURES[metric]
    with Image.open(path) as image:
        assert image.format == "PNG" and image.width > 1000 and image.height > 300
    assert shows(path, COLOURS[6]) > 300 and shows(path, COLOURS[4]) > 100


def test_pictures_are_repeatable_and_need_no_interval(
    predictions: Predictions, groups: Groups, written: Path, tmp_path: Path
) -> None:
    result = read_json(written / "subgroups.json")
    forest(result, "ece", tmp_path / "again.png", "a model, val")
    assert (tmp_path / "again.png").read_bytes() == (written / PICTURES["ece"]).read_bytes()
    few: dict[str, Any] = subgroups(predictions, groups, 0, guard=Guard(1000, 5))
    forest(few, "ece", tmp_path / "few.png")
    assert shows(tmp_path / "few.png", COLOURS[6]) == 0
    forest(subgroups(predictions, groups, 0, guard=GUARD), "ece", tmp_path / "points.png")
    assert shows(tmp_path / "points.png", COLOURS[6]) > 100


def test_place_that_cannot_be_written_is_the_users_error(
    predictions: Predictions, groups: Groups, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot write"):
        write_subgroups(tmp_path / "file" / "evaluation", predictions, groups, 0)
