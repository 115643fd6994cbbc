"""The report's tables of what else was asked of the model: subgroups, stress, shortcuts, explanations."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from lesionlab.diagnoses import CODES, NAMES
from lesionlab.evaluation.faithfulness import MEASURES, METHODS
from lesionlab.evaluation.leakage import KINDS
from lesionlab.evaluation.shortcuts import METRICS as SHORTCUT_METRICS
from lesionlab.evaluation.shortcuts import VERSIONS
from lesionlab.evaluation.slices import METRICS as GROUP_METRICS
from lesionlab.evaluation.subgroups import worst_rows
from lesionlab.report.comparing import table_rows
from lesionlab.report.evidence.gathering import Evidence
from lesionlab.report.evidence.tables import figure_cell, record, records
from lesionlab.report.table import NONE, Cell, Table, texts


def worst_groups(of: Evidence) -> Table:
    """Return the worst group by each metric."""
    found = of.studies.get("subgroups")
    rows = worst_rows(found) if found else []
    lines = [
        {"metric": metric, "attribute": row["attribute"], "group": row["group"], **record(row["difference"])}
        for metric, row in (found["worst"].items() if found else ())
        if row
    ]
    columns = ("figure", "worst group", "against all other images", "allowing for many groups")
    caption = (
        "Differences to all other images, with 95 % intervals; the last column widens them for the number of groups "
        "compared, because the worst of many is worse by chance, too. Groups differ in their diagnoses as well."
    )
    return Table("worst_groups", "The worst groups", caption, columns, tuple(map(texts, rows)), tuple(lines))


def groups(of: Evidence) -> Table:
    """Return the figures of every group."""
    found = of.studies.get("subgroups", {"groups": (), "guard": {"images": 0, "kind": 0}})
    rows: list[tuple[Cell, ...]] = []
    lines: list[dict[str, Any]] = []
    for attribute, group in groupby(found["groups"], key=itemgetter("attribute")):
        mine = list(group)
        for row in mine:
            head = (Cell(attribute, rows=len(mine)),) if row is mine[0] else ()
            counts = (Cell(f"{row['images']:,}", "number"), Cell(f"{row['classes']['mel']:,}", "number"))
            cells = (figure_cell(row["metrics"][metric], 2) for metric in GROUP_METRICS)
            rows.append((*head, Cell(row["group"]), *counts, *cells))
            told = {"attribute": attribute, "group": row["group"], "images": row["images"]}
            lines.append(told | records(row["metrics"], GROUP_METRICS))
    guard = found["guard"]
    caption = (
        f"Groups of fewer than {guard['images']} images, and figures of fewer than {guard['kind']} of a kind, are told "
        "as too few."
    )
    columns = ("by", "group", "images", "melanomas", *GROUP_METRICS.values())
    return Table("groups", "Every group", caption, columns, tuple(rows), tuple(lines))


def stress(of: Evidence) -> Table:
    """Return how far balanced accuracy and melanoma sensitivity fall under each corruption, by severity."""
    found = of.studies.get("stress")
    corruptions: Mapping[str, Any] = found["corruptions"]["by_name"] if found else {}
    keys = ("balanced_accuracy_drop", "melanoma_sensitivity_drop")
    ordered = sorted(corruptions.items(), key=lambda item: -(item[1]["mean"][keys[0]]["value"] or 0))
    rows, lines = [], []
    for name, one in ordered:
        mildest, worst = one["severities"][0], one["severities"][-1]
        cells = (one["mean"][keys[0]], mildest[keys[0]], worst[keys[0]], one["mean"][keys[1]])
        rows.append((Cell(name), *(figure_cell(cell, 2) for cell in cells)))
        for row in one["severities"]:
            lines.append({"corruption": name, "severity": row["severity"], **records(row, keys)})
    accuracy, sensitivity = "balanced accuracy falls by", "melanoma sensitivity falls by"
    columns = ("corruption", f"{accuracy}, mean of 5", "severity 1", "severity 5", f"{sensitivity}, mean of 5")
    caption = f"{_chosen(found)} A fall is relative: .10 means that a tenth is lost."
    return Table("stress", "Corrupted photographs", caption, columns, tuple(rows), tuple(lines))


def wavering(of: Evidence) -> Table:
    """Return how often small changes flip the answer, and what drawings over benign lesions do."""
    found = of.studies.get("stress")
    figures: dict[str, tuple[Any, str]] = {}
    if found:
        flips, overlays = found["flips"], found["overlays"]
        aim = f"below {flips['aim']:.3f}: {_reached(flips)}"
        figures["diagnoses that a small change flips, mean over changes"] = (flips["mean"], aim)
        figures |= {f"... {kind} changes": (figure, "") for kind, figure in flips["kinds"].items()}
        figures["images whose diagnosis at least one change flips"] = (flips["any"], "")
        if "largest" in overlays:
            largest = overlays["largest"]
            name = f"more benign lesions called malignant, {largest['overlay']} of severity {largest['severity']}"
            figures[name] = (largest["rise"], f"at most {overlays['aim']:.2f}: {_reached(overlays)}")
    rows = tuple((Cell(name), figure_cell(figure), Cell(aim)) for name, (figure, aim) in figures.items())
    lines = tuple({"figure": name, **record(figure)} for name, (figure, _) in figures.items())
    columns = ("figure", "value [95 % interval]", "aim")
    return Table("wavering", "Small changes, and drawings over benign lesions", _chosen(found), columns, rows, lines)


def shortcuts(of: Evidence) -> Table:
    """Return what metadata alone tell, and what is left with the lesion, or all but the lesion, hidden."""
    found = of.studies.get("shortcuts", {})
    rows: list[tuple[Cell, ...]] = []
    lines: list[dict[str, Any]] = []
    for section in ("metadata", "masked"):
        for name, figures in found.get(section, {}).get("versions", {}).items():
            label = f"{VERSIONS[name]} ({found[section]['images']:,} images)"
            rows.append((Cell(label), *(figure_cell(figures.get(metric)) for metric in SHORTCUT_METRICS)))
            told = {"section": section, "version": name, "images": found[section]["images"]}
            lines.append(told | records(figures, SHORTCUT_METRICS))
    caption = found.get("caution", "")
    columns = ("judged on", *SHORTCUT_METRICS.values())
    return Table("shortcuts", "Without the image, and with a part hidden", caption, columns, tuple(rows), tuple(lines))


def faithfulness(of: Evidence) -> Table:
    """Return what maps of each method show: energy and maximum inside the lesion, insertion and deletion."""
    found = of.studies.get("faithfulness", {})
    rows: list[tuple[Cell, ...]] = []
    lines: list[dict[str, Any]] = []
    for name, method in found.get("methods", {}).items():
        figures = method["measures"]
        rows.append((Cell(METHODS[name]), *(figure_cell(figures.get(measure), 2) for measure in MEASURES)))
        lines.append({"method": name, **records(figures, MEASURES)})
    chance = (found.get("chance") or {}).get("value")
    share = "" if chance is None else f" The lesion takes {chance:.2f} of the frame."
    caption = f"{_chosen(found or None)}{share} {found.get('caution', '')}"
    return Table("faithfulness", "Maps beside maps", caption, ("map", *MEASURES.values()), tuple(rows), tuple(lines))


def leakage(of: Evidence) -> Table:
    """Return how many judged images are in the training set as well, by diagnosis and in what way."""
    found = of.studies.get("leakage", {"searched": (), "counts": {}})
    kinds = {kind: KINDS[kind] for kind in found["searched"]}
    rows = tuple(
        (
            Cell(NAMES.get(dx, dx)),
            *(Cell(f"{row[key]:,}", "number") for key in ("images", *kinds, "any")),
            Cell(NONE if row["share"] is None else f"{row['share']:.1%}", "number"),
        )
        for dx, row in found["counts"].items()
    )
    lines = tuple({"diagnosis": dx, **row} for dx, row in found["counts"].items())
    columns = ("diagnosis", "judged images", *kinds.values(), "any of these", "share")
    caption = "Copies are found by bytes, by pixels, and by perceptual hashes of eight turned and flipped views."
    return Table("leakage", "What of the judged images is in the training set", caption, columns, rows, lines)


def comparison(of: Evidence) -> Table:
    """Return every figure of this model beside another's on the same images, with the tests of the difference."""
    found = of.studies.get("comparison")
    rows = table_rows(found) if found else []
    lines = [
        {"metric": name, **{key: row[key] for key in ("a", "b", "test", "p_value", "p_holm", "better")}}
        for name, row in (found["metrics"].items() if found else ())
    ]
    columns = ("figure", "A", "B", "B - A", "95 % interval", "test", "p", "p, Holm", "better")
    told = f"A is this model, B {Path(found['models']['b']).name}. {found['verdict']}" if found else ""
    return Table("comparison", "Beside another model", told, columns, tuple(map(texts, rows)), tuple(lines))


def doubts(of: Evidence) -> Table:
    """Return how often images of each label count for each diagnosis, by the answers."""
    found = of.studies.get("doubts", {})
    joint: Mapping[str, Mapping[str, int]] = {
        label: row for label, row in found.get("joint", {}).items() if any(row.values())
    }
    rows = tuple(
        (Cell(NAMES[label]), *(Cell(f"{count:,}", "number") for count in row.values())) for label, row in joint.items()
    )
    lines = tuple({"label": label, **row} for label, row in joint.items())
    told = f"{found['images']:,} images, of which {found['share']:.1%} are doubted. " if found else ""
    caption = (
        f"{told}Labels in rows; the diagnosis that an image's answer counts for in columns, where it counts for one. A "
        "doubt is a question to a person, not a verdict."
    )
    return Table("doubts", "Labels in doubt", caption, ("label", *CODES), rows, lines)


def _reached(found: Mapping[str, Any]) -> str:
    return "reached" if found["met"] else "missed"


def _chosen(found: Mapping[str, Any] | None) -> str:
    if not found:
        return ""
    rest = "" if found["images"] == found["chosen_of"] else f" of {found['chosen_of']:,}, chosen by diagnosis"
    return f"{found['images']:,} images{rest}."
