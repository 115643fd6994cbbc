"""HAM10000: the official layout, the Kaggle copy, or its images in any folders beside the metadata."""

from __future__ import annotations

from lesionlab.data.sources.contents import Contents, Table
from lesionlab.data.sources.listing import Listing, attach_images, cases_from_rows, read_table

COLUMNS = ("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization", "dataset")
"""The metadata's columns; older copies, and Kaggle's, lack the last."""

FIELDS = {name: name for name in ("lesion_id", "image_id", "dx", "dx_type", "age", "sex")} | {"site": "localization"}


def is_metadata(table: Table) -> bool:
    """Return whether a table looks like HAM10000's metadata, complete or not."""
    return len({"lesion_id", "dx_type", "localization"} & set(table.header)) >= 2 and "path" not in table.header


def recognises(contents: Contents) -> bool:
    """Return whether a HAM10000 metadata table lies near the top."""
    return any(is_metadata(table) for table in contents.tables)


def read(contents: Contents) -> Listing:
    """Read the metadata and find each image by its name; the collection (`dataset`) becomes `Case.source`."""
    table = contents.table(is_metadata, "HAM10000 metadata table", COLUMNS)
    rows = read_table(table, COLUMNS[:-1])
    fields = FIELDS | ({"source": "dataset"} if "dataset" in table.header else {})
    cases, problems = attach_images(cases_from_rows(rows, table.path, fields), contents, table.path)
    return Listing("ham10000", contents.folder, cases, problems)
