"""Where the models of a study look, as tables: Grad-CAM maps against lesion masks, and colour against grayscale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lesionlab.report.table import Cell, Table, interval, number, signed, sure, texts
from lesionlab.study.captions import study_caption
from lesionlab.study.results import Results

FILE = "attention.json"

MEASURES: dict[str, str] = {
    "inside": "inside the lesion",
    "inside_ratio": "against a uniform map",
    "border_ratio": "border, against uniform",
    "interior_ratio": "interior, against uniform",
    "border_to_interior": "border against interior",
}

COMPARED: dict[str, str] = {
    "inside": "share inside the lesion",
    "border_to_interior": "border against interior",
}
"""The measures in which RGB is set against grayscale."""


def attention(of: Results) -> Table:
    """Return where the models' Grad-CAM maps lie, one row for each model of each OUT/PROTOCOL/attention.json."""
    rows, records = [], []
    for protocol, found in of.experiments(FILE):
        for label, told in found["models"].items():
            cells = texts([label, protocol, _images(told)])
            for name in MEASURES:
                figure = told["measures"][name]
                cells += (Cell(number(figure["value"], 2), "ours", interval(figure, 2, missing="")),)
                records.append({"model": label, "protocol": protocol, "measure": name, **figure})
            rows.append(cells)
    return Table(
        "attention",
        "Where the models look: Grad-CAM against lesion masks",
        "Share of the map inside the lesion, and densities against a uniform map (1: no preference), with 95 % "
        f"intervals over lesions. {_caption(of)}",
        ("model", "protocol", "images", *MEASURES.values()),
        tuple(rows),
        tuple(records),
    )


def colour_against_gray(of: Results) -> Table:
    """Return how each network's maps in RGB differ from its maps in grayscale on the same images."""
    rows, records = [], []
    for protocol, gray, told in _differences(of):
        cells = texts([told["against"], gray, protocol, _images(told)])
        for name in COMPARED:
            figure = told["measures"][name]
            kind = "outside" if sure(figure) else "number"
            cells += (Cell(signed(figure["value"]), kind), Cell(interval(figure), "number"))
            records.append({"rgb": told["against"], "gray": gray, "protocol": protocol, "measure": name, **figure})
        rows.append(cells)
    columns = [column for name in COMPARED.values() for column in (name, "95 % interval")]
    return Table(
        "attention_colour",
        "RGB minus grayscale: where the same network looks",
        f"{colour_finding(of)} Paired bootstrap over lesions, in bold where the interval excludes 0. {_caption(of)}",
        ("RGB", "grayscale", "protocol", "images", *columns),
        tuple(rows),
        tuple(records),
    )


def colour_finding(of: Results) -> str:
    """Return in a sentence what the comparison of RGB with grayscale found; "" where there is none."""
    found = _differences(of)
    if not found:
        return ""
    told = [f"{name}: {_verdict([one['measures'][key] for *_, one in found])}" for key, name in COMPARED.items()]
    return (
        "The paper says that RGB networks look at colour and texture, grayscale ones at shape; then RGB maps would lie "
        f"less on the border. In {len(found)} comparison{'s' if len(found) > 1 else ''}, {'; '.join(told)}."
    )


def _verdict(figures: Sequence[Mapping[str, float | None]]) -> str:
    """Return in how many comparisons RGB is lower or higher, by its interval; no evidence where that covers 0."""
    certain = [figure["value"] or 0.0 for figure in figures if sure(figure)]
    counts = {
        "RGB lower": sum(value < 0 for value in certain),
        "RGB higher": sum(value > 0 for value in certain),
        "no evidence of a difference": len(figures) - len(certain),
    }
    return ", ".join(f"{what} in {count}" for what, count in counts.items() if count)


def _differences(of: Results) -> list[tuple[str, str, dict[str, Any]]]:
    """Return (protocol, label of the grayscale model, RGB minus grayscale) of every comparison made."""
    return [
        (protocol, gray, told)
        for protocol, found in of.experiments(FILE)
        for gray, told in found["differences"].items()
    ]


def _images(told: Mapping[str, int]) -> str:
    """Return how many images have a map that is not empty."""
    return f"{told['images'] - told['empty']:,}"


def _caption(of: Results) -> str:
    """Return the study's caption, after which part the maps' images are a choice of."""
    counts = {protocol: found["count"] for protocol, found in of.experiments(FILE)}
    most = ", ".join(f"{count:,}" for count in dict.fromkeys(counts.values()))
    return f"Of these images at most {most}, chosen by hash: {study_caption(of, protocols=[*counts])}" if counts else ""
