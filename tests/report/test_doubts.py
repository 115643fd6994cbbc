"""Doubts found in what runs left behind: which answers count, what is written, what is refused."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from lesionlab.data.sources import load_source
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError, UsageError
from lesionlab.evaluation.predictions import Predictions, write_predictions
from lesionlab.files import read_json
from lesionlab.report.asking import answers_file
from lesionlab.report.doubts import COLUMNS, averaged, find_doubts
from lesionlab.report.parts import Images


def some(source: Path, seed: int, count: int = 30) -> Predictions:
    """Return seeded answers to the first images of a source."""
    cases = load_source(source).cases[:count]
    table = np.random.default_rng(seed).dirichlet(np.ones(7), count)
    truth = np.array([CODES.index(case.dx) for case in cases])
    return Predictions(tuple(c.image_id for c in cases), tuple(c.lesion_id for c in cases), truth, table)


@pytest.fixture
def runs(synthetic: Path, tmp_path: Path) -> list[Path]:
    """Two folders with answers; one has learnt images as well, which do not count."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for seed, (folder, part) in enumerate(zip(folders, ("test", "val"), strict=True)):
        write_predictions(answers_file(folder, part), some(synthetic, seed))
    write_predictions(answers_file(folders[0], "train"), some(synthetic, 9))
    return folders


def test_answers_of_several_runs_are_averaged(runs: list[Path], synthetic: Path) -> None:
    one, two = some(synthetic, 0), some(synthetic, 1)
    both = averaged([one, two])
    np.testing.assert_allclose(both.probabilities, (one.probabilities + two.probabilities) / 2)
    assert both.image_ids == one.image_ids and both.lesion_ids == one.lesion_ids
    found = find_doubts(runs)
    assert len(found["answers"]) == 2 and not any("train" in file for file in found["answers"])


def test_table_and_page(runs: list[Path], synthetic: Path, tmp_path: Path) -> None:
    found = find_doubts(runs, Images(synthetic), tmp_path / "out", count=5)
    assert found["doubts"] == read_json(tmp_path / "out" / "doubts.json")["doubts"]
    with (tmp_path / "out" / "doubts.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS and len(rows) == len(found["doubts"]) > 5
    shown = {f"{row['label']}_as_{row['answer']}.png" for row in found["doubts"][:5]}
    assert {path.name for path in (tmp_path / "out" / "figures").iterdir()} == shown
    page = (tmp_path / "out" / "index.html").read_text()
    assert page.count('<img src="data:image/webp') == len(shown) and "a question to a person" in page


def test_what_is_refused(runs: list[Path], synthetic: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="need a place"):
        find_doubts(runs, Images(synthetic))
    with pytest.raises(DataError, match="not evaluated on images that it has not learnt"):
        find_doubts([tmp_path])
    first = some(synthetic, 0)
    other = Predictions(first.image_ids, first.lesion_ids, (first.truth + 1) % 7, first.probabilities)
    with pytest.raises(DataError, match="different labels"):
        averaged([first, other])
    stranger = Predictions(("unknown",) * 1, ("x",), np.array([0]), np.eye(7)[[1]])
    known = Predictions(("known",), ("y",), np.array([1]), np.eye(7)[[1]])
    write_predictions(answers_file(tmp_path / "three", "test"), averaged([stranger, known]))
    with pytest.raises(DataError, match="lacks unknown"):
        find_doubts([tmp_path / "three"], Images(synthetic), tmp_path / "nowhere")
