"""A trained model on the groups of one part of a source: by case table, traits of photographs, size of lesions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesionlab.data.cases import Case, write_rows
from lesionlab.data.masks import find_masks, load_mask
from lesionlab.data.traits import SIDE, TRAITS, marked, measure
from lesionlab.errors import DataError
from lesionlab.evaluation.groups import Groups, case_groups, size_groups, trait_groups
from lesionlab.evaluation.predictions import Predictions, from_cases
from lesionlab.evaluation.slices import Guard
from lesionlab.prediction.predictor import Predictor
from lesionlab.report.asking import answers_file, known_answers, predict_cases
from lesionlab.report.evaluate_model import answered, cross_fitted
from lesionlab.report.opened import Opened, open_part
from lesionlab.report.parts import Images
from lesionlab.report.subgroups import PICTURES, TABLES, draw_subgroups, write_subgroups

AREA = "lesion_area"
FILES: tuple[str, ...] = (*TABLES, "traits.csv", *PICTURES.values())
"""What `evaluate_subgroups` writes."""


@dataclass(frozen=True)
class Subgroups:
    """What was found and where it lies.

    result : what `evaluation.subgroups` returns, with `part`, `traits` (trait -> {words, threshold, marked}) and
    `sizes` ({masks, cuts}, None without masks); asked : whether the model was asked anew, because no answers of its
    evaluation fit; looks : how often the test images have been looked at, None where no run folder keeps count.
    """

    part: str
    folder: Path
    result: dict[str, Any]
    asked: bool
    looks: int | None


def evaluate_subgroups(
    model: Path,
    images: Images,
    part: str = "test",
    masks: Path | None = None,
    split_file: Path | None = None,
    out: Path | None = None,
    resamples: int = 2000,
    guard: Guard | None = None,
    command: str = "",
) -> Subgroups:
    """Group one part of a source, take the model's answers to it, and write `FILES`.

    Parameters
    ----------
    model, part, split_file, out, resamples, command : as in `evaluate_model`, whose predictions.csv is taken where it
        lies in the run folder and the model still says the same; otherwise the model is asked, which is a look.
    masks : folder of the lesion masks; the source itself where None, and no groups by size where it has none.

    Raises `DataError` for a source that tells diagnoses in part only, and as `open_part` does.
    """
    opened = open_part(model, images, part, split_file, out, resamples)
    described, packed, folder = opened.model, opened.pack, opened.folder
    if not all(case.dx for case in opened.cases):
        raise DataError(f"{images.data}: diagnoses are known in part only", "groups need images with a diagnosis")
    areas = _areas(packed.readable(opened.cases), masks, images)  # first, because masks may be missing
    predictions, asked = _answers(opened, images)
    looks = opened.note_look(predictions.image_ids, command) if asked else None
    known = {case.image_id: case for case in packed.cases}
    cases = [known[image_id] for image_id in predictions.image_ids]
    measured = measure(cases, described.frame_aspect, images.progress)
    groups, told = _groups(cases, measured, areas)
    title = f"{described.title}, {part}"
    result = write_subgroups(folder, predictions, groups, resamples, guard=guard, told={"part": part, **told})
    _write_traits(folder / "traits.csv", measured, areas)
    draw_subgroups(folder, result, title)
    return Subgroups(part, folder, result, asked, looks)


def _answers(opened: Opened, images: Images) -> tuple[Predictions, bool]:
    """Return the model's answers to the opened images, and whether it had to be asked for all of them."""
    if crossed := cross_fitted(opened):
        return from_cases(*answered(opened.pack, opened.cases, crossed)), False
    predictor = Predictor(opened.model)
    files = [answers_file(opened.run, opened.part)] if opened.run else []
    known = known_answers(files, predictor, opened.pack, opened.cases)
    return known or predict_cases(predictor, opened.pack, opened.cases, images.progress), known is None


def _areas(cases: Sequence[Case], masks: Path | None, images: Images) -> dict[str, float]:
    """Return image_id -> the lesion's share of the frame, for the images that have a readable mask."""
    try:
        files = find_masks(masks or images.folder, [case.image_id for case in cases])
    except DataError:
        if masks:
            raise
        return {}
    found = {}
    for done, (image_id, path) in enumerate(files.items(), start=1):
        try:
            found[image_id] = float(load_mask(path, SIDE).mean())
        except DataError:
            continue  # its size is unknown
        if images.progress:
            images.progress("reading masks", done, len(files))
    return found


def _groups(
    cases: Sequence[Case], measured: Mapping[str, Mapping[str, float]], areas: Mapping[str, float]
) -> tuple[Groups, dict[str, Any]]:
    """Return all groups, and how those of the photographs were made."""
    ids = [case.image_id for case in cases]
    marks = {image_id: marked(values) for image_id, values in measured.items()}
    told: dict[str, Any] = {
        "traits": {
            name: {
                "words": trait.words,
                "threshold": trait.threshold,
                "marked": sum(marks[image_id][name] for image_id in ids),
            }
            for name, trait in TRAITS.items()
        },
        "sizes": None,
    }
    groups = case_groups(cases) | trait_groups(ids, marks)
    if areas:
        by_size, cuts = size_groups(ids, areas)
        groups |= by_size
        told["sizes"] = {"masks": len(areas), "cuts": list(cuts)}
    return groups, told


def _write_traits(path: Path, measured: Mapping[str, Mapping[str, float]], areas: Mapping[str, float]) -> None:
    """Write what was measured on each photograph, and the lesion's area where there is a mask."""
    rows = [
        (image_id, *(values[trait] for trait in TRAITS), areas.get(image_id)) for image_id, values in measured.items()
    ]
    write_rows(path, ("image_id", *TRAITS, AREA), rows)
