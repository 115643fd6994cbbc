"""Where images come from: one reader per kind of source. A new kind is one file and one row of `READERS`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lesionlab.data.cases import Case
from lesionlab.data.sources import folder as by_folder
from lesionlab.data.sources import ham10000, isic, isic2017, synthetic, table
from lesionlab.data.sources.contents import Contents, scan
from lesionlab.data.sources.listing import Listing
from lesionlab.errors import DataError, UsageError

__all__ = ["KINDS", "READERS", "Listing", "Reader", "by_site", "load_source", "narrowed"]


@dataclass(frozen=True)
class Reader:
    """A kind of source: its name, whether a folder is of that kind, and how to read one."""

    kind: str
    recognises: Callable[[Contents], bool]
    read: Callable[[Contents], Listing]


READERS: tuple[Reader, ...] = (
    Reader("synthetic", synthetic.recognises, synthetic.read),
    Reader("ham10000", ham10000.recognises, ham10000.read),
    Reader("isic", isic.recognises, isic.read),
    Reader("isic2017", isic2017.recognises, isic2017.read),
    Reader("table", table.recognises, table.read),
    Reader("folder", by_folder.recognises, by_folder.read),
)
"""All readers; the first that recognises a source reads it."""

KINDS: tuple[str, ...] = tuple(reader.kind for reader in READERS)


def load_source(folder: Path, kind: str | None = None) -> Listing:
    """Read a source: a folder, or a CSV table that stands for the folder it lies in.

    Parameters
    ----------
    folder : the source.
    kind : one of `KINDS`; recognised where None.

    Raises `UsageError` for an unknown kind, and `DataError`, naming the file and the remedy, for a
    source that is missing, empty, not recognised, or cannot be read as what it is.
    """
    if kind is not None and kind not in KINDS:
        raise UsageError(f"unknown kind of source {kind!r}", f"known are {', '.join(KINDS)}")
    contents = scan(Path(folder))
    for reader in READERS:
        if reader.kind == kind or (kind is None and reader.recognises(contents)):
            return reader.read(contents)
    seen = "; ".join(f"{found.path} has the columns {','.join(found.header)[:120]}" for found in contents.tables[:3])
    raise DataError(
        f"{folder}: {len(contents.images)} images, but nothing here tells their diagnoses{seen and '; ' + seen}",
        "add HAM10000 or ISIC metadata, a CSV with image_id and dx, or one folder per diagnosis",
    )


def by_site(cases: Sequence[Case], site: str) -> list[Case]:
    """Return the cases from one body site, such as "lower extremity"; `DataError` when there are none."""
    chosen = [case for case in cases if case.site.casefold() == site.strip().casefold()]
    if not chosen or not site.strip():
        sites = ", ".join(sorted({case.site for case in cases if case.site})) or "none given"
        raise DataError(f"no image from body site {site!r}", f"sites here: {sites}")
    return chosen


def narrowed(cases: Sequence[Case], site: str = "", classes: Sequence[str] = ()) -> list[Case]:
    """Return the cases from one body site and of some diagnoses, all where empty; `DataError` when there are none."""
    chosen = by_site(cases, site) if site else list(cases)
    kept = [case for case in chosen if not classes or case.dx in classes]
    if not kept:
        raise DataError(f"no image shows {' or '.join(classes)}", "choose diagnoses that are in the source")
    return kept
