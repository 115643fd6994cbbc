"""The study's report: one HTML file that needs nothing else, the figures as PNG, the tables as CSV and Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lesionlab.errors import DataError
from lesionlab.files import write_json, write_text
from lesionlab.report.html import Picture, render
from lesionlab.report.markdown import page_markdown
from lesionlab.report.table import Table, write_table
from lesionlab.study import aims, comparisons, experiments, gains, looking, maps, pictures, views
from lesionlab.study.captions import study_caption
from lesionlab.study.findings import findings
from lesionlab.study.results import PROTOCOLS, Results, read_results

REPORT, PAGE, MARKDOWN, JSON, TEMPLATE = "report", "index.html", "tables.md", "results.json", "study.html.j2"


def write_report(out: Path, photographs: bool = True, folder: Path | None = None) -> Path:
    """Write the report of the study in `out` and return its page, index.html in `folder` (OUT/report where None).

    Beside it lie figures/*.png, tables/*.csv, tables.md and results.json; what an earlier report left in figures and
    tables is deleted. None of them names a folder of the machine. `photographs` False leaves out every picture that
    shows one: sample images, augmentation, Grad-CAM, mistakes.

    Raises `DataError` where `out` holds no study, or `folder` something that is no report. Needs jinja2 and matplotlib.
    """
    of = read_results(out)
    if folder:
        _check_folder(folder)
    folder = folder or out / REPORT
    write_json(folder / JSON, _content(of))
    tables = _tables(of)
    drawn = _pictures(of, folder / "figures", photographs)
    for table in tables.values():
        write_table(folder / "tables" / f"{table.name}.csv", table)
    write_text(folder / MARKDOWN, page_markdown(of.state["title"], findings(of), tables.values()))
    write_text(folder / PAGE, _page(of, tables, drawn, photographs))
    _sweep(folder / "tables", {f"{table.name}.csv" for table in tables.values()})
    _sweep(folder / "figures", {picture.path.name for group in drawn.values() for picture in group})
    return folder / PAGE


def _check_folder(folder: Path) -> None:
    """Raise `DataError` where writing a report would delete or replace what is none."""
    there = [name for name in (PAGE, MARKDOWN, "tables", "figures") if (folder / name).exists()]
    if there and not (folder / JSON).is_file():
        raise DataError(f"{folder}: holds something that is no report ({', '.join(there)})", "choose another --out")


def _content(of: Results) -> dict[str, Any]:
    """Return all figures of the study, for JSON: its state, and what goes beyond its grid where that was made."""
    attention = dict(of.experiments(looking.FILE))
    return {**of.state, "siblings": of.siblings() or None, "attention": attention or None}


def _tables(of: Results) -> dict[str, Table]:
    """Return the tables that have rows, by name, in the order of the page."""
    tables = (
        comparisons.summary(of),
        aims.aims(of),
        experiments.class_distribution(of),
        *(comparisons.paper_table(of, number) for number in (3, 2)),
        comparisons.others(of),
        comparisons.ensembles(of),
        gains.ensemble_gains(of),
        views.views_table(of),
        comparisons.paper_table(of, 6),
        gains.mix_gains(of),
        gains.harm_report(of),
        experiments.leak(of),
        experiments.leak_worth(of),
        experiments.siblings(of),
        looking.attention(of),
        looking.colour_against_gray(of),
    )
    return {table.name: table for table in tables if table.rows}


def _pictures(of: Results, folder: Path, photographs: bool) -> dict[str, list[Picture]]:
    """Draw and return the pictures by the section of the page that shows them."""
    papers_maps, other_maps = maps.gradcam(of, folder) if photographs else ([], [])
    return {
        "population": pictures.population(of, folder, photographs),
        "models": pictures.models(of, folder),
        "curves": pictures.curves(of, folder),
        "ensemble_diagrams": pictures.ensemble_diagrams(of, folder),
        "ensembles": pictures.ensembles(of, folder),
        "mix_diagrams": pictures.mix_diagrams(of, folder),
        "specialists": pictures.specialists(of, folder),
        "mixes": pictures.mixes(of, folder),
        "maps": papers_maps,
        "other_maps": other_maps,
    }


def _page(of: Results, tables: dict[str, Table], drawn: dict[str, list[Picture]], photographs: bool) -> str:
    return render(
        TEMPLATE,
        title=of.state["title"],
        state=of.state,
        tables=tables,
        pictures=drawn,
        photographs=photographs,
        headings=PROTOCOLS,
        forest=comparisons.forest(of),
        findings=findings(of),
        missing=_missing(of),
        made=experiments.how_made(of),
        provenance=study_caption(of),
    )


def _missing(of: Results) -> list[dict[str, str]]:
    """Return label, status with reason, and protocol ("" for all) of everything without figures."""
    found: dict[tuple[str, str], list[str]] = {}
    for made in experiments.how_made(of):
        if made["status"] != "done":
            found.setdefault((made["label"], made["status"]), []).append(made["protocol"])
    return [
        {"label": label, "status": status, "protocol": protocols[0] if len(protocols) < len(of.protocols) else ""}
        for (label, status), protocols in found.items()
    ]


def _sweep(folder: Path, kept: Iterable[str]) -> None:
    """Delete the figures or tables of an earlier report that this one does not have."""
    names: set[str] = set(kept)
    for path in [*folder.glob("*.png"), *folder.glob("*.csv")]:
        if path.name not in names:
            path.unlink()
