"""A plain CSV case table: lesionlab's own `cases.csv`, or any table with image_id and dx."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lesionlab.data.cases import REQUIRED, Case, Problem, read_cases
from lesionlab.data.sources.contents import Contents, Table
from lesionlab.data.sources.listing import Listing, attach_images, cases_from_rows, read_table
from lesionlab.errors import DataError

NEEDED = ("image_id", "dx")

FIELDS: dict[str, tuple[str, ...]] = {
    "image_id": ("image_id",),
    "dx": ("dx",),
    "path": ("path",),
    "lesion_id": ("lesion_id",),
    "age": ("age", "age_approximate", "age_approx"),
    "sex": ("sex",),
    "site": ("site", "localization", "anatom_site_general"),
    "source": ("source", "dataset"),
    "dx_type": ("dx_type", "diagnosis_confirm_type"),
    "excluded": ("excluded",),
}
"""Fields of `Case` and the column names they go by, the first found being taken."""


def is_case_table(table: Table) -> bool:
    """Return whether a table names images and diagnoses."""
    return set(NEEDED) <= set(table.header)


def recognises(contents: Contents) -> bool:
    """Return whether a case table lies near the top."""
    return any(is_case_table(table) for table in contents.tables)


def read(contents: Contents) -> Listing:
    """Read a case table; images are found by its `path` column, or else by name under the folder.

    Relative paths count from the table's folder. Images that a table with paths does not mention
    are not reported: such a table may well lie among pictures of other things.
    """
    table = contents.table(is_case_table, "case table", NEEDED)
    if "path" not in table.header:
        cases, problems = attach_images(_cases(table), contents, table.path)
        return Listing("table", contents.folder, cases, problems)
    cases = read_cases(table.path) if set(REQUIRED) <= set(table.header) else _cases(table)
    return Listing("table", contents.folder, *_present(cases, table.path))


def _cases(table: Table) -> list[Case]:
    """Read the columns that are there, whatever they are called; paths are joined to the table's folder."""
    fields = {name: next((c for c in columns if c in table.header), "") for name, columns in FIELDS.items()}
    fields = {name: column for name, column in fields.items() if column}
    cases = cases_from_rows(read_table(table, NEEDED), table.path, fields)
    return [replace(case, path=str(table.path.parent / case.path)) if case.path else case for case in cases]


def _present(cases: list[Case], table: Path) -> tuple[list[Case], list[Problem]]:
    """Separate the cases whose file exists; `DataError` when none does."""
    found = [case for case in cases if Path(case.path).is_file()]
    if not found:
        raise DataError(f"{table}: none of its {len(cases)} images exists", "paths count from the table's own folder")
    there = {case.image_id for case in found}
    missing = [case for case in cases if case.image_id not in there]
    return found, [Problem("missing image", c.image_id, c.path, f"named in {table}") for c in missing]
