"""The case table: one row per image, the only form in which data travels; CSV in and out."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError
from lesionlab.files import read_text, write_text

CELL_LIMIT = 4096
"""Longest cell, in characters, that is taken for metadata."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a cell for a formula when it comes first."""


@dataclass(frozen=True)
class Case:
    """One image with what is known about it.

    `dx` is a code of `diagnoses.CODES` or "" where the diagnosis is unknown; `lesion_id` is never
    empty (a source without lesions gives each image its own); `age` is in years or None; `sex`,
    `site`, `source` and `dx_type` are "" where unknown. `dx_type` (how the diagnosis was reached)
    and `source` (which collection) leak the label: they serve subgroup tables, never a model.
    `excluded` is for a source that says only what an image does not show: codes joined by `|`,
    while `dx` is "".
    """

    image_id: str
    path: str
    dx: str
    lesion_id: str
    age: float | None = None
    sex: str = ""
    site: str = ""
    source: str = ""
    dx_type: str = ""
    excluded: str = ""

    @property
    def possible(self) -> tuple[str, ...]:
        """The diagnoses that the image may show: one where it is known, () where nothing is."""
        if self.dx or not self.excluded:
            return (self.dx,) if self.dx else ()
        return tuple(code for code in CODES if code not in self.excluded.split("|"))


COLUMNS: tuple[str, ...] = tuple(f.name for f in fields(Case))
REQUIRED: tuple[str, ...] = ("image_id", "path", "dx", "lesion_id")


def parse_age(text: str, where: str) -> float | None:
    """Return years as a float, None for an empty or unknown cell; `DataError` for nonsense."""
    if text.strip().lower() in ("", "unknown", "nan", "na", "none"):
        return None
    try:
        age = float(text)
    except ValueError:
        raise DataError(f"{where}: age {text[:20]!r} is no number", "leave the cell empty where unknown") from None
    if not math.isfinite(age) or not 0 <= age <= 130:
        raise DataError(f"{where}: age {text[:20]!r} is outside 0 to 130", "leave the cell empty where unknown")
    return age


def parse_dx(text: str, where: str) -> str:
    """Return a diagnosis code, "" for an empty cell; `DataError` for a code that is not one of the seven."""
    code = text.strip().lower()
    if code and code not in CODES:
        raise DataError(f"{where}: unknown diagnosis {text[:40]!r}", f"known are {', '.join(CODES)}")
    return code


def parse_excluded(text: str, where: str) -> str:
    """Return diagnosis codes joined by `|`; `DataError` for an unknown one and where none is left."""
    codes = [parse_dx(code, where) for code in text.split("|") if code.strip()]
    if len(set(codes)) == len(CODES):
        raise DataError(f"{where}: every diagnosis is excluded", "leave out the image")
    return "|".join(codes)


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read any CSV with a header as dictionaries: BOM, CRLF and Latin-1 are understood.

    Raises `DataError` for a file without a header, a row of another length, or a cell of more than
    `CELL_LIMIT` characters.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""))
    rows: list[dict[str, str]] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        if not header:
            raise DataError(f"{path}: the file is empty", "a CSV with a header row is expected")
        for cells in reader:
            if not cells:
                continue
            where = f"{path}, line {reader.line_num}"
            if len(cells) != len(header):
                raise DataError(f"{where}: {len(cells)} cells for {len(header)} columns", "mend the row")
            if any(len(cell) > CELL_LIMIT for cell in cells):
                raise DataError(f"{where}: a cell has more than {CELL_LIMIT} characters", "mend the row")
            rows.append({name: unguard(cell) for name, cell in zip(header, cells, strict=True)})
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}", "save the file as plain CSV") from None
    return rows


def guard(cell: str) -> str:
    """Return the cell with a leading apostrophe where a spreadsheet would take it for a formula.

    A formula behind apostrophes gets one more, so that `unguard` gives every cell back.
    """
    return "'" + cell if cell.lstrip("'")[:1] in FORMULA else cell


def unguard(cell: str) -> str:
    """Undo `guard`."""
    return cell[1:] if cell[:1] == "'" and cell.lstrip("'")[:1] in FORMULA else cell


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV atomically; text cells that a spreadsheet would run as formulas are neutralised."""
    lines = [_line(header)]
    lines += [_line([guard(cell) if isinstance(cell, str) else cell for cell in row]) for row in rows]
    write_text(path, "".join(lines))


def _line(cells: Sequence[object]) -> str:
    """Return one CSV line; the writer ends lines in CRLF so that it quotes cells with either character."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue().removesuffix("\r\n") + "\n"


def read_cases(path: Path) -> list[Case]:
    """Read a case table from CSV; relative image paths are taken from the table's own folder."""
    rows = read_rows(path)
    missing = [name for name in REQUIRED if rows and name not in rows[0]]
    if missing or not rows:
        what = f"column {missing[0]!r} is missing" if missing else "the table has no rows"
        raise DataError(f"{path}: {what}", f"a case table has the columns {', '.join(COLUMNS)}")
    cases = []
    for number, row in enumerate(rows, start=2):
        where = f"{path}, line {number}"
        if not row["image_id"].strip():
            raise DataError(f"{where}: image_id is empty", "every image needs an identifier")
        image = Path(row["path"])
        cases.append(
            Case(
                image_id=row["image_id"].strip(),
                path=str(image if image.is_absolute() else path.parent / image),
                dx=parse_dx(row["dx"], where),
                lesion_id=row["lesion_id"].strip() or row["image_id"].strip(),
                age=parse_age(row.get("age", ""), where),
                sex=row.get("sex", ""),
                site=row.get("site", ""),
                source=row.get("source", ""),
                dx_type=row.get("dx_type", ""),
                excluded=parse_excluded(row.get("excluded", ""), where),
            )
        )
    check_unique(cases, str(path))
    return cases


def write_cases(path: Path, cases: Sequence[Case]) -> None:
    """Write a case table as CSV, atomically; image paths below the table's folder become relative."""
    folder = path.resolve().parent

    def relative(image: str) -> str:
        absolute = Path(image).resolve()
        return absolute.relative_to(folder).as_posix() if absolute.is_relative_to(folder) else str(absolute)

    write_rows(path, COLUMNS, [astuple(replace(case, path=relative(case.path))) for case in cases])


def check_unique(cases: Sequence[Case], where: str) -> None:
    """Raise `DataError` when two rows carry one image_id."""
    seen: set[str] = set()
    for case in cases:
        if case.image_id in seen:
            raise DataError(f"{where}: image_id {case.image_id!r} stands twice", "give each image one row")
        seen.add(case.image_id)


def fingerprint(cases: Sequence[Case]) -> str:
    """Return 16 hex digits that name the table's content: ids, diagnoses and lesions, in any order."""
    lines = sorted(f"{c.image_id}\t{c.dx or c.excluded}\t{c.lesion_id}" for c in cases)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def labelled(cases: Sequence[Case], where: str) -> list[Case]:
    """Return the cases that have a diagnosis; `DataError` when none has."""
    return informative([case for case in cases if case.dx], where)


def informative(cases: Sequence[Case], where: str) -> list[Case]:
    """Return the cases of which anything is known, be it what they do not show; `DataError` when there is none."""
    known = [case for case in cases if case.possible]
    if not known:
        raise DataError(f"{where}: no image has a diagnosis", "training and evaluation need labels")
    return known


def rank(seed: int, name: str) -> str:
    """Return a digest that orders names at random, the same for one seed on every machine."""
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()


def pick(cases: Sequence[Case], count: int, seed: int = 0) -> list[Case]:
    """Return `count` of the cases, or all, chosen by hash of `seed` and image_id, in the table's order."""
    taken = {case.image_id for case in sorted(cases, key=lambda case: rank(seed, case.image_id))[:count]}
    return [case for case in cases if case.image_id in taken]


@dataclass(frozen=True)
class Problem:
    """One fault found in a source: its kind ("missing image", "unlabelled image", ...), where, and the detail."""

    kind: str
    image_id: str
    path: str
    detail: str
