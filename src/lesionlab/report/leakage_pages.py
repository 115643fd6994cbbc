"""Pages of pictures of the pairs that a leakage audit found."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from lesionlab.data.cases import Case
from lesionlab.data.images import load_image, one_line
from lesionlab.evaluation.leakage import KINDS, NEIGHBOUR, Match
from lesionlab.report.heatmaps import shrink
from lesionlab.report.pages import Cell, draw_page, in_lines

WORDS: dict[str, str] = {**KINDS, NEIGHBOUR: "most alike to the model, to be looked at"}
"""What a page of pictures calls each kind."""

ACROSS, DOWN = 3, 8
"""Pairs on one page of pictures."""


def draw_matches(folder: Path, matches: Sequence[Match], most: int = 24) -> list[str]:
    """Draw at most `most` matches of each kind, under their strongest, and return the names of the pages.

    Matches of one strongest kind follow one another, and all their files can be read. The pages show photographs: mind
    the source's licence. They need matplotlib.
    """
    pages = []
    for kind, group in groupby(matches, key=lambda match: match.kinds[0]):
        pairs = list(group)
        drawn = pairs[:most]
        for first in range(0, len(drawn), ACROSS * DOWN):
            name = f"leakage_{kind}_{first // (ACROSS * DOWN) + 1}.png"
            title = f"{WORDS[kind]}: {len(drawn)} of {len(pairs):,} pairs, each the test image and its training image"
            shown = drawn[first : first + ACROSS * DOWN]
            cells = [cell for match in shown for cell in _pair(match)]
            draw_page(in_lines(cells, 2 * min(ACROSS, len(shown))), folder / name, title)
            pages.append(name)
    return pages


def _pair(match: Match) -> tuple[Cell, Cell]:
    score = "" if match.score is None else f", {match.score:.2f}"
    return _cell("test", match.test), _cell("train", match.train, score)


def _cell(side: str, case: Case, more: str = "") -> Cell:
    photograph = shrink(load_image(Path(case.path), case.image_id))
    return Cell(photograph, f"{one_line(case.image_id, 20)}\n{side}{case.dx and ', '}{case.dx}{more}")
