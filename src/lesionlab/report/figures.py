"""Pictures for people: confusion matrix, training curves, ROC curves, grids of images. PNG, written atomically.

matplotlib is imported when a picture is drawn, through its object-oriented interface: no global state, no display.
Colours are those of Okabe and Ito, which people with colour blindness tell apart; curves differ in dash as well.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError, UsageError
from lesionlab.evaluation.metrics import auroc, ranking
from lesionlab.evaluation.predictions import Predictions
from lesionlab.files import atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS: tuple[str, ...] = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00", "#000000", "#0072B2")
"""One colour per class, in the order of `CODES` (Okabe and Ito's palette without its yellow, lost on white)."""

DASHES: tuple[Any, ...] = ("--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), "-", "-", (0, (3, 1)))

DPI = 150
SMALL, MEDIUM, LARGE = 9, 11, 12
"""Font sizes in points of ticks and legends, of axis labels, and of titles."""


def figure(width: float, height: float) -> Figure:
    """Return an empty figure of the given inches; `UsageError` where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError("pictures need matplotlib", "install it with: pip install 'lesionlab[train]'") from None
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")


def save(drawn: Figure, path: Path) -> None:
    """Write a figure as PNG, atomically, without a date so that equal pictures are equal files."""
    with atomic(path) as file:
        drawn.savefig(file, format="png", metadata={"Software": None})


def confusion_matrix(
    counts: npt.ArrayLike, path: Path, normalised: bool = False, title: str = "", codes: Sequence[str] = CODES
) -> None:
    """Draw a confusion matrix (k, k) of counts, the truth in rows, of the k classes named by `codes`.

    With `normalised` each row is divided by its sum and the cells show shares; the row of a class that is not in the
    truth stays empty. Without it colours still show the row's share, so that rare classes are readable beside nevi.
    """
    numbers = np.asarray(counts, dtype=np.float64)
    sums = numbers.sum(axis=1, keepdims=True)
    share = np.divide(numbers, sums, out=np.full(numbers.shape, np.nan), where=sums > 0)
    drawn = figure(6.8, 5.4)
    axes = drawn.add_subplot()
    picture = axes.imshow(np.nan_to_num(share), cmap="Blues", vmin=0, vmax=1)
    for (row, column), part in np.ndenumerate(share):
        text = ("" if np.isnan(part) else f"{part:.2f}") if normalised else f"{numbers[row, column]:,.0f}"
        colour = "white" if part > 0.55 else "black"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=MEDIUM - 1)
    axes.set_xticks(range(len(codes)), codes, fontsize=MEDIUM - 1)
    totals = [f"{code}\n(n={total:,.0f})" for code, total in zip(codes, sums[:, 0], strict=True)]
    axes.set_yticks(range(len(codes)), totals, fontsize=MEDIUM - 1)
    axes.set_xlabel("predicted", fontsize=MEDIUM)
    axes.set_ylabel("truth", fontsize=MEDIUM)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title or "Confusion matrix", fontsize=LARGE)
    bar = drawn.colorbar(picture, ax=axes, fraction=0.045, pad=0.02)
    bar.set_label("share of the true class", fontsize=MEDIUM - 1)
    bar.ax.tick_params(labelsize=SMALL)
    bar.outline.set_visible(False)
    save(drawn, path)


def curves(history: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw loss and accuracy over the epochs, side by side.

    `history` has one row per epoch with the keys epoch, train_loss, val_loss, train_accuracy, val_accuracy and
    val_balanced_accuracy; what a row lacks or holds as None is left out. Raises `DataError` for an empty history.
    """
    if not history:
        raise DataError(f"{path}: there is no epoch to draw", "train for at least one epoch")
    drawn = figure(10.0, 4.2)
    loss, accuracy = drawn.subplots(1, 2)
    train, val, balanced = COLOURS[6], COLOURS[4], COLOURS[2]
    _line(loss, history, "train_loss", "training", train, "-")
    _line(loss, history, "val_loss", "validation", val, "--")
    _line(accuracy, history, "train_accuracy", "training", train, "-")
    _line(accuracy, history, "val_accuracy", "validation", val, "--")
    _line(accuracy, history, "val_balanced_accuracy", "validation, balanced", balanced, ":")
    for axes, title in ((loss, "Loss"), (accuracy, "Accuracy")):
        _plain(axes, title, "epoch", title.lower())
        axes.set_xlim(history[0]["epoch"] - 0.5, history[-1]["epoch"] + 0.5)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axes.legend(fontsize=SMALL, frameon=False)
    save(drawn, path)


def _line(
    axes: Axes,
    history: Sequence[Mapping[str, Any]],
    key: str,
    label: str,
    colour: str,
    dash: str,
) -> None:
    points = [(row["epoch"], float(row[key])) for row in history if row.get(key) is not None]
    axes.plot(
        [epoch for epoch, _ in points],
        [value for _, value in points],
        dash,
        color=colour,
        label=label,
        linewidth=1.8,
        marker="o",
        markersize=3.5,
    )


def _plain(axes: Axes, title: str, below: str, beside: str) -> None:
    """Give axes their title and labels, a light grid, and no frame at the top and right."""
    axes.set_title(title, fontsize=LARGE)
    axes.set_xlabel(below, fontsize=MEDIUM)
    axes.set_ylabel(beside, fontsize=MEDIUM)
    axes.tick_params(labelsize=SMALL)
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def roc(predictions: Predictions, path: Path) -> None:
    """Draw one ROC curve per class against the rest, with its AUROC in the legend.

    A class without images, or with all of them, has no curve; the legend says so.
    """
    from sklearn.metrics import roc_curve

    drawn = figure(5.8, 5.8)
    axes = drawn.add_subplot()
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    everything = np.ones((1, len(predictions)))
    for k, code in enumerate(CODES):
        positive, score = predictions.truth == k, predictions.probabilities[:, k]
        style: dict[str, Any] = {"color": COLOURS[k], "linestyle": DASHES[k], "linewidth": 2 if code == "mel" else 1.6}
        if positive.all() or not positive.any():
            axes.plot([], [], label=f"{code}: undefined", color="none")
            continue
        false_positives, true_positives, _ = roc_curve(positive, score)
        area = float(auroc(ranking(score, positive), everything)[0])
        axes.plot(false_positives, true_positives, label=f"{code}: {area:.3f}", **style)
    _plain(axes, "ROC, each class against the rest", "1 - specificity", "sensitivity")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.legend(title="AUROC", loc="lower right", fontsize=SMALL + 1, frameon=False, handlelength=3.2)
    save(drawn, path)


def image_grid(
    images: Sequence[npt.NDArray[np.uint8]], titles: Sequence[str], path: Path, columns: int, width: float = 1.9
) -> None:
    """Draw uint8 RGB images (height, width, 3) in rows of `columns`, each `width` inches wide, titles above, wrapped.

    Raises `DataError` when there is no image or not one title for each.
    """
    if not images or len(images) != len(titles):
        raise DataError(f"{path}: {len(images)} images and {len(titles)} titles", "give each image one title")
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    labels = [textwrap.fill(title, round(width * 13)) for title in titles]
    lines = max(label.count("\n") + 1 for label in labels)
    tallest = max(image.shape[0] / image.shape[1] for image in images)
    drawn = figure(columns * width, rows * (width * tallest + 0.12 + 0.17 * lines))
    cells = drawn.subplots(rows, columns, squeeze=False).ravel()
    for axes in cells:
        axes.set_axis_off()
    for axes, image, label in zip(cells, images, labels, strict=False):
        axes.imshow(image)
        axes.set_title(label, fontsize=SMALL)
    save(drawn, path)
