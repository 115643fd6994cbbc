"""Who is in the data: counts by part of the split, of diagnoses and of what the case table tells; the data card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lesionlab.data.cases import Case, read_cases
from lesionlab.data.splits import Split, read_split
from lesionlab.diagnoses import CODES
from lesionlab.evaluation.groups import case_groups
from lesionlab.report.markdown import page_markdown
from lesionlab.report.table import Cell, Table

LICENCES: Mapping[str, str] = {
    "ham10000": "CC BY-NC 4.0 (Tschandl, Rosendahl, Kittler, Sci Data 5:180161, 2018): no commercial use",
}
"""Source -> its licence, where it is known."""

UNKNOWN_OF_ALL = "skin tone, camera, dates and countries are not in the case table"


def people(run: Path) -> dict[str, Any]:
    """Return who is in a run's data, JSON-able; {} where the run has no case table.

    Keys: parts: part -> {images, lesions}; groups: attribute ("diagnosis", "age", ...) -> group -> part -> images.
    Images without a diagnosis of their own count as "known in part".
    """
    table, split = run / "cases.csv", run / "split.csv"
    return counted(read_cases(table), read_split(split)) if table.is_file() and split.is_file() else {}


def counted(cases: Sequence[Case], split: Split) -> dict[str, Any]:
    """Return what `people` does, of cases and a split; cases that the split lacks are left out."""
    mine = [case for case in cases if case.image_id in split.parts]
    part_of = np.array([split.parts[case.image_id] for case in mine])
    there = set(split.parts.values())
    usual = [name for name in ("train", "val", "test") if name in there]
    parts = usual + sorted(there - set(usual))
    told = [case.dx or "known in part" for case in mine]
    diagnoses = {name: np.array([one == name for one in told]) for name in (*CODES, "known in part") if name in told}
    return {
        "parts": {
            part: {
                "images": int((part_of == part).sum()),
                "lesions": len({case.lesion_id for case, own in zip(mine, part_of, strict=True) if own == part}),
            }
            for part in parts
        },
        "groups": {
            attribute: {
                group: {part: int((rows & (part_of == part)).sum()) for part in parts} for group, rows in groups.items()
            }
            for attribute, groups in {"diagnosis": diagnoses, **case_groups(mine)}.items()
        },
    }


def people_table(found: Mapping[str, Any]) -> Table:
    """Return the counts of `people` as a table, one column per part."""
    parts = list(found.get("parts", {}))
    rows: list[tuple[Cell, ...]] = []
    records: list[dict[str, Any]] = []
    for attribute, groups in found.get("groups", {}).items():
        for place, (group, counts) in enumerate(groups.items()):
            head = () if place else (Cell(attribute, rows=len(groups)),)
            shares = (
                Cell(f"{counts[part]:,}", "number", f"{counts[part] / max(found['parts'][part]['images'], 1):.1%}")
                for part in parts
            )
            rows.append((*head, Cell(group), *shares))
            records.append({"attribute": attribute, "group": group, **counts})
    caption = "; ".join(
        f"{part}: {one['images']:,} images of {one['lesions']:,} lesions"
        for part, one in found.get("parts", {}).items()
    )
    return Table("people", "Who is in the data", f"{caption}.", ("by", "group", *parts), tuple(rows), tuple(records))


def data_card(training: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """Return the data card as Markdown: where the images come from, how they were split, who is in them."""
    data, split = training.get("data", {}), training.get("split", {})
    source = data.get("source", "unknown")
    facts = [
        f"Source: {source}, {data.get('images', '?')} images; case table {data.get('cases', '?')}, pixels "
        f"{data.get('pixels', '?')} (fingerprints).",
        f"Licence: {LICENCES.get(source, 'see the source')}.",
        f"Split: {split.get('protocol', '?')}, seed {split.get('seed', '?')}, {split.get('fingerprint', '?')}.",
        f"Left out as unreadable: {len(data.get('left_out', []))}.",
        "How a diagnosis was reached (dx_type) and the collection (source) tell of the label: tables only, no inputs.",
        f"Not known: {UNKNOWN_OF_ALL}.",
    ]
    return page_markdown(f"Data card: {source}", facts, [people_table(found)])
