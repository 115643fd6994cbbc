"""The report's further tables: the leak, the paired experiment, where models look, and how rows were made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lesionlab.diagnoses import CODES
from lesionlab.files import read_json
from lesionlab.study.arms import ARMS
from lesionlab.study.comparisons import made_id
from lesionlab.study.results import METRICS, Results, why_missing
from lesionlab.study.siblings import FOLDER, RESULT
from lesionlab.study.table import NONE, Cell, Table, interval, number, signed, sure, texts


def leak(of: Results) -> Table:
    """Return how many evaluated images show a lesion that the models were trained on, by diagnosis and protocol."""
    told = {protocol: of.state["protocols"][protocol]["leak"] for protocol in of.protocols}
    counts = {
        name: {**found, "all": [sum(pair[k] for pair in found.values()) for k in (0, 1)]}
        for name, found in told.items()
    }
    rows, records = [], []
    for dx in (*CODES, "all"):
        cells = [Cell(dx)]
        for protocol, found in counts.items():
            shared, images = found.get(dx, (0, 0))
            cells += [Cell(f"{images:,}", "number"), Cell(f"{shared:,}", "number")]
            cells.append(Cell(f"{shared / images:.1%}" if images else NONE, "ours"))
            records.append({"dx": dx, "protocol": protocol, "images": images, "lesion_in_training": shared})
        rows.append(tuple(cells))
    columns = [f"{name}: {what}" for name in counts for what in ("images", "lesion also in training", "share")]
    return Table(
        "leak",
        "The leak: evaluated images whose lesion was trained on",
        of.provenance(),
        ("diagnosis", *columns),
        tuple(rows),
        tuple(records),
    )


def siblings(of: Results) -> Table:
    """Return the paired experiment of OUT/siblings: figures without and with the test lesions' siblings in training.

    Without the experiment, or before its first seed is done, the table has no rows.
    """
    path = of.folder / FOLDER / RESULT
    found = read_json(path) if path.is_file() else {}
    rows, records = [], []
    for metric, name in METRICS.items() if found else ():
        clean, leaking = (found["arms"][arm][metric] for arm in ARMS)
        pooled = found["pooled"][metric]
        seeds = [one["difference"][metric]["value"] for one in found["per_seed"]]
        rows.append(
            (
                Cell(name),
                Cell(number(clean), "number"),
                Cell(number(leaking), "number"),
                Cell(signed(pooled["value"]), "outside" if sure(pooled) else "number"),
                Cell(interval(pooled), "number"),
                Cell(", ".join(signed(value) for value in seeds), "number"),
            )
        )
        records.append({"metric": metric, "clean": clean, "leak": leaking, **pooled, "seeds": len(seeds)})
    return Table(
        "siblings",
        "The paired experiment: same test images, trained with and without their lesions' other photographs",
        _siblings_caption(found) if found else "",
        ("figure", "without siblings", "with siblings", "difference", "95 % interval", "difference per seed"),
        tuple(rows),
        tuple(records),
    )


def _siblings_caption(found: Mapping[str, Any]) -> str:
    recipe, images = found["recipe"], found["images"]
    return (
        f"{recipe['architecture']}, {recipe['size']} px, {recipe['epochs']} epochs, weights {found['weights']}; "
        f"{images['test']:,} test and {images['train']:,} training images in both arms, as many of each diagnosis; "
        f"training seeds {', '.join(map(str, found['seeds']))}, split seed {found['split_seed']}. "
        "Means over the seeds; interval of the paired bootstrap over lesions, in bold where it excludes 0."
    )


ATTENTION: dict[str, str] = {
    "inside": "inside the lesion",
    "inside_ratio": "against a uniform map",
    "border_ratio": "border, against uniform",
    "interior_ratio": "interior, against uniform",
    "border_to_interior": "border against interior",
}


def attention(of: Results) -> Table:
    """Return where the models' Grad-CAM maps lie, one row for each model of each OUT/PROTOCOL/attention.json."""
    rows, records = [], []
    for protocol, found in of.experiments("attention.json"):
        for label, told in found["models"].items():
            cells = texts([label, protocol, f"{told['images'] - told['empty']:,}"])
            for name in ATTENTION:
                figure = told["measures"][name]
                cells += (Cell(number(figure["value"]), "ours", interval(figure, missing="")),)
                records.append({"model": label, "protocol": protocol, "measure": name, **figure})
            rows.append(cells)
    return Table(
        "attention",
        "Where the models look: Grad-CAM against lesion masks",
        "Share of the map inside the lesion, and densities against a uniform map (1: no preference), with 95 % "
        f"intervals over lesions. {of.provenance()}",
        ("model", "protocol", "images", *ATTENTION.values()),
        tuple(rows),
        tuple(records),
    )


def how_made(of: Results) -> list[dict[str, str]]:
    """Return for every row of every protocol: id (of the element), label, protocol, status, minutes, command."""
    return [
        {
            "id": made_id(protocol, row["id"]),
            "label": row["label"],
            "protocol": protocol,
            "status": "done" if row["status"] == "done" else why_missing(row),
            "minutes": number(row["seconds"] / 60, 1) if row["seconds"] else NONE,
            "command": row["command"] or "",
        }
        for protocol in of.protocols
        for row in of.rows(protocol)
    ]
