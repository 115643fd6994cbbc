"""The way from table rows to cases, which all readers of tables share."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lesionlab.data.cases import Case, Problem, check_unique, parse_age, parse_dx, parse_excluded, read_rows
from lesionlab.data.sources.contents import Contents, Table
from lesionlab.errors import DataError
from lesionlab.files import read_text


@dataclass(frozen=True)
class Listing:
    """A source as read: its kind, its folder, the cases whose image is there, and the faults found.

    Cases without an image are no cases: they stand in `problems` as "missing image".
    """

    kind: str
    folder: Path
    cases: list[Case]
    problems: list[Problem]


def read_table(table: Table, needed: Iterable[str]) -> list[dict[str, str]]:
    """Return a table's rows: comma-separated, or the tab-separated form in which Dataverse serves tables.

    Raises `DataError` when a needed column is missing or there are no rows.
    """
    missing = [name for name in needed if name not in table.header]
    if missing:
        raise DataError(f"{table.path}: column {missing[0]!r} is missing", f"the columns {','.join(needed)} are needed")
    text = read_text(table.path)
    if "\t" not in text.partition("\n")[0]:
        rows = read_rows(table.path)
    else:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter="\t")
        cells = [line for line in lines if line][1:]
        if any(len(line) != len(table.header) for line in cells):
            raise DataError(f"{table.path}: a row has more or fewer cells than the header", "mend the row")
        rows = [dict(zip(table.header, line, strict=True)) for line in cells]
    if not rows:
        raise DataError(f"{table.path}: the table has no rows", "one row per image is needed")
    return rows


def known(text: str) -> str:
    """Return a cell without blanks around it, "" where it says that the value is unknown."""
    text = text.strip()
    return "" if text.lower() in ("unknown", "nan", "na", "none", "null") else text


def cases_from_rows(rows: Sequence[Mapping[str, str]], path: Path, columns: Mapping[str, str]) -> list[Case]:
    """Return one case per row, image paths still empty.

    `columns` maps fields of `Case` to column names; a field without a column stays unknown. An age
    of 0 is kept as it is given (HAM10000 has 39, infants and unknown ages alike). Raises `DataError`
    naming file and line for an unknown diagnosis, a nonsensical age or an image_id given twice.
    """
    cases = []
    for number, row in enumerate(rows, start=2):
        cell = {name: known(row[column]) for name, column in columns.items()}
        where = f"{path}, line {number}"
        if not cell["image_id"]:
            raise DataError(f"{where}: {columns['image_id']} is empty", "every image needs an identifier")
        cases.append(
            Case(
                image_id=cell["image_id"],
                path=cell.get("path", ""),
                dx=parse_dx(cell.get("dx", ""), where),
                lesion_id=cell.get("lesion_id", "") or cell["image_id"],
                age=parse_age(cell.get("age", ""), where),
                sex=cell.get("sex", "").lower(),
                site=cell.get("site", "").lower(),
                source=cell.get("source", ""),
                dx_type=cell.get("dx_type", ""),
                excluded=parse_excluded(cell.get("excluded", ""), where),
            )
        )
    check_unique(cases, str(path))
    return cases


def attach_images(cases: Sequence[Case], contents: Contents, table: Path) -> tuple[list[Case], list[Problem]]:
    """Return the cases whose image the folder holds, and the problems: missing, unlabelled, ambiguous.

    Raises `DataError` when not one image is there.
    """
    found, problems = [], []
    for case in cases:
        image = contents.image(case.image_id)
        if image:
            found.append(replace(case, path=str(image)))
        else:
            problems.append(
                Problem("missing image", case.image_id, str(table), "the table has a row, the folder no file")
            )
    if not found:
        raise DataError(
            f"{table}: none of its {len(cases)} images lies under {contents.folder}",
            f"put them there, named like {cases[0].image_id}.jpg",
        )
    used = {case.path for case in found}
    for stem, path in contents.images.items():
        if str(path) not in used:
            problems.append(Problem("unlabelled image", stem, str(path), f"no row in {table}"))
    return found, problems + ambiguous(contents)


def ambiguous(contents: Contents) -> list[Problem]:
    """Return a problem for each file named like another image but of another size.

    A copy of the same size is taken for the same photograph: a widely used copy of HAM10000 holds
    every image twice.
    """
    return [
        Problem("ambiguous image", path.stem, str(path), f"{contents.images[path.stem]} is read instead")
        for path in contents.copies
        if path.stat().st_size != contents.images[path.stem].stat().st_size
    ]
