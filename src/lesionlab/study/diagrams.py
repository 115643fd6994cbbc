"""Diagrams of an ensemble and of a Mix-Model (the paper's figures 10 and 11), drawn from their configuration."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lesionlab.report.figures import COLOURS, LARGE, MEDIUM, SMALL, figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RULES: dict[str, str] = {
    "average": "mean of the probabilities",
    "vote": "majority of the answers;\nties: first label",
    "max": "the surest member's\nprobabilities",
    "weighted": "weighted mean;\nweights from validation",
    "stacked": "logistic regression on\nlog probabilities",
}
"""What each ensemble rule does, in words for a box."""

EDGE, FILL, DECISION = "0.25", "0.96", "#FFF4DC"
WIDE, HIGH = 2.3, 0.72
"""Width and height of a box, in inches."""


def ensemble_diagram(path: Path, title: str, rule: str, members: Sequence[str], weights: Sequence[float] = ()) -> None:
    """Draw an ensemble: the photograph, its members, the rule, the answer.

    `members` are labels; `weights`, one per member, are written on their arrows where there are any.
    """
    height = max(2, len(members)) * 1.1 + 0.5
    drawn, axes = _canvas(11.2, height, title)
    ys = [height - 0.95 - 1.1 * place for place in range(len(members))]
    middle = sum(ys) / len(ys)
    _box(axes, 1.2, middle, "photograph", 1.6)
    _box(axes, 7.2, middle, RULES.get(rule, rule), colour=DECISION)
    _box(axes, 10.2, middle, "7 probabilities,\none diagnosis", 1.7)
    for place, (y, member) in enumerate(zip(ys, members, strict=True)):
        _box(axes, 4.1, y, member, edge=COLOURS[place % len(COLOURS)])
        _arrow(axes, (2.0, middle), (2.95, y))
        _arrow(axes, (5.25, y), (6.05, middle), f"{weights[place]:.2f}" if weights else "")
    _arrow(axes, (8.35, middle), (9.35, middle))
    save(drawn, path)


def mix_diagram(
    path: Path, title: str, base: str, specialists: Mapping[str, Sequence[str]], routing: str, margin: float | None
) -> None:
    """Draw a Mix-Model: the general network, the routing, the specialists, the answer.

    `specialists` maps labels to their pair of diagnoses; `routing` is "paper" or "margin", and `margin` the threshold
    chosen on validation, None where it is not known or not used.
    """
    count = len(specialists) + 1
    height = max(2, count) * 1.1 + 0.5
    drawn, axes = _canvas(13.4, height, title)
    ys = [height - 0.95 - 1.1 * place for place in range(count)]
    middle = sum(ys) / count
    _box(axes, 1.0, middle, "photograph", 1.4)
    _box(axes, 3.4, middle, f"{base}\n(general)")
    _box(axes, 6.4, middle, _question(routing, margin), 2.5, 1.5, DECISION)
    _box(axes, 12.5, middle, "7 probabilities,\none diagnosis", 1.5)
    _arrow(axes, (1.7, middle), (2.25, middle))
    _arrow(axes, (4.55, middle), (5.15, middle))
    for place, (y, (label, pair)) in enumerate(zip(ys, specialists.items(), strict=False)):
        _box(axes, 10.1, y, f"{label}\n(specialist)", edge=COLOURS[place % len(COLOURS)])
        _arrow(axes, (7.65, middle), (8.95, y), " / ".join(pair))
        _arrow(axes, (11.25, y), (11.75, middle))
    _box(axes, 10.1, ys[-1], "the general answer stays")
    _arrow(axes, (7.65, middle), (8.95, ys[-1]), "otherwise")
    _arrow(axes, (11.25, ys[-1]), (11.75, middle))
    save(drawn, path)


def _question(routing: str, margin: float | None) -> str:
    if routing == "paper":
        return "is its diagnosis in\na specialist's pair?\n(in two: the likelier\nother diagnosis decides)"
    if margin == 0:
        return "margin 0 was best on\nvalidation: no specialist\nis asked"
    threshold = "a margin from validation" if margin is None else f"{margin:.2f}"
    return f"are its two likeliest\na specialist's pair,\nless than {threshold}\napart?"


def _canvas(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    """Return a figure with empty axes whose units are inches."""
    drawn = figure(width, height)
    axes = drawn.add_subplot()
    axes.set(xlim=(0, width + 0.3), ylim=(0, height))
    axes.set_axis_off()
    axes.set_title(title, fontsize=LARGE)
    return drawn, axes


def _box(
    axes: Axes, x: float, y: float, text: str, wide: float = WIDE, high: float = HIGH, colour: str = FILL,
    edge: str = EDGE,
) -> None:  # fmt: skip
    """Draw a rounded box centred at (x, y), its text wrapped to its width."""
    from matplotlib.patches import FancyBboxPatch

    corner = (x - wide / 2, y - high / 2)
    axes.add_patch(
        FancyBboxPatch(
            corner,
            wide,
            high,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=colour,
            edgecolor=edge,
            linewidth=1.6,
        )
    )
    lines = [textwrap.fill(line, round(wide * 11)) for line in text.split("\n")]
    axes.text(x, y, "\n".join(lines), ha="center", va="center", fontsize=MEDIUM - 1.5, color="black")


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], text: str = "") -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": EDGE, "linewidth": 1.2})
    if text:
        middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        axes.text(*middle, text, ha="center", va="center", fontsize=SMALL, color="black", backgroundcolor="white")
