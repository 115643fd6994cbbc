"""A trained model on one part of a source: predictions, figures with intervals, and the count of looks at a test."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesionlab.data.cases import Case
from lesionlab.data.packs import Pack
from lesionlab.data.splits import Split
from lesionlab.errors import UsageError
from lesionlab.evaluation.decided import evaluate_decisions
from lesionlab.evaluation.groups import case_groups
from lesionlab.evaluation.predictions import Floats, Predictions, read_predictions
from lesionlab.files import disk_error, read_text
from lesionlab.models.bundle import Bundle
from lesionlab.models.composite import Composite, read_model
from lesionlab.models.decisions import Decisions
from lesionlab.prediction.predictor import Predictor, combined
from lesionlab.report.asking import answers_file, joined, known_answers, predict_cases, probabilities_of
from lesionlab.report.evaluation import write_evaluation, write_questions
from lesionlab.report.parts import PARTS, Counted, Images, part_images, run_folder, split_of
from lesionlab.report.subgroups import write_subgroups

LOOKS = "looks.jsonl"

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
) -> Evaluation:
    """Predict one part of a source with a trained model, and write the evaluation.

    Parameters
    ----------
    model : run folder or model folder, of one model or of several combined; a run folder, and a folder where a
        combined model and its split.csv lie, brings the split that it was trained with.
    part : one of `PARTS`; "all" takes every labelled image, whatever the split says.
    split_file : the split, where the model has no run folder; it must be the one that the model was trained with.
    views : test-time views, the model's own number where None.
    out : where to write; RUN/evaluation/PART where None.
    command : noted beside each look at the test images.
    members : run folders of a combined model's members, whose answers lie there if they were evaluated on that part.

    Raises `UsageError` for options that do not fit together, `DataError` for a source that does not hold the split's
    images or a split that is not the model's, `ModelError` for a model that cannot be used.
    """
    if part not in PARTS:
        raise UsageError(f"--split {part}: no such part", f"parts are {', '.join(PARTS)}")
    described, run = read_model(model), run_folder(model)
    folder = out or (run / "evaluation" / part if run else None)
    if folder is None:
        raise UsageError(f"{model}: has no run folder to write into", "name a folder with --out")
    split = split_of(described, run, part, split_file)
    packed, chosen = part_images(described, split, images, part)
    crossed = cross_fitted(described, run, part) if views is None else None
    if crossed:
        cases, probabilities = answered(packed, chosen, crossed)
    elif members and views is None and isinstance(described, Composite):
        cases, probabilities = _of_members(described, members, part, packed, chosen, images.progress)
    else:
        cases, probabilities = probabilities_of(Predictor(described, views), packed, chosen, images.progress)
    if all(case.dx for case in cases):
        predictions = joined(cases, probabilities)
        decided = None if crossed else _decided(described.decisions, packed, predictions, resamples)
        title = f"{described.title}, {part}"
        result = write_evaluation(folder, predictions, resamples, title=title, decided=decided)
        write_subgroups(folder, predictions, case_groups(cases), resamples)
    else:
        result = write_questions(folder, cases, probabilities, resamples)
    names = [case.image_id for case in cases]
    looks = note_look(run, split, names, part, command) if run and split else None
    left_out = tuple(problem.image_id for problem in packed.left_out)
    fitted_on = described.training.get("fitted_on", {}).get("part")
    fitted = bool(fitted_on and split and any(split.parts.get(name) == fitted_on for name in names))
    trained_on = _trained_on(split, names)
    return Evaluation(part, folder, result, left_out, trained_on, looks, crossed is not None, fitted and not crossed)


def cross_fitted(model: Bundle | Composite, run: Path | None, part: str) -> Predictions | None:
    """Return a combined model's answers by cross-fitting to the part that it was fitted on; None for any other."""
    if run is None or model.training.get("fitted_on", {}).get("part") != part or not (run / CROSS_FITTED).is_file():
        return None
    return read_predictions(run / CROSS_FITTED)


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
    decisions: Decisions | None, packed: Pack, predictions: Predictions, resamples: int
) -> dict[str, Any] | None:
    """Return what a model's decisions come to on packed images, None for a model without."""
    if decisions is None:
        return None
    turned_away = None
    if decisions.outlier:
        rows = packed.rows(set(predictions.image_ids))
        turned_away = decisions.outlier.outliers(packed.pixels[row] for row in rows)
    return evaluate_decisions(predictions, decisions, turned_away, resamples)


def answered(packed: Pack, chosen: Sequence[Case], known: Predictions) -> tuple[list[Case], Floats]:
    """Return those of the chosen cases that known answers are of, and the answers (n, 7)."""
    row = {name: number for number, name in enumerate(known.image_ids)}
    ids = {case.image_id for case in chosen} & set(row)
    cases = [case for case in packed.cases if case.image_id in ids]
    return cases, known.probabilities[[row[case.image_id] for case in cases]]


def _trained_on(split: Split | None, image_ids: Sequence[str]) -> int | None:
    return None if split is None else sum(split.parts.get(image_id) == "train" for image_id in image_ids)


def note_look(run: Path, split: Split, image_ids: Sequence[str], part: str, command: str) -> int:
    """Append a line to the run's `LOOKS` when test images are among the predicted, and return how many there are."""
    path = run / LOOKS
    lines = read_text(path).splitlines() if path.is_file() else []
    if any(split.parts.get(image_id) == "test" for image_id in image_ids):
        look = {
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "part": part,
            "split": split.fingerprint,
            "command": command,
        }
        lines.append(json.dumps(look))
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(lines[-1] + "\n")
        except OSError as error:
            raise disk_error(path, error) from error
    return len(lines)
