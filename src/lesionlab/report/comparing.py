"""Two models compared on the answers that their evaluations left: the table, and a picture of the differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lesionlab.data.cases import write_rows
from lesionlab.errors import DataError
from lesionlab.evaluation.comparing import METRICS, compare
from lesionlab.evaluation.metrics import LOWER_IS_BETTER
from lesionlab.evaluation.predictions import read_predictions
from lesionlab.files import write_json
from lesionlab.report.asking import answers_file
from lesionlab.report.figures import COLOURS, MEDIUM, SMALL, figure, save
from lesionlab.report.parts import run_folder

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FILES: tuple[str, ...] = ("comparison.json", "comparison.csv", "differences.png")
"""What `compare_models` writes."""


def compare_models(
    a: Path, b: Path, part: str = "test", out: Path | None = None, resamples: int = 2000, command: str = ""
) -> dict[str, Any]:
    """Compare two models on the same images, and return `evaluation.comparing.compare`'s result with both names.

    Parameters
    ----------
    a, b : run folders that were evaluated on `part`, or files of predictions.
    out : folder for `FILES`; nothing is written where None.
    command : noted in comparison.json.

    Raises `DataError` for a model that was not evaluated on that part, and for predictions of different images.
    """
    files = [_answers(path, part) for path in (a, b)]
    first, second = (read_predictions(file) for file in files)
    names = {"a": str(a), "b": str(b)}
    result = {"models": names, "part": part, "command": command, **compare(first, second, resamples)}
    if out:
        write_json(out / "comparison.json", result)
        write_comparison(out / "comparison.csv", result)
        draw_differences(result, out / "differences.png")
    return result


def _answers(path: Path, part: str) -> Path:
    """Return the file of predictions that a path names."""
    if path.is_file() and path.suffix == ".csv":
        return path
    if not path.exists():
        raise DataError(f"{path}: no such file or folder", "name a run folder, or a predictions.csv of an evaluation")
    file = answers_file(run_folder(path) or path, part)
    if not file.is_file():
        remedy = f"make them: lesionlab evaluate --model {path} --data SOURCE --split {part}"
        raise DataError(f"{path}: no predictions of its {part} images ({file} is missing)", remedy)
    return file


def write_comparison(path: Path, result: Mapping[str, Any]) -> None:
    """Write one line per metric of a comparison as CSV, atomically; undefined cells are empty."""
    columns = ("metric", "a", "b", "difference", "low", "high", "test", "p_value", "p_holm", "better")
    rows = []
    for name, row in result["metrics"].items():
        gap = (row["difference"][key] for key in ("value", "low", "high"))
        rows.append([name, row["a"], row["b"], *gap, row["test"], row["p_value"], row["p_holm"], row["better"]])
    write_rows(path, columns, rows)


def draw_differences(result: Mapping[str, Any], path: Path) -> None:
    """Draw every metric's difference with its interval; those where less is better in a picture of their own."""
    groups = (
        ("more is better", [name for name in METRICS if name not in LOWER_IS_BETTER]),
        ("less is better", list(LOWER_IS_BETTER)),
    )
    drawn = figure(8.6, 5.6)
    areas = drawn.subplots(2, 1, height_ratios=[len(names) for _, names in groups])
    for axes, (title, names) in zip(areas, groups, strict=True):
        _differences(axes, {METRICS[name]: result["metrics"][name] for name in names})
        axes.set_title(title, fontsize=MEDIUM, loc="left")
    areas[-1].set_xlabel(
        "B minus A, 95 % interval over lesions; blue where B is better, red where A is", fontsize=MEDIUM
    )
    images = f"{result['images']:,} images of {result['lesions']:,} lesions"
    drawn.suptitle(f"A: {result['models']['a']}\nB: {result['models']['b']}\n{images}", fontsize=MEDIUM)
    save(drawn, path)


def _differences(axes: Axes, rows: Mapping[str, Mapping[str, Any]]) -> None:
    axes.axvline(0, color="0.6", linewidth=1)
    for place, row in enumerate(rows.values()):
        value, low, high = (row["difference"][key] for key in ("value", "low", "high"))
        colour = COLOURS[6] if row["better"] == "b" else COLOURS[4] if row["better"] == "a" else "0.35"
        if value is None:
            axes.text(0, place, " undefined", va="center", fontsize=SMALL, color="0.35")
            continue
        if low is not None:
            axes.plot([low, high], [place, place], color=colour, linewidth=1.8)
        axes.plot(value, place, "o", color=colour, markerfacecolor=colour if row["better"] else "white", markersize=6)
    axes.set_yticks(range(len(rows)), list(rows), fontsize=SMALL)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="x", labelsize=SMALL)
    axes.grid(axis="x", color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)


def table_rows(result: Mapping[str, Any]) -> Sequence[tuple[str, ...]]:
    """Return what a command prints, a line per metric: name, A, B, difference, interval, test, p-values, better."""
    lines = []
    for name, row in result["metrics"].items():
        if row["a"] is None:
            lines.append((METRICS[name], "undefined", *[""] * 7))
            continue
        gap = row["difference"]
        limits = "" if gap["low"] is None else f"{gap['low']:+.3f} to {gap['high']:+.3f}"
        values = (f"{row['a']:.3f}", f"{row['b']:.3f}", f"{gap['value']:+.3f}", limits)
        tests = (row["test"], _p(row["p_value"]), _p(row["p_holm"]), row["better"].upper())
        lines.append((METRICS[name], *values, *tests))
    return lines


def _p(value: float | None) -> str:
    return "" if value is None else "<.001" if value < 0.001 else f"{value:.3f}"
