"""What a study shows of its images and its models' eyes: the report takes it over from the study's folder.

OUT/population has the source's figures, OUT/PROTOCOL/attention.json where the rows' maps lie, OUT/PROTOCOL/gradcam the
pages of maps: models in rows (the seed paper's Tables 4 and 5), each class (its Figures 8 and 9), mistakes (3.4).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from lesionlab.data.cases import Case, labelled, pick
from lesionlab.data.packs import pack
from lesionlab.data.sources import load_source
from lesionlab.data.splits import read_split
from lesionlab.errors import DataError
from lesionlab.report.attention import write_attention
from lesionlab.report.evaluate_model import Counted
from lesionlab.report.gradcam_pages import class_panel, gradcam_table, mistakes_page, one_of_each
from lesionlab.report.population import write_population
from lesionlab.study.results import Results, Row, read_results, value

TABLES: tuple[str, ...] = ("mel", "nv")
"""The diagnoses of the seed paper's Tables 4 and 5."""

COLUMNS = 4
"""Images of such a table."""


def illustrate(
    out: Path,
    data: Path,
    masks: Path | None = None,
    count: int = 300,
    source: str | None = None,
    resamples: int = 2000,
    cache: Path | None = None,
    skip_bad: bool = False,
    progress: Counted | None = None,
) -> list[Path]:
    """Draw and measure everything that the study in `out` has models for, and return the files.

    Specialists and combined models are left out. The pictures show photographs of the source.

    Parameters
    ----------
    masks, count, resamples, cache, skip_bad : see `report.attention.write_attention`.

    Raises `DataError` when `out` holds no study, or none of its rows is done.
    """
    of = read_results(out)
    if not any(_done(of, protocol) for protocol in of.protocols):
        raise DataError(f"{out}: no model is done yet", "run the study first: lesionlab study run")
    cases = _readable(of, labelled(load_source(data, source).cases, str(data)), cache, skip_bad)
    files = write_population(cases, out / "population")
    trained = {protocol: rows for protocol in of.protocols if (rows := _done(of, protocol))}
    parts = {protocol: of.state["protocols"][protocol]["part"] for protocol in trained}
    for protocol, rows in trained.items():
        files += _pages(of, protocol, rows, read_split(out / protocol / "split.csv").select(cases, parts[protocol]))
    for protocol, rows in trained.items():  # last, because masks may be missing
        models = {row["label"]: out / row["run"] for row in rows}
        file, part = out / protocol / "attention.json", parts[protocol]
        write_attention(models, data, file, masks, part, count, source, None, resamples, 0, cache, skip_bad, progress)
        files.append(file)
    return files


def _readable(of: Results, cases: list[Case], cache: Path | None, skip_bad: bool) -> list[Case]:
    """Return the cases whose images the study could read: all, unless it was to leave some out."""
    if not skip_bad:
        return cases
    size = next(row["recipe"]["size"] for protocol in of.protocols for row in _done(of, protocol))
    return list(pack(cases, size, cache, skip_bad).cases)


def _done(of: Results, protocol: str) -> list[Row]:
    return [row for row in of.rows(protocol, "row") if row["status"] == "done"]


def _pages(of: Results, protocol: str, rows: Sequence[Row], cases: Sequence[Case]) -> Iterator[Path]:
    """Draw the pages of maps of one protocol, on `cases` of its part, and yield them."""
    folder = of.folder / protocol / "gradcam"
    for name, siblings in _by_network(rows).items():
        models = {row["label"]: of.folder / row["run"] for row in siblings}
        for dx in TABLES:
            if shown := pick([case for case in cases if case.dx == dx], COLUMNS):
                gradcam_table(models, shown, folder / f"maps_for_{dx}_{name}.png", dx)
                yield folder / f"maps_for_{dx}_{name}.png"
        for row in siblings:
            page = folder / f"each_class_{row['id']}.png"
            class_panel(
                of.folder / row["run"], one_of_each(cases), page, f"Activation map for each class: {row['label']}"
            )
            yield page
    general = [row for row in rows if not row["recipe"]["site"]] or list(rows)
    best = max(general, key=lambda row: value(row, "macro_f1")["value"] or 0.0)
    if predictions := of.predictions(protocol, best["id"]):
        pages = mistakes_page(of.folder / best["run"], predictions, cases, folder, label=best["label"])
        yield from (page.picture for page in pages if page.picture)


def _by_network(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the rows of each network trained on all body sites in several ways (colour, augmentation)."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if not row["recipe"]["site"]:
            found[row["recipe"]["architecture"]].append(row)
    return {name: mine for name, mine in found.items() if len(mine) > 1}
