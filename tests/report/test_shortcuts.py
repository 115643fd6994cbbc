"""A model looked at for shortcuts: what is written, and what is told where masks or metadata are missing."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lesionlab.data.cases import read_rows, write_cases
from lesionlab.data.sources import load_source
from lesionlab.data.splits import read_split
from lesionlab.errors import DataError, UsageError
from lesionlab.evaluation.evaluate import evaluate
from lesionlab.evaluation.metadata import from_metadata
from lesionlab.evaluation.shortcuts import BACKGROUND, BACKGROUND_BOX, LESION, METADATA, METRICS, MODEL, SIZE
from lesionlab.files import read_json
from lesionlab.models.composite import read_model
from lesionlab.prediction.predictor import Predictor
from lesionlab.report.asking import predict_cases
from lesionlab.report.opened import LOOKS
from lesionlab.report.parts import Images, part_images, split_of
from lesionlab.report.shortcuts import COLUMNS, FOREST, RESULT, SHEET, TABLE, find_shortcuts

FILES = {RESULT, TABLE, FOREST, SHEET}


@pytest.fixture(scope="module")
def found(run: Path, synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What is found on the training images."""
    out = tmp_path_factory.mktemp("shortcuts") / "out"
    return find_shortcuts(run, Images(synthetic), "train", out=out, resamples=40)


@pytest.fixture
def bare(synthetic: Path, tmp_path: Path) -> Path:
    """The synthetic source as a table that lies apart from its masks."""
    table = tmp_path / "bare" / "cases.csv"
    write_cases(table, load_source(synthetic).cases)
    return table


def test_everything_is_written(found: dict[str, Any], run: Path) -> None:
    folder = Path(found["folder"])
    assert {path.name for path in folder.iterdir()} == FILES
    assert read_json(folder / RESULT) == found
    assert found["part"] == "train" and found["looks"] == 0 and not (run / LOOKS).exists()
    train = sum(part == "train" for part in read_split(run / "split.csv").parts.values())
    assert found["metadata"]["images"] == found["trained_on"] == train
    assert found["masked"]["images"] + len(found["masked"]["left_out"]) == train
    assert list(found["masked"]["versions"]) == [MODEL, BACKGROUND, BACKGROUND_BOX, LESION, SIZE]
    assert list(found["metadata"]["versions"]) == [MODEL, METADATA]
    assert found["metadata"]["baseline"]["seen"] == found["metadata"]["baseline"]["fitted_on"] == train
    assert len(found["masked"]["hiding"]["background"]) == 3


def test_the_table_holds_the_figures(found: dict[str, Any]) -> None:
    rows = read_rows(Path(found["folder"]) / TABLE)
    assert tuple(rows[0]) == COLUMNS and len(rows) == 6 * len(METRICS) + 2
    by_name = {(row["section"], row["version"], row["metric"]): row for row in rows}
    figure = found["masked"]["versions"][LESION]["malignant_auroc"]
    row = by_name["masked", LESION, "malignant_auroc"]
    assert float(row["high"]) == figure["high"] and float(row["difference_low"]) == figure["difference"]["low"]
    assert by_name["masked", MODEL, "malignant_auroc"]["difference"] == ""


def test_figures_are_those_of_the_model_and_of_the_baseline(found: dict[str, Any], run: Path, synthetic: Path) -> None:
    model = read_model(run)
    split = split_of(model, run, "train", None)
    assert split is not None
    pack, cases = part_images(model, split, Images(synthetic), "train")
    whole = predict_cases(Predictor(model), pack, cases)
    baseline, told = from_metadata(cases, split.select(pack.cases, "val"), cases)
    assert found["metadata"]["baseline"] == told
    for name, answers in ((MODEL, whole), (METADATA, baseline)):
        expected = evaluate(answers, 40)["metrics"]
        for metric, figure in found["metadata"]["versions"][name].items():
            assert {key: figure[key] for key in ("value", "low", "high")} == pytest.approx(expected[metric])


def test_some_masks(run: Path, synthetic: Path, bare: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    for path in sorted((synthetic / "masks").iterdir())[::2]:
        shutil.copy(path, masks)
    found = find_shortcuts(run, Images(bare), "train", masks, out=tmp_path / "out", resamples=0)
    missing = [one for one in found["masked"]["left_out"] if one["kind"] == "missing mask"]
    assert len(missing) > 10 and all(one["reason"] == "no mask" for one in missing)
    assert found["masked"]["images"] == found["metadata"]["images"] - len(found["masked"]["left_out"])
    assert found["masked"]["versions"][LESION]["macro_f1"]["low"] is None


def test_without_masks(run: Path, bare: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = find_shortcuts(run, Images(bare), "val", out=out, resamples=40)
    assert "no mask of any" in found["masked"]["undefined"] and set(found["masked"]) == {"undefined"}
    assert found["metadata"]["versions"][METADATA]["macro_f1"]["value"] is not None
    assert found["metadata"]["baseline"]["seen"] == found["metadata"]["images"]
    assert {path.name for path in out.iterdir()} == FILES - {SHEET}
    with pytest.raises(DataError, match="no mask of any"):
        find_shortcuts(run, Images(bare), "val", bare.parent, out=tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_without_metadata(run: Path, synthetic: Path, tmp_path: Path) -> None:
    """Not knowing age, sex and site, or the images that the model learnt from, leaves the masks."""
    blank = tmp_path / "blank" / "cases.csv"
    write_cases(blank, [replace(case, age=None, sex="", site="") for case in load_source(synthetic).cases])
    found = find_shortcuts(run, Images(blank), "train", synthetic, out=tmp_path / "out", resamples=0)
    assert "no training image has" in found["metadata"]["undefined"]
    assert found["masked"]["versions"][BACKGROUND]["macro_f1"]["value"] is not None
    with pytest.raises(DataError, match=r"nothing to compare.*no mask of any.*no training image has"):
        find_shortcuts(run, Images(blank), "train", out=tmp_path / "other")
    lone = shutil.copytree(run / "model", tmp_path / "lone")
    found = find_shortcuts(lone, Images(synthetic), "all", out=tmp_path / "lone out", resamples=0)
    assert "does not say which images are its val part" in found["metadata"]["undefined"]
    assert found["trained_on"] is None and found["looks"] is None and "versions" in found["masked"]


def test_mistakes(run: Path, synthetic: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="too few"):
        find_shortcuts(run, Images(synthetic), "val", resamples=3)
    lone = shutil.copytree(run / "model", tmp_path / "lone")
    with pytest.raises(UsageError, match="no run folder"):
        find_shortcuts(lone, Images(synthetic), "all")
    unknown = tmp_path / "cases.csv"
    picture = next((synthetic / "images").glob("*.jpg"))
    unknown.write_text(f"image_id,path,dx,lesion_id,excluded\na,{picture},,a,mel\n")
    with pytest.raises(DataError, match="no image has a diagnosis"):
        find_shortcuts(run, Images(unknown), "all", out=tmp_path / "none")
    assert not (run / "shortcuts").exists() and not (tmp_path / "none").exists()
