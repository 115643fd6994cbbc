"""Two-class questions, for sources that do not tell all seven diagnoses apart.

Where a source only says what an image does not show, "is it a melanoma?" can be answered although "what is it?" cannot.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionlab.data.cases import Case
from lesionlab.diagnoses import CODES, MALIGNANT
from lesionlab.evaluation.evaluate import with_interval
from lesionlab.evaluation.intervals import LEVEL, measured
from lesionlab.evaluation.metrics import auroc, ranking
from lesionlab.evaluation.predictions import Floats

QUESTIONS: dict[str, tuple[str, ...]] = {"melanoma": ("mel",), "benign keratosis": ("bkl",), "malignant": MALIGNANT}
"""Name -> the diagnoses for which the answer is yes."""


def evaluate_questions(cases: Sequence[Case], probabilities: Floats, resamples: int = 2000) -> dict[str, Any]:
    """Return the AUROC of each question that the cases answer, bootstrapped by lesion, JSON-able.

    Keys: images; bootstrap; questions: name -> {images, positives, auroc: {value, low, high}}, or {undefined: why}. The
    score of a question is the sum of its diagnoses' `probabilities` (n, 7). An image that may be either is left out.
    """
    possible = np.array([[code in case.possible for code in CODES] for case in cases])
    lesions = np.unique([case.lesion_id for case in cases], return_inverse=True)[1].astype(np.int64)
    found = {}
    for name, codes in QUESTIONS.items():
        wanted = np.isin(CODES, codes)
        yes = (possible & ~wanted).sum(1) == 0
        known = yes | ((possible & wanted).sum(1) == 0)
        found[name] = _question(probabilities[:, wanted].sum(1)[known], yes[known], lesions[known], resamples)
    told = {"resamples": resamples, "seed": 0, "unit": "lesion", "level": LEVEL}
    return {"images": len(cases), "questions": found, "bootstrap": told}


def _question(
    score: Floats, yes: npt.NDArray[np.bool_], lesions: npt.NDArray[np.int64], resamples: int
) -> dict[str, Any]:
    counts: dict[str, Any] = {"images": len(yes), "positives": int(yes.sum())}
    if yes.all() or not yes.any():
        return {**counts, "undefined": "all images give the same answer" if len(yes) else "no image answers it"}
    question = ranking(score, yes)
    numbered = np.unique(lesions, return_inverse=True)[1].astype(np.int64)
    return {**counts, **measured(lambda weights: {"auroc": auroc(question, weights)}, numbered, resamples)}


def question_rows(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what a command prints: (question in words, AUROC with interval and counts)."""
    rows = [("images", f"{result['images']:,}")]
    for name, row in result["questions"].items():
        if "undefined" in row:
            rows.append((name, f"undefined: {row['undefined']}"))
            continue
        told = f"({row['positives']:,} of {row['images']:,} images)"
        rows.append((f"{name} AUROC", f"{with_interval(row['auroc'])} {told}"))
    return rows
