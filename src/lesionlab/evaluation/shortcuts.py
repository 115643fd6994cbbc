"""What a model's figures become without the image, without the lesion, and without all but the lesion.

Every version is compared with the model on the whole images by one bootstrap over lesions in which both see the same
resamples. A model that still tells melanoma with the lesion hidden has learnt something else: hairs, rulers, ink, the
camera, the body site. What is hidden leaves a trace, though: an outline tells the lesion's shape, a box its size. What
the size alone tells stands beside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lesionlab.diagnoses import CODES
from lesionlab.evaluation.evaluate import LABELS, with_interval
from lesionlab.evaluation.intervals import measured
from lesionlab.evaluation.metrics import auroc, ranking, sample, scores
from lesionlab.evaluation.paired import check_same_images
from lesionlab.evaluation.predictions import Floats, Predictions
from lesionlab.models.decisions import TARGETS, columns

METRICS: dict[str, str] = {
    name: LABELS[name] for name in ("balanced_accuracy", "macro_f1", "melanoma_auroc", "malignant_auroc")
}
"""What is told of each version, in words."""

MODEL, METADATA, SIZE = "model", "metadata", "box_size"
BACKGROUND, BACKGROUND_BOX, LESION = "background", "background_box", "lesion"

VERSIONS: dict[str, str] = {
    MODEL: "the model on whole images",
    METADATA: "age, sex and site alone",
    BACKGROUND: "background, lesion hidden by its outline",
    BACKGROUND_BOX: "background, lesion hidden by a box",
    LESION: "lesion, background hidden",
    SIZE: "size of the box alone",
}
"""The versions in words; the size of the box is no classifier and has AUROC only."""

READ_BY = "melanoma_auroc"
"""The metric that the readings tell."""

CHANCE = "chance"

READINGS: dict[str, tuple[str, str, str, str]] = {
    METADATA: (
        "difference",
        "the model sees more in the image than these tell",
        "these tell more than the model sees in the image",
        "no evidence that the model sees more than these tell",
    ),
    BACKGROUND: (
        CHANCE,
        "what is left misleads it",
        "it goes by something other than the inside of the lesion; the hole still tells shape and size",
        "no evidence that it tells melanomas without the inside of the lesion",
    ),
    BACKGROUND_BOX: (
        "over_size",
        "less than the size of the box alone tells",
        "more than the size of the box tells: what it goes by there is not the lesion",
        "no evidence that it goes by more than the size of the box",
    ),
    LESION: (
        "difference",
        "it uses what lies around the lesion, or the filling puts it off",
        "it does better without what lies around the lesion",
        "no evidence that it needs what lies around the lesion",
    ),
}
"""Version -> the difference that is read, or `CHANCE`, and the words for an interval below, above, and neither."""

CAUTION = (
    "Photographs with a hidden part are unlike those that the model learnt from: it may fall because of the filling, "
    "too. That it still answers well is evidence; that it falls is less."
)

Figure = Mapping[str, Any]


def shortcut_table(
    model: Predictions,
    versions: Mapping[str, Predictions],
    sizes: Floats | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Return the figures of a model and of versions of its images, as a JSON-able dictionary.

    Parameters
    ----------
    model : answers to the n whole images. versions : one of `VERSIONS` -> answers to the same images.
    sizes : (n,) the hidden box's share of the frame; its AUROC are told where given, as `BACKGROUND_BOX` needs.

    Keys
    ----
    images, lesions : counts. classes : code -> images.
    versions : name -> {metric (`METRICS`): {value, low, high, difference: {value, low, high}}}; the difference is the
        version minus the model on the whole images, which has none itself. The AUROC of `BACKGROUND_BOX` have
        over_size: {value, low, high} too, minus that of the size or of its reverse, whichever is larger. What is
        undefined is None.
    readings : name -> one sentence.

    Raises `DataError` unless all are of the same images, and `UsageError` for too few resamples.
    """
    for one in versions.values():
        check_same_images(model, one)
    numbers = measured(_measures(model, versions, sizes), model.lesions, resamples, seed)
    table: dict[str, dict[str, dict[str, Any]]] = {}
    for key, figure in numbers.items():
        name, metric, *against = key.split()
        place = table.setdefault(name, {}).setdefault(metric, {})
        place.update({against[0]: figure} if against else figure)
    counts = np.bincount(model.truth, minlength=len(CODES))
    return {
        "images": len(model),
        "lesions": int(model.lesions.max()) + 1,
        "classes": {code: int(count) for code, count in zip(CODES, counts, strict=True)},
        "versions": table,
        "readings": {name: reading(name, table) for name in versions},
    }


def _measures(
    model: Predictions, versions: Mapping[str, Predictions], sizes: Floats | None
) -> Callable[[Floats], dict[str, Floats]]:
    """Return what gives all figures (b,) for image weights (b, n), by "version metric" and what they are held against.

    Versions and metrics come in the order in which they are told.
    """
    samples = {name: sample(one) for name, one in {MODEL: model, **versions}.items()}
    questions = {
        f"{target}_auroc": ranking(sizes, np.isin(model.truth, columns(codes)))
        for target, codes in TARGETS.items()
        if sizes is not None
    }

    def measures(weights: Floats) -> dict[str, Floats]:
        figures = {name: scores(of, weights).overall for name, of in samples.items()}
        if questions:
            figures[SIZE] = {metric: auroc(question, weights) for metric, question in questions.items()}
        found = {}
        for name, values in figures.items():
            for metric in (metric for metric in METRICS if metric in values):
                found[f"{name} {metric}"] = values[metric]
                if name != MODEL:
                    found[f"{name} {metric} difference"] = values[metric] - figures[MODEL][metric]
                if name == BACKGROUND_BOX and metric in questions:
                    size = figures[SIZE][metric]
                    found[f"{name} {metric} over_size"] = values[metric] - np.maximum(size, 1 - size)
        return found

    return measures


def reading(name: str, table: Mapping[str, Mapping[str, Figure]]) -> str:
    """Return what a version's melanoma AUROC says, in one sentence; `table` is `versions` of `shortcut_table`."""
    figure = table[name][READ_BY]
    figures = [f"{VERSIONS[one]} {with_interval(table[one][READ_BY])}" for one in (name, MODEL)]
    if "over_size" in figure:
        figures.append(f"{VERSIONS[SIZE]} {with_interval(table[SIZE][READ_BY])}")
    against, *words = READINGS[name]
    interval = figure if against == CHANCE else figure[against]
    if interval["low"] is None:
        what = "too few images to tell more"
    else:
        level = 0.5 if against == CHANCE else 0.0
        what = words[0 if interval["high"] < level else 1 if interval["low"] > level else 2]
    return f"{METRICS[READ_BY]}: {'; '.join(figures)}: {what}"


def shortcut_rows(section: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return what a command prints of a `shortcut_table`: version, a cell per metric.

    Differences have lines of their own; a metric that a version lacks is left empty.
    """
    rows = []
    for name, figures in section["versions"].items():
        rows.append((VERSIONS[name], *_cells(figures)))
        if name not in (MODEL, SIZE):
            rows.append(("  minus whole images", *_cells({key: one["difference"] for key, one in figures.items()})))
    return rows


def _cells(figures: Mapping[str, Figure]) -> list[str]:
    return [with_interval(figures[metric]) if metric in figures else "" for metric in METRICS]
