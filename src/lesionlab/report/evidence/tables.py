"""The report's tables of how good the answers are: all figures, each diagnosis, thresholds, prediction sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lesionlab.evaluation.evaluate import LABELS, target_words
from lesionlab.evaluation.questions import question_figures
from lesionlab.evaluation.table import OF_CLASS, OF_TARGET
from lesionlab.report.evidence.gathering import Evidence
from lesionlab.report.table import NONE, Cell, Table, interval, number

Figure = Mapping[str, Any]
"""{value, low, high}"""


def figure_cell(figure: Figure | None, digits: int = 3) -> Cell:
    """Return a figure with its interval as one cell; "too few" where images are, a dash where it is undefined."""
    if figure is None or figure.get("value") is None:
        return Cell("too few", "missing") if figure and "too_few" in figure else Cell(NONE, "number")
    missing = "no interval" if "why" in figure else ""
    return Cell(number(figure["value"], digits), "number", interval(figure, digits, missing))


def record(figure: Figure | None, prefix: str = "") -> dict[str, Any]:
    """Return a figure's numbers for CSV."""
    return {f"{prefix}{key}": (figure or {}).get(key) for key in ("value", "low", "high")}


def records(figures: Mapping[str, Figure], names: Iterable[str]) -> dict[str, Any]:
    """Return the numbers of several figures for CSV, name_value, name_low and name_high; empty where one is missing."""
    return {key: value for name in names for key, value in record(figures.get(name), f"{name}_").items()}


def judged(of: Evidence) -> str:
    """Return in words which images judge, for captions."""
    boot = of.metrics["bootstrap"]
    images, lesions = of.metrics["images"], of.metrics["lesions"]
    return (
        f"{images:,} {of.part} images of {lesions:,} lesions; 95 % intervals from {boot['resamples']:,} bootstrap "
        f"resamples of lesions."
    )


def quality(of: Evidence) -> Table:
    """Return every overall figure with its interval."""
    return _named("quality", "All figures", judged(of), of.metrics["metrics"], LABELS)


def per_class(of: Evidence) -> Table:
    """Return each diagnosis' counts and figures."""
    rows, lines = [], []
    names = [name for name in OF_CLASS if all(name in row for row in of.metrics["per_class"].values())]
    for code, row in of.metrics["per_class"].items():
        counts = [Cell(f"{row[key]:,}", "number") for key in ("images", "lesions", "predicted")]
        rows.append((Cell(row["name"]), *counts, *(figure_cell(row[name], 2) for name in names)))
        counted = {key: row[key] for key in ("images", "lesions", "predicted")}
        lines.append({"code": code, **counted, **records(row, names)})
    columns = ("diagnosis", "images", "lesions", "answered", *(_PER_CLASS.get(name, name) for name in names))
    caption = f"Each diagnosis against the others, by the likeliest answer. {judged(of)}"
    return Table("per_class", "Each diagnosis", caption, columns, tuple(rows), tuple(lines))


_PER_CLASS: dict[str, str] = {"auroc": "AUROC", "f1": "F1", "auprc": "AUPRC", "npv": "NPV"}


def targets(of: Evidence) -> Table:
    """Return the figures of melanoma and of malignant, each against the rest."""
    found = of.metrics.get("targets", {})
    rows = tuple(
        (Cell(target_words(name, of.metrics["min_tpr"])), *(figure_cell(one[name]) for one in found.values()))
        for name in (OF_TARGET if found else ())
    )
    lines = tuple(
        {"figure": name, "target": target, **record(one[name])} for name in OF_TARGET for target, one in found.items()
    )
    counts = "; ".join(
        f"{target}: {one['images']:,} images of {one['lesions']:,} lesions" for target, one in found.items()
    )
    caption = f"{counts}. {judged(of)}"
    return Table("targets", "Melanoma, and malignant, against the rest", caption, ("figure", *found), rows, lines)


def operating(of: Evidence) -> Table:
    """Return the operating points: what they had on validation, and what they came to on the judged images."""
    found = (of.decided or {}).get("operating", [])
    rows, lines = [], []
    for point in found:
        before = (point["threshold"], *(point["fitted"][name] for name in ("sensitivity", "specificity")))
        after = [figure_cell(point[name], 2) for name in CARRIED]
        rows.append(
            (
                Cell(f"{point['target']}, {point['aim']}"),
                *(Cell(number(value, 2), "number") for value in before),
                *after,
            )
        )
        fitted = {f"validation_{name}": value for name, value in point["fitted"].items()}
        told = {key: point[key] for key in ("target", "aim", "threshold", "prevalence")}
        lines.append(told | fitted | records(point, CARRIED))
    shares = {point["target"]: point["prevalence"] for point in found}
    among = " and ".join(f"{share:.1%} {target}" for target, share in shares.items())
    columns = ("chosen for", "threshold", "sensitivity, validation", "specificity, validation", *CARRIED.values())
    caption = (
        f"Thresholds were fixed on validation images and carried over. The last three columns are of lesions of which "
        f"{among}. {judged(of)}"
    )
    return Table("operating", "Operating points", caption, columns, tuple(rows), tuple(lines))


CARRIED: dict[str, str] = {
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "flagged_per_found": "others flagged for each found",
    "ppv": "PPV",
    "npv": "NPV",
}
"""What is told of an operating point -> in words."""


def sets(of: Evidence) -> Table:
    """Return how often prediction sets hold the truth, in all and for each diagnosis."""
    found = (of.decided or {}).get("sets")
    figures = {"all images": found["covered"], **found["per_class"]} if found else {}
    size = f" A set holds {found['size']['value']:.2f} diagnoses on average." if found else ""
    meant = f"They are meant to hold it in {found['coverage']:.0%} of the images of each diagnosis." if found else ""
    return _named("sets", "Prediction sets that hold the truth", f"{meant}{size} {judged(of)}", figures)


def abstaining(of: Evidence) -> Table:
    """Return what abstaining costs and gains, and what is turned away."""
    found = (of.decided or {}).get("abstaining")
    figures: dict[str, Figure] = {}
    if found:
        share = f"{found['least_certain']['share']:.0%}"
        figures = {
            "images of which it abstains, as not certain": found["abstained"],
            "balanced accuracy of all answers": found["balanced_accuracy"],
            "balanced accuracy where it does not abstain": found["answered"],
            "difference": found["gain"],
            f"balanced accuracy without the {share} least certain": found["least_certain"]["answered"],
            f"difference without the {share} least certain": found["least_certain"]["gain"],
            "images turned away as no dermoscopy": (of.decided or {}).get("turned_away") or {},
        }
    limit = f"It abstains below {found['below']:.1%}. " if found else ""
    return _named("abstaining", "Abstaining", f"{limit}{judged(of)}", figures)


def elsewhere(of: Evidence) -> Table:
    """Return the two-class questions on images of another source that were kept out of training and choices."""
    found = of.elsewhere or {"questions": {}, "images": 0}
    rows: list[tuple[Cell, ...]] = []
    lines: list[dict[str, Any]] = []
    for name, row in found["questions"].items():
        counts = (Cell(f"{row['images']:,}", "number"), Cell(f"{row['positives']:,}", "number"))
        if "undefined" in row:
            rows.append((Cell(name), *counts, Cell(row["undefined"], "missing")))
            continue
        for words, figure in question_figures(name, row):
            rows.append((Cell(words), *counts, figure_cell(figure)))
            told = {"figure": words, "images": row["images"], "positives": row["positives"]}
            lines.append({"question": name, **told, **record(figure)})
    caption = f"{found['images']:,} images that took no part in training or in any choice."
    columns = ("figure", "images", "yes", "value [95 % interval]")
    return Table("elsewhere", "Images of another source", caption, columns, tuple(rows), tuple(lines))


def _named(
    name: str, title: str, caption: str, figures: Mapping[str, Figure], labels: Mapping[str, str] | None = None
) -> Table:
    """Return a table of figures by name."""
    labels = labels or {}
    shown: Sequence[str] = [key for key in labels if key in figures] + [key for key in figures if key not in labels]
    rows = tuple((Cell(labels.get(key, key.replace("_", " "))), figure_cell(figures[key])) for key in shown)
    lines = tuple({"figure": key, **record(figures[key])} for key in shown)
    return Table(name, title, caption, ("figure", "value [95 % interval]"), rows, lines)
