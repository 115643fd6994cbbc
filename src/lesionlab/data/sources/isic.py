"""ISIC challenge ground truth: one-hot columns in the order MEL, NV, BCC, AKIEC, BKL, DF, VASC."""

from __future__ import annotations

from collections.abc import Mapping

from lesionlab.data.sources.contents import Contents, Table
from lesionlab.data.sources.listing import Listing, attach_images, cases_from_rows, read_table
from lesionlab.diagnoses import ISIC_ORDER
from lesionlab.errors import DataError

COLUMNS = ("image", *(code.upper() for code in ISIC_ORDER))
GROUPING = ("image", "lesion_id", "diagnosis_confirm_type")
"""Columns of the optional LesionGroupings table, which tells photographs of one lesion."""


def is_ground_truth(table: Table) -> bool:
    """Return whether a table looks like one-hot ground truth, in whatever order its columns stand."""
    return {"image", "mel", "nv"} <= {name.lower() for name in table.header}


def recognises(contents: Contents) -> bool:
    """Return whether a ground-truth table lies near the top."""
    return any(is_ground_truth(table) for table in contents.tables)


def read(contents: Contents) -> Listing:
    """Read ground truth and, where present, lesion groupings; else each image is its own lesion.

    The ground-truth file's name, without "_GroundTruth", becomes `Case.source`. Raises `DataError`
    for columns in another order and for rows that are not one-hot.
    """
    table = contents.table(is_ground_truth, "ISIC ground-truth table", COLUMNS)
    check_columns(table)
    groupings = _groupings(contents)
    source = table.path.stem.removesuffix("_GroundTruth")
    rows = []
    for number, row in enumerate(read_table(table, COLUMNS), start=2):
        group = groupings.get(row["image"], {})
        rows.append(
            {
                "image_id": row["image"],
                "dx": one_hot(row, f"{table.path}, line {number}"),
                "lesion_id": group.get("lesion_id", ""),
                "dx_type": group.get("diagnosis_confirm_type", ""),
                "source": source,
            }
        )
    cases = cases_from_rows(rows, table.path, {name: name for name in rows[0]})
    return Listing("isic", contents.folder, *attach_images(cases, contents, table.path))


def check_columns(table: Table) -> None:
    """Raise `DataError` unless the columns are ISIC 2018's, by name and by order."""
    if table.header != COLUMNS:
        raise DataError(
            f"{table.path}: the columns are {','.join(table.header)[:200]}",
            f"ISIC 2018 ground truth has exactly {','.join(COLUMNS)}; "
            "other years' diagnoses differ: write such data as a case table",
        )


def one_hot(row: Mapping[str, str], where: str) -> str:
    """Return the diagnosis whose column holds 1 while all others hold 0; `DataError` otherwise."""
    try:
        values = [float(row[code.upper()]) for code in ISIC_ORDER]
    except ValueError:
        values = []
    if sorted(values) != [0.0] * (len(ISIC_ORDER) - 1) + [1.0]:
        raise DataError(f"{where}: image {row['image']!r} is not one-hot", "exactly one column is 1, all others are 0")
    return ISIC_ORDER[values.index(1.0)]


def _groupings(contents: Contents) -> dict[str, dict[str, str]]:
    """Return image -> row of every LesionGroupings table beside the ground truth."""
    tables = [table for table in contents.tables if {"image", "lesion_id"} <= set(table.header)]
    return {row["image"]: row for table in tables for row in read_table(table, GROUPING)}
