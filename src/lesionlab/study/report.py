"""The study's report: one HTML file that needs nothing else, the figures as PNG, the tables as CSV and Markdown."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from PIL import Image

from lesionlab.files import write_text
from lesionlab.study import comparisons, experiments, gains, pictures
from lesionlab.study.findings import findings
from lesionlab.study.markdown import page_markdown
from lesionlab.study.pictures import Picture
from lesionlab.study.results import PROTOCOLS, Results, read_results
from lesionlab.study.table import Table, write_table

REPORT, PAGE, MARKDOWN, TEMPLATE = "report", "index.html", "tables.md", "report.html.j2"


PHOTOGRAPHIC_BYTES = 250_000
"""Pictures of more bytes are photographs for the most part."""


def write_report(out: Path, photographs: bool = True) -> Path:
    """Write the report of the study in `out` and return its page, OUT/report/index.html.

    Beside it lie figures/*.png, tables/*.csv and tables.md. What an earlier report left in figures and tables is
    deleted. `photographs` False leaves out every picture that shows one: sample images, augmentation, Grad-CAM.

    Raises `DataError` where `out` holds no study. Needs jinja2 and matplotlib.
    """
    of = read_results(out)
    folder = out / REPORT
    tables = _tables(of)
    drawn = _pictures(of, folder / "figures", photographs)
    for table in tables.values():
        write_table(folder / "tables" / f"{table.name}.csv", table)
    write_text(folder / MARKDOWN, page_markdown(of.state["title"], tables.values()))
    write_text(folder / PAGE, _page(of, tables, drawn, photographs))
    _sweep(folder / "tables", {f"{table.name}.csv" for table in tables.values()})
    _sweep(folder / "figures", {picture.path.name for group in drawn.values() for picture in group})
    return folder / PAGE


def _tables(of: Results) -> dict[str, Table]:
    """Return the tables that have rows, by name, in the order of the page."""
    tables = (
        comparisons.summary(of),
        *(comparisons.paper_table(of, number) for number in (3, 2)),
        comparisons.others(of),
        comparisons.ensembles(of),
        gains.ensemble_gains(of),
        comparisons.paper_table(of, 6),
        gains.mix_gains(of),
        gains.harm_report(of),
        experiments.leak(of),
        comparisons.leak_worth(of),
        experiments.siblings(of),
        experiments.attention(of),
    )
    return {table.name: table for table in tables if table.rows}


def _pictures(of: Results, folder: Path, photographs: bool) -> dict[str, list[Picture]]:
    """Draw and return the pictures by the section of the page that shows them."""
    return {
        "population": pictures.population(of, folder, photographs),
        "ensembles": pictures.ensemble_diagrams(of, folder),
        "mixes": pictures.mix_diagrams(of, folder),
        "combined": pictures.confusions(of, folder, "ensemble", "mix"),
        "specialists": pictures.confusions(of, folder, "specialist"),
        "models": pictures.confusions(of, folder, "row"),
        "curves": pictures.curves(of, folder, "row", "specialist"),
        "gradcam": pictures.gradcam(of, folder) if photographs else [],
    }


def _page(of: Results, tables: dict[str, Table], drawn: dict[str, list[Picture]], photographs: bool) -> str:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["data_uri"] = _data_uri
    source = (resources.files("lesionlab.study") / TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(source).render(
        state=of.state,
        tables=tables,
        pictures=drawn,
        photographs=photographs,
        headings=PROTOCOLS,
        forest=comparisons.forest(of),
        findings=findings(of),
        missing=_missing(of),
        made=experiments.how_made(of),
        provenance=of.provenance(),
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


def _data_uri(path: Path) -> str:
    """Return a picture as a data URI: charts to the bit, pages of photographs as WebP, a twentieth of the size."""
    content, kind = path.read_bytes(), "png"
    if len(content) > PHOTOGRAPHIC_BYTES:
        smaller = io.BytesIO()
        with Image.open(path) as picture:
            picture.convert("RGB").save(smaller, "WEBP", quality=80)
        content, kind = smaller.getvalue(), "webp"
    return f"data:image/{kind};base64," + base64.b64encode(content).decode("ascii")


def _sweep(folder: Path, kept: Iterable[str]) -> None:
    """Delete the figures or tables of an earlier report that this one does not have."""
    names: set[str] = set(kept)
    for path in [*folder.glob("*.png"), *folder.glob("*.csv")]:
        if path.name not in names:
            path.unlink()
