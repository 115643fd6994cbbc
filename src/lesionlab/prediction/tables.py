"""The finished table of a bulk run: CSV, JSONL or Parquet, a row for each image, written a few rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lesionlab.diagnoses import CODES
from lesionlab.files import atomic
from lesionlab.prediction.answers import COLUMNS, csv_line, write_lines
from lesionlab.prediction.parts import Row, format_row

if TYPE_CHECKING:
    import pyarrow

SUFFIXES = (".csv", ".jsonl", ".parquet")

REFUSED_COLUMNS = ("image_id", "path", "refused")
"""The columns of the CSV of refusals, and what a refusal has in the other formats."""

GROUP = 10_000
"""Rows of a Parquet file that are held, and compressed, together."""

Rows = Callable[[], Iterator[Row]]


@dataclass(frozen=True)
class Tally:
    """How many images were answered and how many refused; `refusals` is the file of these, where they have one."""

    answered: int
    refused: int
    refusals: Path | None = None


def write_table(out: Path, rows: Rows) -> Tally:
    """Write all rows to `out`, atomically, in the format that its suffix tells.

    JSONL and Parquet have a row for each image; a refused one has nothing but its name, path and reason. A CSV holds
    the answers alone, and `NAME.refused.csv` beside it the refusals, where there are any. Raises `DataError` when the
    disk refuses, and `ModuleNotFoundError` for Parquet without pyarrow.
    """
    refused = total = 0
    for row in rows():
        total += 1
        refused += "refused" in row
    if out.suffix == ".csv":
        return _write_csv(out, rows, Tally(total - refused, refused))
    if out.suffix == ".jsonl":
        write_lines(out, map(format_row, rows()))
    else:
        _write_parquet(out, rows())
    return Tally(total - refused, refused)


def _write_csv(out: Path, rows: Rows, tally: Tally) -> Tally:
    """Write the refusals first, because the answers' file tells that all is done; none where there is no answer."""
    refusals = out.with_suffix(".refused.csv")
    if tally.refused:
        write_lines(refusals, _csv_lines(REFUSED_COLUMNS, (row for row in rows() if "refused" in row)))
    else:
        refusals.unlink(missing_ok=True)
    if tally.answered or not tally.refused:
        write_lines(out, _csv_lines(COLUMNS, (row for row in rows() if "refused" not in row)))
    return Tally(tally.answered, tally.refused, refusals if tally.refused else None)


def _csv_lines(columns: tuple[str, ...], rows: Iterable[Row]) -> Iterator[str]:
    yield csv_line(columns)
    for row in rows:
        yield csv_line(row[column] for column in columns)


def _write_parquet(out: Path, rows: Iterator[Row]) -> None:
    import pyarrow
    import pyarrow.parquet

    schema = _schema()
    with atomic(out) as file, pyarrow.parquet.ParquetWriter(file, schema) as writer:
        while group := list(islice(rows, GROUP)):
            writer.write_table(pyarrow.Table.from_pylist(group, schema))


def _schema() -> pyarrow.Schema:
    """Return the columns of the CSV and `refused`; what a row lacks is null."""
    import pyarrow

    kinds: dict[str, Any] = {
        **{f"p_{code}": pyarrow.float64() for code in CODES},
        "malignant": pyarrow.bool_(),
        "prediction_set": pyarrow.list_(pyarrow.string()),
        "abstained": pyarrow.bool_(),
    }
    return pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in (*COLUMNS, "refused")])
