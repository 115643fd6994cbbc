"""The report's further tables: the images, the leak, the paired experiment, and how rows were made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lesionlab.data.cases import read_rows
from lesionlab.diagnoses import CODES, NAMES
from lesionlab.report.table import NONE, Cell, Table, interval, number, signed, sure, texts
from lesionlab.study.arms import ARMS
from lesionlab.study.captions import how_trained, study_caption
from lesionlab.study.comparisons import made_id, minus
from lesionlab.study.results import METRICS, PROTOCOLS, Results, value, why_missing

PAPER_IMAGES: dict[str, int] = {
    "nv": 6705, "mel": 1113, "bkl": 1099, "bcc": 514, "akiec": 327, "vasc": 142, "df": 115
}  # fmt: skip
"""The paper's Table 1: images of each diagnosis."""


def class_distribution(of: Results) -> Table:
    """Return Table 1: images of each diagnosis, the paper's beside this source's; of OUT/population, if that is there.

    The paper counts no lesions.
    """
    path = of.folder / "population" / "class_distribution.csv"
    counted = {row["dx"]: row for row in read_rows(path)} if path.is_file() else {}
    lines = [
        (NAMES[dx], dx, paper, int(counted[dx]["images"]), int(counted[dx]["lesions"]))
        for dx, paper in PAPER_IMAGES.items()
        if dx in counted
    ]
    papers, ours, lesions = (
        sum(line[2] for line in lines),
        sum(line[3] for line in lines),
        sum(line[4] for line in lines),
    )
    rows = [
        (
            *texts((name, dx)),
            *texts((_share(paper, papers), _share(images, ours)), "number"),
            *texts((f"{images - paper:+,}".replace("-", "−"), f"{found:,}"), "number"),
        )
        for name, dx, paper, images, found in [*lines, ("all", "", papers, ours, lesions)]
    ]
    return Table(
        "table1",
        "Table 1: Class distribution",
        "All labelled images of the source, before any split.",
        ("diagnosis", "class", "images, paper", "images, ours", "difference", "lesions, ours"),
        tuple(rows) if ours else (),
        tuple({"dx": dx, "name": name, "images_paper": a, "images": b, "lesions": c} for name, dx, a, b, c in lines),
    )


def _share(count: int, whole: int) -> str:
    return f"{count:,} ({count / whole:.2%})" if whole else NONE


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
        study_caption(of),
        ("diagnosis", *columns),
        tuple(rows),
        tuple(records),
    )


def leak_worth(of: Results) -> Table:
    """Return macro F1 and accuracy of each model under both protocols.

    The two protocols have other test images, so the difference has no paired interval; the paired experiment
    (`siblings`) has one. Without both protocols the table has no rows.
    """
    rows, records = [], []
    names = ("macro_f1", "accuracy")
    for design in of.designs("row", "ensemble", "mix") if set(PROTOCOLS) <= set(of.protocols) else []:
        pairs = [[value(of.row(protocol, design["id"]), name)["value"] for protocol in PROTOCOLS] for name in names]
        if None in pairs[0]:
            continue
        cells = [Cell(design["label"])]
        for leaky, clean in pairs:
            gap = minus(leaky, clean)
            cells += [Cell(number(leaky), "number"), Cell(number(clean), "number"), Cell(signed(gap), "ours")]
        rows.append(tuple(cells))
        told = {f"{name}_{key}": v for name, pair in zip(names, pairs, strict=True) for key, v in _pair(*pair).items()}
        records.append({"id": design["id"], "label": design["label"], **told})
    columns = [f"{name}, {what}" for name in ("F1", "accuracy") for what in ("paper's split", "grouped", "difference")]
    return Table(
        "leak_worth",
        "The same model under both protocols",
        "The protocols differ in more than the leak: other images judge, 85 against 70 % of the images train, "
        "and protocol paper chooses epoch and prior on the images that judge. The paired experiment isolates the leak. "
        + study_caption(of, of.designs("row", "ensemble", "mix")),
        ("model", *columns),
        tuple(rows),
        tuple(records),
    )


def _pair(leaky: float | None, clean: float | None) -> dict[str, float | None]:
    return {"paper_protocol": leaky, "grouped": clean, "difference": minus(leaky, clean)}


def siblings(of: Results) -> Table:
    """Return the paired experiment of OUT/siblings: figures without and with the test lesions' siblings in training.

    Without the experiment, or before its first seed is done, the table has no rows.
    """
    found = of.siblings()
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
        f"{how_trained(recipe)}, weights {found['weights']}; "
        f"{images['test']:,} test and {images['train']:,} training images in both arms, as many of each diagnosis; "
        f"training seeds {', '.join(map(str, found['seeds']))}, split seed {found['split_seed']}. "
        "Means over the seeds; interval of the paired bootstrap over lesions, in bold where it excludes 0."
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
