"""Pictures of a look for shortcuts: a forest plot of all figures, and a page of images with a part hidden."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lesionlab.diagnoses import CODES
from lesionlab.evaluation.evaluate import with_interval
from lesionlab.evaluation.metrics import MELANOMA
from lesionlab.evaluation.predictions import Predictions
from lesionlab.evaluation.shortcuts import BACKGROUND, BACKGROUND_BOX, LESION, METRICS, MODEL, VERSIONS
from lesionlab.prediction.network import Pixels
from lesionlab.report.figures import COLOURS, LARGE, MEDIUM, SMALL, figure, save
from lesionlab.report.pages import Cell, draw_page

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW_INCHES = 0.42

SHORT: dict[str, str] = {
    MODEL: "whole image",
    BACKGROUND: "outline hidden",
    BACKGROUND_BOX: "box hidden",
    LESION: "background hidden",
}
"""Version -> its words above a picture."""

IMAGES: dict[str, str] = {"metadata": "all images", "masked": "images with a mask"}


def draw_forest(sections: Mapping[str, Mapping[str, Any]], path: Path, title: str = "") -> None:
    """Draw the figures of every version with their intervals, a panel for each metric, as PNG.

    `sections` are those of `report.shortcuts.find_shortcuts`, "metadata" and "masked"; undefined ones are left out.
    """
    lines: list[tuple[str, Mapping[str, Any] | None]] = []
    for name, section in sections.items():
        if "versions" in section:
            lines.append((f"{IMAGES[name]} (n={section['images']:,}, mel {section['classes']['mel']:,})", None))
            lines += [(VERSIONS[version], figures) for version, figures in section["versions"].items()]
    drawn = figure(15, 1.3 + ROW_INCHES * len(lines))
    panels = drawn.subplots(1, len(METRICS), sharey=True)
    for axes, (metric, words) in zip(panels, METRICS.items(), strict=True):
        for place, (name, figures) in enumerate(lines):
            if figures and metric in figures:
                _mark(axes, place, figures[metric], COLOURS[6] if name == VERSIONS[MODEL] else COLOURS[4])
        if metric.endswith("auroc"):
            axes.axvline(0.5, color="0.45", linewidth=1, linestyle=":", zorder=1)
        axes.set_title(words[0].upper() + words[1:], fontsize=LARGE)
        axes.set(xlim=(0, 1), ylim=(len(lines) - 0.4, -0.6))
        axes.tick_params(axis="x", labelsize=SMALL)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color="0.93", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "left", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(lines)), [name for name, _ in lines], fontsize=MEDIUM)
    for label, (_, figures) in zip(panels[0].get_yticklabels(), lines, strict=True):
        label.set_fontweight("normal" if figures else "bold")
    drawn.suptitle(title or "Shortcuts", fontsize=LARGE)
    drawn.supxlabel("95 % intervals by lesion; dotted: chance", fontsize=SMALL)
    save(drawn, path)


def _mark(axes: Axes, place: int, told: Mapping[str, Any], colour: str) -> None:
    """Draw one figure with its interval at a height, its number above; nothing where it is undefined."""
    if told["value"] is None:
        return
    if told["low"] is not None:
        axes.plot([told["low"], told["high"]], [place, place], color=colour, linewidth=1.8, solid_capstyle="butt")
    axes.plot([told["value"]], [place], "o", color=colour, markersize=5)
    axes.annotate(
        with_interval(told), (told["value"], place), xytext=(0, 4), textcoords="offset points", ha="center", fontsize=7
    )


def draw_examples(
    pictures: Mapping[str, Mapping[str, Pixels]], answers: Mapping[str, Predictions], path: Path, title: str = ""
) -> None:
    """Draw images with nothing and with a part hidden, and what the model says of each, as PNG.

    Parameters
    ----------
    pictures : image_id -> version -> uint8 (size, size, 3). answers : version -> the model's answers to all images.
    """
    rows: list[tuple[str, list[Cell | None]]] = []
    for image_id, versions in pictures.items():
        row = answers[MODEL].image_ids.index(image_id)
        cells = [Cell(shown, f"{SHORT[name]}\n{_said(answers[name], row)}") for name, shown in versions.items()]
        rows.append((f"{image_id} {CODES[answers[MODEL].truth[row]]}", [*cells]))
    draw_page(rows, path, title)


def _said(answers: Predictions, row: int) -> str:
    """Return the answer to one image with its probability, and melanoma's where that is another."""
    p, k = answers.probabilities[row], int(answers.predicted[row])
    return f"{CODES[k]} {p[k]:.0%}" + ("" if k == MELANOMA else f", mel {p[MELANOMA]:.0%}")
