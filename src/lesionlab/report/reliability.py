"""The reliability diagram: how often answers of each confidence are right."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lesionlab.evaluation.calibration import reliability
from lesionlab.evaluation.metrics import BINS
from lesionlab.evaluation.predictions import Predictions
from lesionlab.report.figures import COLOURS, LARGE, MEDIUM, SMALL, figure, save


def draw_reliability(panels: Mapping[str, Predictions], path: Path) -> None:
    """Draw accuracy against confidence of each panel, title -> answers, side by side; below, how many images there are.

    A calibrated model's bars end on the diagonal.
    """
    drawn = figure(max(4.5 * len(panels), 5.0), 5.2)
    axes = drawn.subplots(2, len(panels), sharex=True, squeeze=False, height_ratios=(4, 1))
    middles = (np.arange(BINS) + 0.5) / BINS
    for column, (title, predictions) in enumerate(panels.items()):
        found = reliability(predictions)
        upper, lower = axes[0, column], axes[1, column]
        upper.plot([0, 1], [0, 1], color="0.6", linewidth=1)
        upper.bar(middles, np.nan_to_num(found.accuracy), width=0.9 / BINS, color=COLOURS[4])
        upper.plot(found.confidence, found.accuracy, "o", color="black", markersize=3.5)
        upper.set(xlim=(0, 1), ylim=(0, 1))
        gap = np.nansum(np.abs(found.confidence - found.accuracy) * found.images) / found.images.sum()
        upper.set_title(f"{title}: ECE {gap:.3f}", fontsize=LARGE)
        lower.bar(middles, found.images, width=0.9 / BINS, color="0.6")
        lower.set_xlabel("probability of the answer", fontsize=MEDIUM)
        for one in (upper, lower):
            one.tick_params(labelsize=SMALL)
            one.spines[["top", "right"]].set_visible(False)
    axes[0, 0].set_ylabel("share that is right", fontsize=MEDIUM)
    axes[1, 0].set_ylabel("images", fontsize=MEDIUM)
    save(drawn, path)
