"""Maps of a model measured side by side: what is written, and what is not measured."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionlab.data.cases import read_rows
from lesionlab.data.images import load_image, squash
from lesionlab.data.masks import load_mask
from lesionlab.errors import DataError, ModelError, UsageError
from lesionlab.evaluation.faithfulness import MEASURES, METHODS, STEPS
from lesionlab.files import read_json, write_json
from lesionlab.models.bundle import read_bundle
from lesionlab.models.composite import Ensemble, card_digests, write_composite
from lesionlab.models.members import common_training
from lesionlab.models.storage import CARD
from lesionlab.prediction.runtime import Session
from lesionlab.report.faithfulness import COLUMNS, CURVES, PAGE, RESULT, TABLE, measure_faithfulness
from lesionlab.report.parts import Images


@pytest.fixture(scope="module")
def even_run(run: Path, synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run with a prior that evens out what its network says of these photographs, so that its answers differ."""
    folder = Path(shutil.copytree(run, tmp_path_factory.mktemp("even") / "run"))
    photographs = sorted((synthetic / "images").glob("*.jpg"))
    pixels = np.stack([squash(load_image(path), 64) for path in photographs])
    offset = -Session(read_bundle(folder)).logits(pixels).mean(axis=0)
    card = folder / "model" / CARD
    write_json(card, read_json(card) | {"prior_offset": offset.tolist()})
    return folder


@pytest.fixture(scope="module")
def written(even_run: Path, synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a faithfulness test of the validation images."""
    folder = tmp_path_factory.mktemp("faithfulness") / "out"
    measure_faithfulness(even_run, Images(synthetic), "val", out=folder, resamples=40)
    return folder


def test_what_is_written(written: Path) -> None:
    found, rows = read_json(written / RESULT), read_rows(written / TABLE)
    assert {path.name for path in written.iterdir()} == {RESULT, TABLE, CURVES, PAGE}
    assert all(min(Image.open(written / name).size) > 500 for name in (CURVES, PAGE))
    assert list(found["methods"]) == list(METHODS) and tuple(rows[0]) == COLUMNS
    assert found["images"] == found["masks"]["images"] == sum(found["per_class"].values())
    assert len(rows) == found["images"] * len(METHODS) and (found["trained_on"], found["looks"]) == (0, 0)
    assert found["answers"]["images"] + found["answers"]["same_when_erased"] == found["images"]
    assert found["answers"]["images"] > 0 and found["answers"]["whole"] > found["answers"]["erased"]
    assert len(found["verdict"]) == 1 and found["verdict"][0].startswith("Grad-CAM")
    assert found["settings"]["grad_cam_views"] == 1


def test_the_figures_are_those_of_the_rows(written: Path) -> None:
    found, rows = read_json(written / RESULT), read_rows(written / TABLE)
    for method, told in found["methods"].items():
        mine = [row for row in rows if row["method"] == method]
        for name in MEASURES:
            values = [float(row[name]) for row in mine if row[name]]
            assert told["images"][name] == len(values)
            assert told["measures"][name]["value"] == pytest.approx(np.mean(values))
        for row in (row for row in mine if row["gap"]):
            assert float(row["gap"]) == pytest.approx(float(row["insertion"]) - float(row["deletion"]))


def test_every_curve_begins_and_ends_at_the_answers_chances(written: Path) -> None:
    found = read_json(written / RESULT)
    ends = [found["answers"]["erased"], found["answers"]["whole"]]
    assert found["curves"]["share"] == pytest.approx(np.linspace(0, 1, STEPS + 1))
    for curves in found["curves"]["by_method"].values():
        assert [curves["insertion"][0], curves["insertion"][-1]] == pytest.approx(ends)
        assert [curves["deletion"][-1], curves["deletion"][0]] == pytest.approx(ends)


def test_lesions_are_those_of_the_masks(written: Path, synthetic: Path) -> None:
    for row in read_rows(written / TABLE)[:: len(METHODS)]:
        mask = load_mask(synthetic / "masks" / f"{row['image_id']}_segmentation.png", 64)
        assert float(row["lesion_area"]) == pytest.approx(mask.mean())


def test_without_masks_insertion_and_deletion_stay(even_run: Path, synthetic: Path, tmp_path: Path) -> None:
    shutil.copytree(synthetic, tmp_path / "source", ignore=shutil.ignore_patterns("masks"))
    out = tmp_path / "out"
    found = measure_faithfulness(even_run, Images(tmp_path / "source"), "val", out=out, resamples=40)
    assert found["masks"] is None and found["chance"]["value"] is None
    for told in found["methods"].values():
        assert told["measures"]["inside"]["value"] is None and told["measures"]["pointing"]["value"] is None
        assert told["measures"]["gap"]["value"] is not None
    assert {path.name for path in out.iterdir()} == {RESULT, TABLE, CURVES, PAGE}


def test_an_answer_that_rests_on_nothing_has_no_curve(run: Path, synthetic: Path, tmp_path: Path) -> None:
    """The model's prior lets it say nothing but df."""
    model, out = Path(shutil.copytree(run / "model", tmp_path / "model")), tmp_path / "out"
    write_json(model / CARD, read_json(model / CARD) | {"prior_offset": [0, 0, 0, 1e6, 0, 0, 0]})
    split = run / "split.csv"
    found = measure_faithfulness(model, Images(synthetic), "val", split_file=split, out=out, resamples=40)
    assert found["answers"] == {"same_when_erased": found["images"], "images": 0, "whole": None, "erased": None}
    assert found["curves"] is None and "undefined" in found["verdict"][0]
    assert found["methods"]["occlusion"]["measures"]["inside"]["value"] is not None
    assert {path.name for path in out.iterdir()} == {RESULT, TABLE, PAGE}


def test_mistakes(run: Path, gray_run: Path, synthetic: Path, tmp_path: Path) -> None:
    images, out = Images(synthetic), tmp_path / "out"
    with pytest.raises(UsageError, match="no such part"):
        measure_faithfulness(run, images, "tests", out=out)
    with pytest.raises(UsageError, match="3 views"):
        measure_faithfulness(run, images, "val", out=out, views=3)
    with pytest.raises(UsageError, match="too few"):
        measure_faithfulness(run, images, "val", out=out, resamples=3)
    with pytest.raises(DataError, match="no such folder"):
        measure_faithfulness(run, images, "val", masks=tmp_path / "nowhere", out=out)
    members = {"a": read_bundle(run), "b": read_bundle(gray_run)}
    together = Ensemble(rule="average", size=64, members=card_digests(members), training=common_training(members))
    write_composite(tmp_path / "ensemble", together, members)
    with pytest.raises(ModelError, match="made of several models"):
        measure_faithfulness(tmp_path / "ensemble", images, "all", out=out)
    assert not out.exists()
