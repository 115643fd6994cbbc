"""The picture of decision curves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lesionlab.report.figures import COLOURS, LARGE, MEDIUM, SMALL, figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_decision_curves(curves: Mapping[str, Any], path: Path, title: str = "") -> None:
    """Draw the net benefit of the model, of acting on all images and on none, a panel for each target.

    `curves` is what `evaluation.net_benefit.decision_curves` returns; a target that is undefined has its reason there.
    """
    drawn = figure(5.2 * len(curves), 4.4)
    for axes, (target, found) in zip(drawn.subplots(1, len(curves), squeeze=False)[0], curves.items(), strict=True):
        axes.set_title(f"Decision curve, {target}", fontsize=LARGE)
        axes.tick_params(labelsize=SMALL)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel("threshold probability", fontsize=MEDIUM)
        axes.set_ylabel("net benefit", fontsize=MEDIUM)
        if "undefined" in found:
            axes.text(0.5, 0.5, found["undefined"], ha="center", transform=axes.transAxes, fontsize=MEDIUM)
        else:
            _panel(axes, found["curve"])
    if title:
        drawn.suptitle(title, fontsize=LARGE)
    save(drawn, path)


def _panel(axes: Axes, curve: list[dict[str, Any]]) -> None:
    thresholds = [row["threshold"] for row in curve]
    model, everyone = ([row[who]["value"] for row in curve] for who in ("model", "all"))
    limits = [(row["model"]["low"], row["model"]["high"]) for row in curve]
    top = max(*model, *everyone)
    if all(low is not None for low, _ in limits):
        low, high = zip(*limits, strict=True)
        top = max(top, *high)
        axes.fill_between(thresholds, low, high, color=COLOURS[6], alpha=0.2, linewidth=0)
    axes.plot(thresholds, model, color=COLOURS[6], linewidth=2, label="the model's probabilities")
    axes.plot(thresholds, everyone, "--", color=COLOURS[4], linewidth=1.6, label="all images")
    axes.axhline(0, color="black", linewidth=1.2, label="no image")
    axes.set(xlim=(0, thresholds[-1]), ylim=(min(-0.25 * top, 1.1 * min(model)), 1.05 * top))
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.legend(title="acting on", fontsize=SMALL, title_fontsize=SMALL, frameon=False, loc="upper right")
