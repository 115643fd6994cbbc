"""Pictures: whole PNG files that show what they were given, drawn without global state."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionlab.errors import DataError, UsageError
from lesionlab.evaluation.predictions import Predictions
from lesionlab.report import figures

HISTORY = [
    {
        "epoch": epoch,
        "train_loss": 2 / epoch,
        "val_loss": 2.5 / epoch,
        "train_accuracy": 1 - 0.5 / epoch,
        "val_accuracy": 1 - 0.6 / epoch,
        "val_balanced_accuracy": 1 - 0.8 / epoch,
        "val_macro_f1": 1 - 0.9 / epoch,
        "learning_rate": 1e-3,
    }
    for epoch in range(1, 6)
]


def predictions(n: int = 70, seed: int = 0) -> Predictions:
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(7), size=n)
    names = tuple(str(i) for i in range(n))
    return Predictions(names, names, np.arange(n) % 7, probabilities)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def shows(path: Path, colour: str) -> bool:
    """Whether a picture holds a fair number of pixels of exactly this colour."""
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return bool((pixels(path) == wanted).all(axis=2).sum() > 30)


DRAWINGS: dict[str, Callable[[Path], None]] = {
    "confusion": lambda path: figures.confusion_matrix(np.eye(7) * 5, path),
    "normalised": lambda path: figures.confusion_matrix(np.eye(7) * 5, path, normalised=True),
    "curves": lambda path: figures.curves(HISTORY, path),
    "roc": lambda path: figures.roc(predictions(), path),
    "grid": lambda path: figures.image_grid([np.zeros((6, 8, 3), dtype=np.uint8)], ["black"], path, 3),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_picture_is_whole_and_repeatable(tmp_path: Path, name: str) -> None:
    first, second = tmp_path / "new" / "first.png", tmp_path / "new" / "second.png"
    DRAWINGS[name](first)
    DRAWINGS[name](second)
    assert pixels(first).std() > 5
    assert first.read_bytes() == second.read_bytes()
    assert sorted(path.name for path in first.parent.iterdir()) == ["first.png", "second.png"]


@pytest.mark.parametrize("name", DRAWINGS)
def test_place_that_cannot_be_written_is_the_users_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot write"):
        DRAWINGS[name](tmp_path / "file" / "picture.png")


@pytest.mark.parametrize("name", DRAWINGS)
def test_missing_matplotlib_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UsageError, match=r"lesionlab\[train\]"):
        DRAWINGS[name](tmp_path / "picture.png")


def test_matplotlib_is_imported_late_and_without_pyplot(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from lesionlab.report import figures, evaluation\n"
        "assert not {'matplotlib', 'sklearn', 'torch'} & set(sys.modules)\n"
        f"figures.confusion_matrix([[1] * 7] * 7, Path({str(tmp_path / 'c.png')!r}))\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_confusion_colour_is_the_share_of_the_row(tmp_path: Path) -> None:
    """Rows that differ only in size look the same, so that a rare class is not washed out by nevi."""
    small, large = np.full((7, 7), 1.0), np.full((7, 7), 1.0)
    large[5] = 900
    figures.confusion_matrix(small, tmp_path / "small.png", normalised=True)
    figures.confusion_matrix(large, tmp_path / "large.png", normalised=True)
    left, right = pixels(tmp_path / "small.png"), pixels(tmp_path / "large.png")
    cells = np.s_[60:730, 200:880]
    assert np.array_equal(np.unique(left[cells]), np.unique(right[cells]))


def test_row_of_an_absent_class_has_no_numbers(tmp_path: Path) -> None:
    counts = np.eye(7)
    counts[3] = 0
    figures.confusion_matrix(counts, tmp_path / "absent.png", normalised=True)
    figures.confusion_matrix(np.eye(7), tmp_path / "whole.png", normalised=True)
    assert (pixels(tmp_path / "absent.png") < 60).sum() < (pixels(tmp_path / "whole.png") < 60).sum()


def test_roc_has_one_colour_per_class(tmp_path: Path) -> None:
    figures.roc(predictions(), tmp_path / "roc.png")
    assert all(shows(tmp_path / "roc.png", colour) for colour in figures.COLOURS)


def test_roc_leaves_out_an_absent_class(tmp_path: Path) -> None:
    whole = predictions()
    kept = whole.truth != 3
    names = tuple(str(i) for i in range(kept.sum()))
    figures.roc(Predictions(names, names, whole.truth[kept], whole.probabilities[kept]), tmp_path / "roc.png")
    assert [shows(tmp_path / "roc.png", colour) for colour in figures.COLOURS] == [k != 3 for k in range(7)]


def test_curves_bear_a_gap_and_a_single_epoch(tmp_path: Path) -> None:
    figures.curves([{**HISTORY[0], "train_accuracy": None}], tmp_path / "one.png")
    figures.curves(HISTORY[:1], tmp_path / "whole.png")
    assert not np.array_equal(pixels(tmp_path / "one.png"), pixels(tmp_path / "whole.png"))


def test_curves_without_an_epoch_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no epoch"):
        figures.curves([], tmp_path / "curves.png")


def test_grid_shows_every_image(tmp_path: Path) -> None:
    colours = ["#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00"]
    images = [np.tile(np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.uint8), (6, 8, 1)) for c in colours]
    figures.image_grid(
        images, [f"a title that is long enough to be wrapped {c}" for c in colours], tmp_path / "g.png", 2
    )
    assert all(shows(tmp_path / "g.png", colour) for colour in colours)


@pytest.mark.parametrize("titles", [[], ["one", "two"]])
def test_grid_needs_one_title_for_each_image(tmp_path: Path, titles: list[str]) -> None:
    with pytest.raises(DataError, match="1 images and"):
        figures.image_grid([np.zeros((4, 4, 3), dtype=np.uint8)], titles, tmp_path / "g.png", 2)
