"""Subgroup tables beside an evaluation: JSON, CSV, and a forest plot of each metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lesionlab.data.cases import write_rows
from lesionlab.diagnoses import CODES
from lesionlab.evaluation.evaluate import with_interval
from lesionlab.evaluation.groups import Groups
from lesionlab.evaluation.predictions import Predictions
from lesionlab.evaluation.slices import METRICS, Guard
from lesionlab.evaluation.subgroups import UNTESTED, subgroups
from lesionlab.files import write_json
from lesionlab.report.figures import COLOURS, LARGE, SMALL, figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TABLES: tuple[str, ...] = ("subgroups.json", "subgroups.csv")
PICTURES: dict[str, str] = {metric: f"subgroups_{metric}.png" for metric in METRICS}
"""Metric -> the file of its forest plot."""

COLUMNS: tuple[str, ...] = (
    *("attribute", "group", "images", "lesions", *CODES, "metric", "value", "low", "high", "classes", "too_few"),
    *("difference", "difference_low", "difference_high", "difference_classes", "not_compared"),
)
"""The columns of subgroups.csv, one row per group and metric; the seven codes hold counts of images."""

USUAL, WORST, FAINT = COLOURS[6], COLOURS[4], "0.45"
ROW_INCHES = 0.23


def write_subgroups(
    folder: Path,
    predictions: Predictions,
    groups: Groups,
    resamples: int = 2000,
    seed: int = 0,
    guard: Guard | None = None,
    told: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write `TABLES` into `folder` (each atomically) and return what `evaluation.subgroups` tells of the groups.

    What is `told` beside, such as how the groups were made, joins the JSON.
    """
    result = {**subgroups(predictions, groups, resamples, seed, guard), **(told or {})}
    write_json(folder / "subgroups.json", result)
    rows = [_cells(row, metric) for row in result["groups"] for metric in METRICS]
    write_rows(folder / "subgroups.csv", COLUMNS, rows)
    return result


def _cells(row: Mapping[str, Any], metric: str) -> list[object]:
    figure, counts = row["metrics"][metric], [row["classes"][code] for code in CODES]
    difference = figure.get("difference", {})
    return [
        *(row["attribute"], row["group"], row["images"], row["lesions"], *counts, metric),
        *(figure.get(key) for key in ("value", "low", "high")),
        *("|".join(figure.get("classes", ())), figure.get("too_few")),
        *(difference.get(key) for key in ("value", "low", "high")),
        *("|".join(difference.get("classes", ())), difference.get("too_few")),
    ]


def draw_subgroups(folder: Path, result: Mapping[str, Any], title: str = "") -> None:
    """Write `PICTURES`, the forest plots of a `subgroups` result, into `folder`; needs matplotlib."""
    for metric, name in PICTURES.items():
        forest(result, metric, folder / name, title)


def forest(result: Mapping[str, Any], metric: str, path: Path, title: str = "") -> None:
    """Draw one metric of every group with its interval, as PNG, beside the figure of all images (line and band).

    The worst group is a diamond of another colour. Where images are too few, the reason stands instead of a mark.
    """
    lines, overall = _lines(result, metric), result["overall"][metric]
    drawn = figure(9.6, 1.5 + ROW_INCHES * len(lines))
    axes = drawn.add_subplot()
    if "too_few" not in overall:
        axes.axvline(overall["value"], color=FAINT, linewidth=1, zorder=1)
        if overall["low"] is not None:
            axes.axvspan(overall["low"], overall["high"], color="0.9", zorder=0)
    told = [_mark(axes, place, line) for place, line in enumerate(lines)]
    axes.set_yticks(range(len(lines)), [line.name for line in lines], fontsize=SMALL)
    for label, line in zip(axes.get_yticklabels(), lines, strict=True):
        label.set_fontweight("normal" if line.figure else "bold")
    beside = axes.secondary_yaxis("right")
    beside.set_yticks(range(len(told)), told, fontsize=SMALL)
    for every in (axes, beside):
        every.tick_params(axis="y", length=0)
        every.spines[:].set_visible(False)
    axes.spines["bottom"].set_visible(True)
    axes.tick_params(axis="x", labelsize=SMALL)
    axes.grid(axis="x", color="0.93", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.set_xlabel(_caption(metric, result), fontsize=SMALL)
    words = METRICS[metric][0].upper() + METRICS[metric][1:]
    axes.set_title(f"{words} by group" + (f"\n{title}" if title else ""), fontsize=LARGE)
    save(drawn, path)


@dataclass(frozen=True)
class _Line:
    """One line of a forest plot: a group's name with its figure, or an attribute's name without."""

    name: str
    figure: Mapping[str, Any] | None = None
    worst: bool = False


def _lines(result: Mapping[str, Any], metric: str) -> list[_Line]:
    """Return a line for all images, then for each attribute, its groups below it."""
    worst = result["worst"][metric] or {}
    lines = [_Line(f"all images (n={result['images']:,})", result["overall"][metric])]
    for attribute, rows in groupby(result["groups"], key=itemgetter("attribute")):
        lines.append(_Line(attribute))
        for row in rows:
            name = f"{row['group']} (n={row['images']:,}, mel {row['classes']['mel']:,})"
            is_worst = (attribute, row["group"]) == (worst.get("attribute"), worst.get("group"))
            lines.append(_Line(name, row["metrics"][metric], is_worst))
    return lines


def _mark(axes: Axes, place: int, line: _Line) -> str:
    """Draw one line's figure at a height, and return what stands beside it."""
    told = line.figure
    if told is None:
        return ""
    if "too_few" in told:
        return f"too few: {told['too_few']}"
    colour = WORST if line.worst else USUAL
    if told["low"] is not None:
        axes.plot([told["low"], told["high"]], [place, place], color=colour, linewidth=1.8, solid_capstyle="butt")
    axes.plot([told["value"]], [place], "D" if line.worst else "o", color=colour, markersize=6 if line.worst else 5)
    classes = f"  {len(told['classes'])} diagnoses" if "classes" in told else ""
    return with_interval(told) + classes + ("  worst" if line.worst else "")


def _caption(metric: str, result: Mapping[str, Any]) -> str:
    guard = result["guard"]
    words = "95 % intervals by lesion; line and band: all images"
    if metric == "balanced_accuracy":
        words += f"\nmean over the diagnoses with {guard['kind']} images or more in the group"
        words += "\ncompared with all other images over the diagnoses of both"
    if metric in UNTESTED:
        words += "\nthe fewer images in a group, the larger its error by chance"
    if result["worst"][metric]:
        compared = result["worst"][metric]["compared"]
        words += f"\nworst: furthest from all other images, of {compared} groups; the worst of many is worse by chance"
    return words
