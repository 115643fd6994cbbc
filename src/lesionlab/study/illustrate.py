"""What a study shows of its images and its models' eyes: the report takes it over from the study's folder.

OUT/population has the source's figures, OUT/PROTOCOL/attention.json where the rows' maps lie, OUT/PROTOCOL/gradcam the
pages of maps: models in rows (the seed paper's Tables 4 and 5), each class (its Figures 8 and 9), mistakes (3.4).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from lesionlab.data.cases import Case, labelled, pick
from lesionlab.data.masks import find_masks
from lesionlab.data.packs import pack
from lesionlab.data.sources import load_source
from lesionlab.data.splits import read_split
from lesionlab.errors import DataError, some
from lesionlab.files import read_json
from lesionlab.report.attention import write_attention
from lesionlab.report.gradcam_pages import class_panel, gradcam_table, mistakes_page, one_of_each
from lesionlab.report.parts import Images
from lesionlab.report.population import write_population
from lesionlab.study.kept import kept
from lesionlab.study.maps import mistaken
from lesionlab.study.results import Results, Row, read_results
from lesionlab.study.state import model_digest

TABLES: tuple[str, ...] = ("mel", "nv")
"""The diagnoses of the seed paper's Tables 4 and 5."""

COLUMNS = 4
"""Images of such a table."""

MEASURED = 300
"""Images on which maps are measured."""


@dataclass(frozen=True)
class Illustrated:
    """The files that there are now, and in words what had to be left out."""

    files: list[Path]
    remarks: list[str]


def illustrate(
    out: Path,
    images: Images,
    masks: Path | None = None,
    count: int = MEASURED,
    resamples: int = 2000,
    protocols: Sequence[str] = (),
) -> Illustrated:
    """Draw and measure everything that the study in `out` has models for; what is there of the same models stays.

    Specialists are left out, and of combined models all but the Mix-Model's mistakes. The pictures show photographs of
    the source.

    Parameters
    ----------
    masks, count, resamples : see `report.attention.write_attention`.
    protocols : all of the study where none is named.

    Raises `DataError` when `out` holds no study, none of its rows is done, or no image has a mask (then all else is
    drawn before).
    """
    of = read_results(out)
    trained = {protocol: rows for protocol in protocols or of.protocols if (rows := _done(of, protocol))}
    if not trained:
        raise DataError(f"{out}: no model is done yet", "run the study first: lesionlab study run")
    cases = _readable(of, labelled(load_source(images.data, images.source).cases, str(images.data)), images)
    files = kept(out, "population", _named(cases), lambda: write_population(cases, out / "population"))
    shown = {protocol: _judged(of, protocol, cases) for protocol in trained}
    for protocol, rows in trained.items():
        made_of = [_models(of, [*rows, *mistaken(of, protocol)]), _named(shown[protocol])]
        files += kept(out, f"{protocol}_gradcam", made_of, partial(_pages, of, protocol, rows, shown[protocol]))
    folder, remarks = masks or images.folder, []
    for protocol, rows in trained.items():  # last, because masks may be missing
        file, part = out / protocol / "attention.json", of.state["protocols"][protocol]["part"]
        made_of = [_models(of, rows), _named(shown[protocol]), _masks(folder, shown[protocol]), count, resamples]
        measure = partial(
            write_attention, {row["label"]: out / row["run"] for row in rows}, images, file, folder, part, count,
            resamples=resamples,
        )  # fmt: skip
        files += kept(out, f"{protocol}_attention", made_of, partial(_written, file, measure))
        remarks += _left_out(file, protocol)
    return Illustrated(files, remarks)


def _written(file: Path, write: Callable[[], object]) -> list[Path]:
    write()
    return [file]


def _judged(of: Results, protocol: str, cases: Sequence[Case]) -> list[Case]:
    """Return the cases that a protocol's models are judged on."""
    return read_split(of.folder / protocol / "split.csv").select(cases, of.state["protocols"][protocol]["part"])


def _named(cases: Sequence[Case]) -> list[dict[str, object]]:
    return [asdict(case) for case in cases]


def _models(of: Results, rows: Sequence[Row]) -> list[list[object]]:
    """Return what shapes the maps of rows: label, settings, and the digest of the model."""
    return [[row["label"], row["recipe"], model_digest(of.folder / row["run"])] for row in rows]


def _masks(folder: Path, cases: Sequence[Case]) -> list[list[object]]:
    """Return name, size and change time of the cases' masks; `DataError` where there is none."""
    found = find_masks(folder, [case.image_id for case in cases])
    return [[name, path.stat().st_size, path.stat().st_mtime_ns] for name, path in found.items()]


def _left_out(file: Path, protocol: str) -> list[str]:
    """Return in words which images a protocol's maps were not measured on, if any."""
    told = read_json(file)
    names = sorted({one["image_id"] for model in told["models"].values() for one in model["left_out"]})
    if not names:
        return []
    return [f"protocol {protocol}: maps could not be measured on {len(names)} images: {some(names)}"]


def _readable(of: Results, cases: list[Case], images: Images) -> list[Case]:
    """Return the cases whose images the study could read: all, unless it was to leave some out."""
    if not images.skip_bad:
        return cases
    size = next(row["recipe"]["size"] for protocol in of.protocols for row in _done(of, protocol))
    return list(pack(cases, size, images.cache, images.skip_bad).cases)


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
    for row in mistaken(of, protocol):
        if predictions := of.predictions(protocol, row["id"]):
            run, identifier = of.folder / row["run"], row["id"]
            pages = mistakes_page(run, predictions, cases, folder, label=row["label"], name=identifier)
            yield from (page.picture for page in pages if page.picture)


def _by_network(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the rows of each network trained on all body sites in several ways (colour, augmentation)."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if not row["recipe"]["site"]:
            found[row["recipe"]["architecture"]].append(row)
    return {name: mine for name, mine in found.items() if len(mine) > 1}
