"""Where models look, measured against the masks of the synthetic source."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from lesionlab.data.images import load_image, squash
from lesionlab.data.masks import load_mask
from lesionlab.data.sources import load_source
from lesionlab.data.splits import read_split
from lesionlab.errors import DataError, UsageError
from lesionlab.evaluation.attention import MEASURES, shares
from lesionlab.files import read_json, write_json
from lesionlab.report.attention import Look, measure, write_attention
from lesionlab.report.parts import Images


def test_maps_are_measured_on_the_part(run: Path, synthetic: Path) -> None:
    """The shares are those of the maps of the model's own answers on the validation images, image by image."""
    found = measure(run, Images(synthetic))
    split = read_split(run / "split.csv")
    cases = split.select(load_source(synthetic).cases, "val")
    assert found.image_ids == tuple(case.image_id for case in cases)
    assert found.lesion_ids == tuple(case.lesion_id for case in cases)
    pixels = np.stack([squash(load_image(Path(case.path)), 64) for case in cases])
    masks = np.stack([load_mask(synthetic / "masks" / f"{c.image_id}_segmentation.png", 64) for c in cases])
    look = Look(run)
    wanted = shares(look(pixels)[1], masks)
    assert all(np.allclose(found.shares[name], wanted[name], atol=1e-6, equal_nan=True) for name in wanted)
    probabilities, maps = look(pixels)
    assert np.array_equal(maps, look(pixels, probabilities.argmax(axis=1))[1])
    assert not np.array_equal(maps, look(pixels, (probabilities.argmax(axis=1) + 1) % 7)[1])


def test_fewer_images_are_the_same_for_every_model(run: Path, gray_run: Path, synthetic: Path) -> None:
    few, gray = (measure(model, Images(synthetic), count=4, part="train") for model in (run, gray_run))
    assert len(few.image_ids) == 4 and few.image_ids == gray.image_ids
    assert set(few.image_ids) <= set(measure(run, Images(synthetic), count=9, part="train").image_ids)
    assert few.image_ids != measure(run, Images(synthetic), count=4, part="train", seed=1).image_ids
    assert not np.allclose(few.shares["inside"], gray.shares["inside"])
    assert np.array_equal(few.shares["inside_area"], gray.shares["inside_area"])


def test_several_models_in_one_table(run: Path, gray_run: Path, synthetic: Path, tmp_path: Path) -> None:
    out = tmp_path / "attention.json"
    told = write_attention({"rgb": run, "gray": gray_run}, Images(synthetic), out, part="train", count=20, resamples=50)
    assert told == read_json(out)
    assert list(told["models"]) == ["rgb", "gray"] and list(told["differences"]) == ["gray"]
    assert told["differences"]["gray"]["against"] == "rgb"
    for table in (*told["models"].values(), *told["differences"].values()):
        assert set(table["measures"]) == set(MEASURES) and table["images"] == 20
    values = [table["measures"]["inside"]["value"] for table in told["models"].values()]
    assert told["differences"]["gray"]["measures"]["inside"]["value"] == pytest.approx(values[0] - values[1], abs=0.02)


def test_grayscale_stands_against_the_nearest_rgb_model_made_alike(
    run: Path, gray_run: Path, synthetic: Path, tmp_path: Path
) -> None:
    """One trained on another site is no twin, nor is one of another network; without a twin there is no difference."""
    other = shutil.copytree(run, tmp_path / "other")
    card = read_json(other / "model" / "bundle.json")
    write_json(other / "model" / "bundle.json", card | {"training": card["training"] | {"recipe": {"site": "back"}}})
    found = {
        names: write_attention(
            {name: {"rgb": run, "far": run, "gray": gray_run, "other": other}[name] for name in names.split()},
            Images(synthetic), tmp_path / "a.json", count=6, resamples=40,
        )["differences"]
        for names in ("far rgb other gray", "gray other rgb", "other gray", "rgb far")
    }  # fmt: skip
    assert [{gray: told["against"] for gray, told in one.items()} for one in found.values()] == [
        {"gray": "rgb"}, {"gray": "rgb"}, {}, {},
    ]  # fmt: skip


def test_missing_and_broken_masks(run: Path, synthetic: Path, tmp_path: Path) -> None:
    """They are left out and listed, as long as there are others."""
    masks = tmp_path / "masks"
    shutil.copytree(synthetic / "masks", masks)
    ids = measure(run, Images(synthetic)).image_ids
    (masks / f"{ids[0]}_segmentation.png").unlink()
    (masks / f"{ids[1]}_segmentation.png").write_bytes(b"no image")
    found = measure(run, Images(synthetic), masks)
    assert found.image_ids == ids[2:] and len(found.shares["inside"]) == len(ids) - 2
    told = found.table(50)
    assert [one["image_id"] for one in told["left_out"]] == [ids[0], ids[1]]
    assert told["images"] == len(ids) - 2
    for name in ids:
        (masks / f"{name}_segmentation.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="none of the images has a readable mask"):
        measure(run, Images(synthetic), masks)


def test_mistakes(run: Path, synthetic: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such part"):
        measure(run, Images(synthetic), part="validation")
    with pytest.raises(UsageError, match="a lone model"):
        shutil.copytree(run / "model", tmp_path / "model")
        measure(tmp_path / "model", Images(synthetic))
    with pytest.raises(DataError, match="no mask of any"):
        measure(run, Images(synthetic), tmp_path)
