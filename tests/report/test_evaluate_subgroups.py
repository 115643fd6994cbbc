"""A model on the groups of one part: whose answers are taken, what is measured, what is left behind."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from lesionlab.data.cases import read_rows, write_rows
from lesionlab.data.sources import load_source
from lesionlab.data.splits import read_split
from lesionlab.data.traits import TRAITS, marked
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError, UsageError
from lesionlab.evaluation.predictions import COLUMNS, read_predictions
from lesionlab.evaluation.slices import Guard
from lesionlab.evaluation.subgroups import subgroups
from lesionlab.files import read_json
from lesionlab.report.evaluate_model import evaluate_model
from lesionlab.report.evaluate_subgroups import AREA, FILES, Subgroups, evaluate_subgroups
from lesionlab.report.opened import LOOKS
from lesionlab.report.parts import Images
from lesionlab.report.subgroups import TABLES

GUARD = Guard(5, 1)


@pytest.fixture
def own(run: Path, tmp_path: Path) -> Path:
    """A copy of the run folder, for a test that leaves traces in it."""
    return Path(shutil.copytree(run, tmp_path / "own"))


@pytest.fixture(scope="module")
def found(run: Path, synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> Subgroups:
    """The groups of the training images, whose answers nobody asked for before."""
    out = tmp_path_factory.mktemp("subgroups") / "out"
    return evaluate_subgroups(run, Images(synthetic), "train", out=out, resamples=40, guard=GUARD)


def test_everything_is_written(found: Subgroups, run: Path) -> None:
    assert sorted(path.name for path in found.folder.iterdir()) == sorted(FILES)
    assert found.result == read_json(found.folder / "subgroups.json")
    assert found.asked and found.looks == 0 and not (run / LOOKS).exists()
    train = [name for name, part in read_split(run / "split.csv").parts.items() if part == "train"]
    assert found.result["images"] == len(train) and found.result["part"] == "train"


def test_groups_are_those_of_the_table_the_photographs_and_the_masks(found: Subgroups, synthetic: Path) -> None:
    rows = {(row["attribute"], row["group"]): row["images"] for row in found.result["groups"]}
    traits = {row["image_id"]: row for row in read_rows(found.folder / "traits.csv")}
    cases = [case for case in load_source(synthetic).cases if case.image_id in traits]
    assert len(cases) == found.result["images"] == len(traits)
    assert rows["sex", "female"] == sum(case.sex == "female" for case in cases)
    assert {"age", "sex", "site", "lesion size", *TRAITS} <= {attribute for attribute, _ in rows}
    for trait in TRAITS:
        there = [marked({name: float(row[name]) for name in TRAITS})[trait] for row in traits.values()]
        assert rows.get((trait, trait), 0) == sum(there) == found.result["traits"][trait]["marked"]
    areas = np.array([float(row[AREA]) for row in traits.values()])
    low, high = found.result["sizes"]["cuts"]
    assert rows["lesion size", "small"] == (areas <= low).sum() and rows["lesion size", "large"] == (areas > high).sum()
    assert found.result["sizes"]["masks"] == len(cases) and 0 < low < high < 1


def test_answers_of_an_evaluation_are_taken_while_they_are_the_models(own: Path, synthetic: Path) -> None:
    """`evaluate` leaves tables of what the case table tells; `subgroups` takes its answers and looks no second time."""
    folder = evaluate_model(own, Images(synthetic), "val", resamples=40).folder
    first = read_json(folder / "subgroups.json")
    assert all((folder / name).is_file() for name in TABLES) and not (folder / "traits.csv").exists()
    assert {row["attribute"] for row in first["groups"]} & set(TRAITS) == set()
    told = evaluate_subgroups(own, Images(synthetic), "val", resamples=40)
    assert not told.asked and told.folder == folder
    assert told.result["groups"][: len(first["groups"])] == first["groups"]
    predictions = read_predictions(folder / "predictions.csv")
    everything = np.ones(len(predictions), bool)
    again = subgroups(predictions, {"all": {"all": everything}}, 40)
    assert told.result["overall"] == again["overall"]
    rows = read_rows(folder / "predictions.csv")
    following = dict(zip(CODES, (*CODES[1:], CODES[0]), strict=True))
    for row in rows:
        before = dict(row)
        row["diagnosis"] = following[before["diagnosis"]]
        row |= {f"p_{after}": before[f"p_{code}"] for code, after in following.items()}
    write_rows(folder / "predictions.csv", COLUMNS, [[row[name] for name in COLUMNS] for row in rows])
    fresh = evaluate_subgroups(own, Images(synthetic), "val", resamples=40)
    assert fresh.asked and fresh.result["overall"] == told.result["overall"]


def test_without_masks_there_are_no_sizes(run: Path, synthetic: Path, tmp_path: Path) -> None:
    bare = Path(shutil.copytree(synthetic, tmp_path / "bare"))
    shutil.move(bare / "masks", tmp_path / "masks")
    out = tmp_path / "out"
    told = evaluate_subgroups(run, Images(bare), "val", out=out, resamples=40)
    assert told.result["sizes"] is None and all(row[AREA] == "" for row in read_rows(out / "traits.csv"))
    ids = [row["image_id"] for row in read_rows(out / "traits.csv")]
    (tmp_path / "masks" / f"{ids[0]}_segmentation.png").write_bytes(b"no image")
    given = evaluate_subgroups(run, Images(bare), "val", masks=tmp_path / "masks", out=out, resamples=40)
    assert given.result["sizes"]["masks"] == len(ids) - 1
    unknown = [row for row in given.result["groups"] if (row["attribute"], row["group"]) == ("lesion size", "unknown")]
    assert [row["images"] for row in unknown] == [1]
    with pytest.raises(DataError, match="no mask of any"):
        evaluate_subgroups(run, Images(bare), "val", masks=bare, out=out, resamples=40)


def test_mistakes(run: Path, synthetic: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such part"):
        evaluate_subgroups(run, Images(synthetic), "validation")
    shutil.copytree(run / "model", tmp_path / "model")
    with pytest.raises(UsageError, match="has no run folder to write into"):
        evaluate_subgroups(tmp_path / "model", Images(synthetic), "all")
    with pytest.raises(UsageError, match="too few for an interval"):
        evaluate_subgroups(run, Images(synthetic), "val", out=tmp_path / "out", resamples=7)
    assert not (tmp_path / "out").exists() and not (run / "evaluation").exists()
