"""A trained model on one part of a source: predictions, and figures with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesionlab.data.cases import Case
from lesionlab.data.packs import Pack
from lesionlab.evaluation.decided import evaluate_decisions
from lesionlab.evaluation.groups import case_groups
from lesionlab.evaluation.predictions import Floats, Predictions, from_cases, read_predictions
from lesionlab.evaluation.stated import Stated
from lesionlab.models.composite import Composite
from lesionlab.models.decisions import Decisions
from lesionlab.prediction.predictor import Predictor, combined
from lesionlab.report.asking import answers_file, known_answers, predict_cases, probabilities_of
from lesionlab.report.evaluation import write_evaluation, write_questions
from lesionlab.report.opened import Opened, open_part
from lesionlab.report.parts import Counted, Images
from lesionlab.report.subgroups import write_subgroups

CROSS_FITTED = "cross-fitted.csv"
"""What a combined model that was fitted on the validation images answers to each, fitted without its lesion."""


@dataclass(frozen=True)
class Evaluation:
    """What was evaluated and where it lies.

    result : what `evaluation.evaluate` returns, or `evaluation.questions` where diagnoses are known in part only;
    left_out : unreadable images; trained_on : how many of the images the model was trained on, None where that is
    not known; looks : how often the test images have now been looked at, None where no run folder keeps count;
    cross_fitted : whether the figures are of a combined model's answers by cross-fitting, because it was fitted on
    this very part; fitted : whether it was fitted on images among these all the same, so that its figures are too good.
    """

    part: str
    folder: Path
    result: dict[str, Any]
    left_out: tuple[str, ...]
    trained_on: int | None
    looks: int | None
    cross_fitted: bool
    fitted: bool


def evaluate_model(
    model: Path,
    images: Images,
    part: str = "test",
    split_file: Path | None = None,
    views: int | None = None,
    out: Path | None = None,
    resamples: int = 2000,
    command: str = "",
    members: Sequence[Path] = (),
    stated: Stated | None = None,
) -> Evaluation:
    """Predict one part of a source with a trained model, and write the evaluation.

    Parameters
    ----------
    model, part, split_file, out, resamples : see `report.opened.open_part`.
    views : test-time views, the model's own number where None.
    command : noted beside each look at the test images.
    members : run folders of a combined model's members, whose answers lie there if they were evaluated on that part.
    stated : what the reader states of prevalences and of the partial area, see `evaluation.stated`.

    Raises as `open_part` does.
    """
    opened = open_part(model, images, part, split_file, out, resamples)
    described, packed, chosen = opened.model, opened.pack, opened.cases
    crossed = cross_fitted(opened) if views is None else None
    if crossed:
        cases, probabilities = answered(packed, chosen, crossed)
    elif members and views is None and isinstance(described, Composite):
        cases, probabilities = _of_members(described, members, part, packed, chosen, images.progress)
    else:
        cases, probabilities = probabilities_of(Predictor(described, views), packed, chosen, images.progress)
    if all(case.dx for case in cases):
        predictions = from_cases(cases, probabilities)
        decided = None if crossed else _decided(described.decisions, packed, predictions, resamples, stated)
        title = f"{described.title}, {part}"
        result = write_evaluation(opened.folder, predictions, resamples, title=title, decided=decided, stated=stated)
        write_subgroups(opened.folder, predictions, case_groups(cases), resamples)
    else:
        points = described.decisions.operating if described.decisions else ()
        result = write_questions(opened.folder, cases, probabilities, resamples, points, stated)
    names = [case.image_id for case in cases]
    looks = opened.note_look(names, command)
    left_out = tuple(problem.image_id for problem in packed.left_out)
    fitted_on = described.training.get("fitted_on", {}).get("part")
    split = opened.split
    fitted = bool(fitted_on and split and any(split.parts.get(name) == fitted_on for name in names))
    return Evaluation(
        part, opened.folder, result, left_out, opened.trained_on(names), looks, crossed is not None,
        fitted and not crossed,
    )  # fmt: skip


def cross_fitted(opened: Opened) -> Predictions | None:
    """Return a combined model's answers by cross-fitting to the part that it was fitted on; None for any other."""
    file = opened.run / CROSS_FITTED if opened.run else None
    fitted_on = opened.model.training.get("fitted_on", {}).get("part")
    return read_predictions(file) if file and fitted_on == opened.part and file.is_file() else None


def _of_members(
    model: Composite, runs: Sequence[Path], part: str, packed: Pack, chosen: Sequence[Case], progress: Counted | None
) -> tuple[list[Case], Floats]:
    """Return the chosen cases that could be read, and a combined model's answers (n, 7), made of its members'."""
    rows = packed.rows({case.image_id for case in chosen})
    tables = []
    for bundle, run in zip(model.bundles.values(), runs, strict=True):
        predictor = Predictor(bundle)
        known = known_answers([answers_file(run, part)], predictor, packed, chosen)
        tables.append((known or predict_cases(predictor, packed, chosen, progress)).probabilities)
    return [packed.cases[row] for row in rows], combined(model, tables)


def _decided(
    decisions: Decisions | None, packed: Pack, predictions: Predictions, resamples: int, stated: Stated | None
) -> dict[str, Any] | None:
    """Return what a model's decisions come to on packed images, None for a model without."""
    if decisions is None:
        return None
    turned_away = None
    if decisions.outlier:
        rows = packed.rows(set(predictions.image_ids))
        turned_away = decisions.outlier.outliers(packed.pixels[row] for row in rows)
    return evaluate_decisions(predictions, decisions, turned_away, resamples, stated=stated)


def answered(packed: Pack, chosen: Sequence[Case], known: Predictions) -> tuple[list[Case], Floats]:
    """Return those of the chosen cases that known answers are of, and the answers (n, 7)."""
    row = {name: number for number, name in enumerate(known.image_ids)}
    ids = {case.image_id for case in chosen} & set(row)
    cases = [case for case in packed.cases if case.image_id in ids]
    return cases, known.probabilities[[row[case.image_id] for case in cases]]
