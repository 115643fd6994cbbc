"""Images with a part hidden: nothing that is hidden comes through, and the model is asked about each version."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionlab.data.cases import Case
from lesionlab.data.hiding import boxed, grown
from lesionlab.data.masks import find_masks, load_mask
from lesionlab.errors import DataError
from lesionlab.evaluation.shortcuts import BACKGROUND, BACKGROUND_BOX, LESION, MODEL
from lesionlab.models.composite import read_model
from lesionlab.prediction.predictor import Predictor
from lesionlab.report import hidden as module
from lesionlab.report.hidden import ask_hidden, find_outlines, hidden, usual_colour
from lesionlab.report.parts import Images, part_images, split_of

COLOUR = np.array([10.0, 20.0, 30.0])


@pytest.mark.parametrize("name", [BACKGROUND, BACKGROUND_BOX, LESION])
def test_what_is_hidden_leaves_no_trace(name: str) -> None:
    """However the hidden pixels change, the picture stays; where nothing is hidden it is the photograph."""
    generator = np.random.default_rng(5)
    pixels = generator.integers(0, 255, (48, 48, 3), np.uint8)
    mask = np.zeros((48, 48), bool)
    mask[20:26, 14:30] = mask[26:30, 14:18] = True
    region = grown(mask)
    part = {BACKGROUND: region, BACKGROUND_BOX: boxed(region), LESION: ~region}[name]
    other = np.where(part[..., None], generator.integers(0, 255, pixels.shape, np.uint8), pixels)
    shown = hidden(pixels, region, COLOUR)
    np.testing.assert_array_equal(shown[name], hidden(other, region, COLOUR)[name])
    np.testing.assert_array_equal(shown[name][~part], pixels[~part])
    assert len(np.unique(shown[name][part], axis=0)) == 1
    np.testing.assert_array_equal(shown[MODEL], pixels)


def write_mask(folder: Path, image_id: str, share: float) -> None:
    """Write a mask whose lesion is a square of so large a share of the frame, none for 0."""
    side = round(100 * share**0.5)
    pixels = np.zeros((100, 100), np.uint8)
    pixels[:side, :side] = 255
    Image.fromarray(pixels).save(folder / f"{image_id}_segmentation.png")


def test_which_images_are_left_out(tmp_path: Path) -> None:
    cases = [Case(name, "", "nv", name) for name in ("fine", "missing", "empty", "whole", "nearly")]
    for name, share in (("fine", 0.2), ("empty", 0.0), ("whole", 1.0), ("nearly", 0.87)):
        write_mask(tmp_path, name, share)
    found = find_outlines(cases, tmp_path, 50)
    assert list(found.regions) == ["fine"]
    np.testing.assert_array_equal(found.regions["fine"], grown(load_mask(tmp_path / "fine_segmentation.png", 50)))
    kinds = {problem.image_id: problem.kind for problem in found.left_out}
    assert kinds == {
        "missing": "missing mask", "empty": "unreadable mask", "whole": "no background", "nearly": "no background",
    }  # fmt: skip
    with pytest.raises(DataError, match="fills the frame"):
        find_outlines(cases[3:], tmp_path, 50)
    with pytest.raises(DataError, match="no mask of any"):
        find_outlines(cases[1:2], tmp_path, 50)


def test_every_version_is_asked_in_the_order_of_the_pack(
    run: Path, synthetic: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", 4)
    model = read_model(run)
    pack, _ = part_images(model, split_of(model, run, "train", None), Images(synthetic), "train")
    chosen = pack.cases[3:12:2]
    files = find_masks(synthetic, [case.image_id for case in chosen])
    regions = {image_id: grown(load_mask(path, 64)) for image_id, path in reversed(files.items())}
    colour = usual_colour(pack, regions)
    assert colour.shape == (3,) and 60 < colour.min() <= colour.max() < 255
    told: list[tuple[int, int]] = []
    found = ask_hidden(Predictor(model), pack, regions, colour, lambda what, done, total: told.append((done, total)))
    assert told == [(4, 5), (5, 5)]
    assert list(found) == [BACKGROUND, BACKGROUND_BOX, LESION]
    for name, answers in found.items():
        assert answers.image_ids == tuple(case.image_id for case in chosen)
        shown = [
            hidden(pack.pixels[row], regions[case.image_id], colour)[name]
            for row, case in zip(range(3, 12, 2), chosen, strict=True)
        ]
        np.testing.assert_allclose(answers.probabilities, Predictor(model).probabilities(np.stack(shown)), atol=1e-5)
