"""Rows of the tables that commands print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lesionlab.diagnoses import CODES

if TYPE_CHECKING:
    from lesionlab.data.cases import Case
    from lesionlab.data.splits import Split


def figure_rows(figures: Mapping[str, float]) -> list[tuple[str, str]]:
    """Return (metric in words, value) rows."""
    from lesionlab.evaluation.evaluate import LABELS

    return [(LABELS.get(name, name), f"{value:.3f}") for name, value in figures.items()]


def leak_rows(leak: Mapping[str, tuple[int, int]]) -> list[tuple[str, int, int, str]]:
    """Return (dx, images, images whose lesion is also in train, share) rows and their sum, of `siblings_across`."""
    total = (sum(shared for shared, _ in leak.values()), sum(images for _, images in leak.values()))
    return [
        (dx, images, shared, f"{shared / images:.1%}" if images else "-")
        for dx, (shared, images) in {**leak, "all": total}.items()
    ]


def part_counts(cases: Sequence[Case], split: Split) -> dict[str, dict[str, int]]:
    """Return part -> dx -> images, with "images" and "lesions" in all."""
    counts = {}
    for part in sorted(set(split.parts.values())):
        mine = [case for case in cases if split.parts.get(case.image_id) == part]
        classes = Counter(case.dx for case in mine)
        sums = {"images": len(mine), "lesions": len({case.lesion_id for case in mine})}
        counts[part] = sums | {dx: classes[dx] for dx in CODES}
    return counts
