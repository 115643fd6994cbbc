"""Images of which no diagnosis need be known: any source, a folder of photographs, or a table of image_ids."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lesionlab.data.cases import Case, Problem
from lesionlab.data.sources import READERS, load_source
from lesionlab.data.sources.contents import Contents, Table, scan
from lesionlab.data.sources.listing import Listing, cases_from_rows, read_table
from lesionlab.data.sources.table import FIELDS, is_case_table
from lesionlab.errors import DataError


def load_images(path: Path, kind: str | None = None) -> Listing:
    """Return the images of a source, of a folder, or of a table, with what else is known of them.

    Every row of a CSV table with image_id is a case, also where it has no diagnosis or no file: `Case.path` is "" then,
    and `problems` names a "missing image". What else `load_source` recognises is read by it. Of any other folder every
    image is a case without a diagnosis, named after its path inside the folder. A folder without a table tells no
    lesions: each image's whole path is its lesion_id, because equal file names in two folders mean nothing.

    Raises `DataError` as `load_source` does, and for a folder without images.
    """
    contents = scan(path)
    fits = {reader.kind for reader in READERS if reader.recognises(contents)}
    if kind is None and path.is_file() and (fits <= {"folder"} or is_case_table(contents.tables[0])):
        return _rows(contents)
    if kind is None and not fits:
        return _photographs(contents)
    listing = load_source(path, kind)
    if listing.kind != "folder":
        return listing
    return replace(listing, cases=[replace(case, lesion_id=_whole(case.path)) for case in listing.cases])


def _rows(contents: Contents) -> Listing:
    """Return a case for every row of a table, and a problem for every one without a file."""
    table = contents.tables[0]
    columns = {field: name for field, names in FIELDS.items() for name in reversed(names) if name in table.header}
    cases = cases_from_rows(read_table(table, ["image_id"]), table.path, columns)
    cases = [replace(case, path=_file(case, contents, table)) for case in cases]
    missing = [
        Problem("missing image", case.image_id, str(table.path), "the table has a row, the folder no file")
        for case in cases
        if not case.path
    ]
    return Listing("table", contents.folder, cases, missing)


def _file(case: Case, contents: Contents, table: Table) -> str:
    """Return a row's image file: by its path, which counts from the table's folder, or by name; "" without one."""
    file = table.path.parent / case.path if case.path else contents.image(case.image_id)
    return str(file) if file and file.is_file() else ""


def _photographs(contents: Contents) -> Listing:
    """Return a case for every image of a folder."""
    files = sorted([*contents.images.values(), *contents.copies])
    if not files:
        raise DataError(f"{contents.folder}: holds no images", "name a folder of images, a source or a CSV table")
    cases = [
        Case(image_id=file.relative_to(contents.folder).as_posix(), path=str(file), dx="", lesion_id=_whole(str(file)))
        for file in files
    ]
    return Listing("images", contents.folder, cases, [])


def _whole(path: str) -> str:
    return str(Path(path).resolve())
