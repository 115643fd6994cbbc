"""The picture of decision curves is whole, also where a target is undefined or has no intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionlab.evaluation.net_benefit import decision_curves
from lesionlab.evaluation.predictions import Predictions
from lesionlab.report.figures import COLOURS
from lesionlab.report.net_benefit import draw_decision_curves


def answers(truth: list[int]) -> Predictions:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(7), size=len(truth))
    names = tuple(str(i) for i in range(len(truth)))
    return Predictions(names, names, np.array(truth), probabilities)


def drawn(truth: list[int], resamples: int, path: Path) -> tuple[bool, bool]:
    """Return whether the picture's left and right half show the model's curve."""
    draw_decision_curves(decision_curves(answers(truth), resamples), path, "title")
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    blue = (pixels == [int(COLOURS[6][i : i + 2], 16) for i in (1, 3, 5)]).all(axis=2)
    middle = pixels.shape[1] // 2
    return bool(blue[:, :middle].sum() > 100), bool(blue[:, middle:].sum() > 100)


@pytest.mark.parametrize(
    ("truth", "shown"),
    [([0, 4, 5, 6] * 10, (True, True)), ([0, 5, 6] * 10, (False, True)), ([5, 6] * 10, (False, False))],
)
@pytest.mark.parametrize("resamples", [0, 60])
def test_defined_targets_have_a_curve(
    tmp_path: Path, truth: list[int], shown: tuple[bool, bool], resamples: int
) -> None:
    assert drawn(truth, resamples, tmp_path / "curves.png") == shown


def test_equal_curves_are_equal_files(tmp_path: Path) -> None:
    for name in ("first.png", "second.png"):
        drawn([0, 4, 5, 6] * 10, 0, tmp_path / name)
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
