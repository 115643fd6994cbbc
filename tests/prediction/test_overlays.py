"""Pictures of maps."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from lesionlab.diagnoses import CODES
from lesionlab.errors import UsageError
from lesionlab.models.bundle import Bundle
from lesionlab.prediction.overlays import COLOURS, Explanation, overlay, panel, write_explanations
from lesionlab.prediction.predictor import Answer, Predictor, Refusal

IMAGE = np.full((60, 80, 3), 100, np.uint8)


def test_an_overlay_mixes_image_and_colour() -> None:
    heat = np.zeros((6, 8), np.float32)
    heat[:, 4:] = 1
    found = overlay(IMAGE, heat, 0.25)
    assert (found.dtype, found.shape) == (np.uint8, IMAGE.shape)
    for column, value in ((0, 0.0), (79, 1.0)):
        colour = np.array(colormaps[COLOURS](value)[:3]) * 255
        np.testing.assert_allclose(found[30, column], 75 + 0.25 * colour, atol=0.51)


def test_no_opacity_is_the_image_itself() -> None:
    np.testing.assert_array_equal(overlay(IMAGE, np.ones((6, 8), np.float32), 0), IMAGE)
    with pytest.raises(ValueError, match="opacity"):
        overlay(IMAGE, np.ones((6, 8), np.float32), 1.5)


def test_a_panel_shows_eight_pictures() -> None:
    heats = np.zeros((7, 6, 8), np.float32)
    heats[4, :3] = 1
    answer = Answer("odd $name_{", Path("x.png"), "mel", (0.0, 0.0, 0.1, 0.0, 0.9, 0.0, 0.0))
    picture = np.asarray(Image.open(io.BytesIO(panel(IMAGE, heats, answer))).convert("RGB"))
    assert picture.shape == (620, 1200, 3)
    quarters = [picture[row : row + 310, column : column + 300] for row in (0, 310) for column in range(0, 1200, 300)]
    shown = [int((quarter < 200).all(2).sum()) for quarter in quarters]
    assert min(shown) > 10_000, "each of the eight places holds a picture"
    assert len(np.unique(quarters[5].reshape(-1, 3), axis=0)) > len(np.unique(quarters[6].reshape(-1, 3), axis=0))


def test_each_image_gets_the_picture_of_its_likeliest_class(bundle: Bundle, images: list[Path], tmp_path: Path) -> None:
    answers = list(Predictor(bundle, threads=1).predict(images[:2]))
    found = list(write_explanations(images[:2], bundle, tmp_path / "out"))
    for result, answer, path in zip(found, answers, images, strict=False):
        assert isinstance(result, Explanation)
        assert isinstance(answer, Answer)
        assert result.explained == result.answer.diagnosis == answer.diagnosis
        np.testing.assert_allclose(result.answer.probabilities, answer.probabilities, atol=1e-5)
        assert result.written == tmp_path / "out" / f"{path.stem}_{answer.diagnosis}.png"
        assert Image.open(result.written).size == Image.open(path).size
    assert sorted(tmp_path.glob("out/*")) == sorted(
        result.written for result in found if isinstance(result, Explanation)
    )


def test_a_class_or_a_panel_can_be_asked_for(bundle: Bundle, images: list[Path], tmp_path: Path) -> None:
    (one,) = write_explanations(images[:1], bundle, tmp_path, class_code="df")
    (all_,) = write_explanations(images[:1], bundle, tmp_path, panel=True)
    assert isinstance(one, Explanation)
    assert isinstance(all_, Explanation)
    assert (one.explained, one.written.name) == ("df", "lesion0_df.png")
    assert (all_.explained, all_.written.name) == (None, "lesion0_panel.png")
    with pytest.raises(UsageError, match="unknown diagnosis"):
        list(write_explanations(images[:1], bundle, tmp_path, class_code="melanoma"))
    assert "mel" in CODES


def test_large_images_are_shown_smaller(bundle: Bundle, images: list[Path], tmp_path: Path) -> None:
    Image.open(images[0]).resize((1200, 900)).save(tmp_path / "large.png")
    (found,) = write_explanations([tmp_path / "large.png"], bundle, tmp_path / "out")
    assert isinstance(found, Explanation)
    assert Image.open(found.written).size == (600, 450)


def test_bad_images_and_equal_names_stop_nothing(bundle: Bundle, images: list[Path], tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    twin = tmp_path / "again" / images[0].name
    twin.write_bytes(images[0].read_bytes())
    paths = [images[0], tmp_path / "gone.png", twin]
    first, second, third = write_explanations(paths, bundle, tmp_path / "out", class_code="nv")
    assert isinstance(first, Explanation)
    assert isinstance(second, Refusal)
    assert isinstance(third, Explanation)
    assert [first.written.name, third.written.name] == ["lesion0_nv.png", "lesion0-2_nv.png"]
    assert first.written.read_bytes() == third.written.read_bytes()
