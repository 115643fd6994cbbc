"""The reliability diagram is drawn, of few images too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionlab.evaluation.predictions import Predictions
from lesionlab.models.decisions import calibrate
from lesionlab.report.reliability import draw_reliability


@pytest.mark.parametrize("images", [1, 200])
def test_both_sides_are_drawn(images: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = tuple(str(number) for number in range(images))
    before = Predictions(names, names, rng.integers(0, 7, images), rng.dirichlet(np.ones(7), images))
    after = replace(before, probabilities=calibrate(before.probabilities, 3.0, np.zeros(7)))
    draw_reliability({"as trained": before, "calibrated": after}, tmp_path / "a.png")
    draw_reliability({"one": before, "other": before}, tmp_path / "b.png")
    first, second = (np.asarray(Image.open(tmp_path / name).convert("L"), float) for name in ("a.png", "b.png"))
    assert first.std() > 10 and second.std() > 10, "something is drawn"
    half = second.shape[1] // 2
    assert abs(second[:, :half].mean() - second[:, half:].mean()) < 3, "the same on both sides"
    if images > 1:
        assert np.abs(first - second).mean() > 1, "calibrating shows"


def test_one_panel_stands_alone(tmp_path: Path) -> None:
    answers = Predictions(("a", "b"), ("a", "b"), np.array([0, 1]), np.full((2, 7), 1 / 7))
    draw_reliability({"test images": answers}, tmp_path / "one.png")
    with Image.open(tmp_path / "one.png") as picture:
        assert picture.width < picture.height * 1.2
