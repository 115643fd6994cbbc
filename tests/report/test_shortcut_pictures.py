"""The pictures of a look for shortcuts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lesionlab.evaluation.predictions import Predictions
from lesionlab.evaluation.shortcuts import BACKGROUND, MODEL, SIZE
from lesionlab.report.shortcut_pictures import draw_examples, draw_forest


def section(**more: Any) -> dict[str, Any]:
    told = {"value": 0.8, "low": 0.7, "high": 0.9}
    figures = dict.fromkeys(("balanced_accuracy", "macro_f1", "melanoma_auroc", "malignant_auroc"), told)
    return {"images": 20, "classes": {"mel": 3}, "versions": {MODEL: figures, **more}}


def height(path: Path) -> int:
    return Image.open(path).size[1]


def test_a_line_for_each_version(tmp_path: Path) -> None:
    """An undefined section, and what is undefined of a version, leave room for nothing and break nothing."""
    empty = {"value": None, "low": None, "high": None}
    draw_forest({"metadata": section(), "masked": {"undefined": "no masks"}}, tmp_path / "one.png")
    both = {"metadata": section(), "masked": section(**{SIZE: {"melanoma_auroc": empty}})}
    draw_forest(both, tmp_path / "both.png", "title")
    assert height(tmp_path / "one.png") < height(tmp_path / "both.png")
    assert height(tmp_path / "both.png") - height(tmp_path / "one.png") > 100


def test_a_row_for_each_example(tmp_path: Path) -> None:
    names = ("a", "b")
    answers = Predictions(names, names, np.array([4, 5]), np.eye(7)[[4, 5]] * 0.65 + 0.05)
    pixels = np.zeros((8, 8, 3), np.uint8)
    told = {MODEL: answers, BACKGROUND: answers}
    for count in (1, 2):
        pictures = {name: dict.fromkeys(told, pixels) for name in names[:count]}
        draw_examples(pictures, told, tmp_path / f"{count}.png")
    assert height(tmp_path / "2.png") > 1.7 * height(tmp_path / "1.png")
