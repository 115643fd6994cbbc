"""Pictures of a stress test: one photograph under every corruption, and how far the model falls."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lesionlab.data.corruptions import CORRUPTIONS, SEVERITIES, Pixels, corrupt
from lesionlab.report.figures import COLOURS, LARGE, MEDIUM, SMALL, figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINES: dict[str, tuple[str, str, str]] = {
    "balanced_accuracy": ("balanced accuracy", COLOURS[6], "-"),
    "melanoma_sensitivity": ("melanoma sensitivity", COLOURS[4], "--"),
}
"""Metric -> its words, colour and dash."""

COLUMNS = 4


def draw_sheet(pixels: Pixels, image_id: str, path: Path, seed: int = 0) -> None:
    """Draw one image, uint8 (1, side, side, 3), as it is and under all corruptions at all severities."""
    side = pixels.shape[1]
    rows = []
    for name in CORRUPTIONS:
        corrupted = (corrupt(pixels, [image_id], name, level, seed)[0] for level in SEVERITIES)
        rows.append(np.concatenate([pixels[0], *corrupted], axis=1))
    cells = 1 + len(SEVERITIES)
    drawn = figure(1.1 * cells + 1.7, 1.1 * len(rows) + 0.6)
    axes = drawn.add_subplot()
    axes.imshow(np.concatenate(rows), interpolation="lanczos")
    labels = [textwrap.fill(name, 12) for name in CORRUPTIONS]
    axes.set_yticks((np.arange(len(rows)) + 0.5) * side, labels, fontsize=MEDIUM)
    axes.set_xticks((np.arange(cells) + 0.5) * side, ["as it is", *map(str, SEVERITIES)], fontsize=MEDIUM)
    axes.xaxis.tick_top()
    for place in range(1, max(cells, len(rows))):
        axes.axhline(place * side - 0.5, color="white", linewidth=1.5)
        axes.axvline(place * side - 0.5, color="white", linewidth=1.5)
    axes.set(xlim=(-0.5, cells * side - 0.5), ylim=(len(rows) * side - 0.5, -0.5))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title("severity", fontsize=LARGE)
    save(drawn, path)


def draw_curves(table: Mapping[str, Any], path: Path, title: str = "") -> None:
    """Draw balanced accuracy and melanoma sensitivity against severity, a panel for each corruption, with intervals.

    `table` is what `evaluation.stress.corruption_table` returns; severity 0 is the images as they are.
    """
    count = -(-len(table["by_name"]) // COLUMNS)
    drawn = figure(10.5, 2.5 * count + 0.8)
    panels = drawn.subplots(count, COLUMNS, sharex=True, sharey=True, squeeze=False)
    for axes, (name, row) in zip(panels.ravel(), table["by_name"].items(), strict=False):
        for metric in LINES:
            _line(axes, metric, [table["clean"][metric], *(level[metric] for level in row["severities"])])
        axes.set_title(name, fontsize=MEDIUM)
        axes.grid(color="0.9", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=SMALL)
        axes.set(ylim=(-0.02, 1.02), xticks=(0, *SEVERITIES))
    for axes in panels[-1]:
        axes.set_xlabel("severity", fontsize=MEDIUM)
    drawn.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=MEDIUM)
    drawn.suptitle(title or "Corrupted photographs", fontsize=LARGE)
    save(drawn, path)


def _line(axes: Axes, metric: str, figures: list[Mapping[str, float | None]]) -> None:
    """Draw one metric with a band for its intervals; what is undefined leaves a gap."""
    words, colour, dash = LINES[metric]
    value, low, high = (np.array([one[key] for one in figures], dtype=np.float64) for key in ("value", "low", "high"))
    severity = np.arange(len(figures))
    axes.fill_between(severity, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.plot(severity, value, dash, color=colour, label=words, linewidth=1.8, marker="o", markersize=3)
