"""Two-class questions, for sources that do not tell all seven diagnoses apart.

Where a source only says what an image does not show, "is it a melanoma?" can be answered although "what is it?" cannot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionlab.data.cases import Case
from lesionlab.diagnoses import CODES, MALIGNANT
from lesionlab.evaluation.decided import point_rows
from lesionlab.evaluation.evaluate import with_interval
from lesionlab.evaluation.intervals import LEVEL, measured
from lesionlab.evaluation.metrics import Bools, auroc, ranking
from lesionlab.evaluation.predictions import Floats, Predictions
from lesionlab.evaluation.stated import Stated
from lesionlab.evaluation.table import OF_TARGET, measures
from lesionlab.evaluation.transferred import transferred
from lesionlab.models.decisions import TARGETS, OperatingPoint

QUESTIONS: dict[str, tuple[str, ...]] = {"melanoma": ("mel",), "benign keratosis": ("bkl",), "malignant": MALIGNANT}
"""Name -> the diagnoses for which the answer is yes."""


def evaluate_questions(
    cases: Sequence[Case],
    probabilities: Floats,
    resamples: int = 2000,
    points: Sequence[OperatingPoint] = (),
    stated: Stated | None = None,
) -> dict[str, Any]:
    """Return how each question that the cases answer is answered, bootstrapped by lesion, JSON-able.

    Keys: images; bootstrap; questions: name -> {images, positives, auroc: {value, low, high}}, or {undefined: why}. The
    score of a question is the sum of its diagnoses' `probabilities` (n, 7). An image that may be either is left out.

    Melanoma and malignant also have figures (`table.OF_TARGET`, as in `evaluate`), and operating: what becomes here of
    the `points` that the model brings, as `transferred` tells it. `stated` : see there.
    """
    stated = stated or Stated()
    possible = np.array([[code in case.possible for code in CODES] for case in cases])
    lesions = np.unique([case.lesion_id for case in cases], return_inverse=True)[1].astype(np.int64)
    found = {}
    for name, codes in QUESTIONS.items():
        wanted = np.isin(CODES, codes)
        yes = (possible & ~wanted).sum(1) == 0
        known = yes | ((possible & wanted).sum(1) == 0)
        found[name] = _question(probabilities[:, wanted].sum(1)[known], yes[known], lesions[known], resamples)
        if name in TARGETS and "undefined" not in found[name]:
            answers = _told_apart(cases, probabilities, wanted, yes, known)
            mine = [point for point in points if point.target == name]
            found[name]["figures"] = _figures(answers, name, stated.min_tpr, resamples)
            found[name]["operating"] = transferred(answers, mine, stated.prevalence, resamples)
    told = {"resamples": resamples, "seed": 0, "unit": "lesion", "level": LEVEL}
    return {"images": len(cases), "questions": found, "bootstrap": told}


def _told_apart(cases: Sequence[Case], probabilities: Floats, wanted: Bools, yes: Bools, known: Bools) -> Predictions:
    """Return the known images, each with the first diagnosis that gives its answer in the place of the truth."""
    rows = np.flatnonzero(known).tolist()
    truth = np.where(yes[rows], int(wanted.argmax()), int((~wanted).argmax()))
    return Predictions(
        tuple(cases[row].image_id for row in rows),
        tuple(cases[row].lesion_id for row in rows),
        truth,
        probabilities[rows],
    )


def _figures(answers: Predictions, target: str, min_tpr: float, resamples: int) -> dict[str, Any]:
    every = measures(answers, min_tpr)

    def mine(weights: Floats) -> dict[str, Floats]:
        table = every(weights)
        return {name: table[f"{target}.{name}"] for name in OF_TARGET}

    return measured(mine, answers.lesions, resamples)


def _question(score: Floats, yes: Bools, lesions: npt.NDArray[np.int64], resamples: int) -> dict[str, Any]:
    counts: dict[str, Any] = {"images": len(yes), "positives": int(yes.sum())}
    if yes.all() or not yes.any():
        return {**counts, "undefined": "all images give the same answer" if len(yes) else "no image answers it"}
    question = ranking(score, yes)
    numbered = np.unique(lesions, return_inverse=True)[1].astype(np.int64)
    return {**counts, **measured(lambda weights: {"auroc": auroc(question, weights)}, numbered, resamples)}


def question_figures(name: str, row: Mapping[str, Any]) -> list[tuple[str, Mapping[str, float | None]]]:
    """Return what a person is told of one question that is defined: (figure in words, {value, low, high})."""
    rows = [(f"{name} AUROC", row["auroc"])]
    if "figures" in row:
        rows.append((f"{name} calibration error (ECE)", row["figures"]["ece"]))
    return rows + [told for point in row.get("operating", ()) for told in point_rows(point)]


def question_rows(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what a command prints: (figure in words, value with interval; counts beside a question's first)."""
    rows = [("images", f"{result['images']:,}")]
    for name, row in result["questions"].items():
        if "undefined" in row:
            rows.append((name, f"undefined: {row['undefined']}"))
            continue
        (first, auc), *others = question_figures(name, row)
        rows.append((first, f"{with_interval(auc)} ({row['positives']:,} of {row['images']:,} images)"))
        rows += [(words, with_interval(figure)) for words, figure in others]
    return rows
