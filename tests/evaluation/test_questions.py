"""Two-class questions on images of which not everything is known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lesionlab.data.cases import Case
from lesionlab.diagnoses import CODES
from lesionlab.evaluation.questions import evaluate_questions, question_rows
from lesionlab.models.decisions import OperatingPoint

ANSWERS = [("mel", ""), ("bkl", ""), ("", "mel|bkl"), ("nv", ""), ("bcc", "")]


def cases(count: int) -> list[Case]:
    return [Case(f"i{n}", "x", *(ANSWERS[n % 5][:1]), f"l{n // 2}", excluded=ANSWERS[n % 5][1]) for n in range(count)]


def test_each_question_is_asked_where_it_can_be_answered() -> None:
    found, p = cases(200), np.random.default_rng(0).dirichlet(np.ones(7), 200)
    result = evaluate_questions(found, p, resamples=100)
    melanoma = result["questions"]["melanoma"]
    truth = np.array([case.dx == "mel" for case in found])
    assert (melanoma["images"], melanoma["positives"]) == (200, 40)
    assert melanoma["auroc"]["value"] == pytest.approx(roc_auc_score(truth, p[:, CODES.index("mel")]))
    assert melanoma["auroc"]["low"] < melanoma["auroc"]["value"] < melanoma["auroc"]["high"]
    malignant = result["questions"]["malignant"]  # neither melanoma nor keratosis may still be a carcinoma
    whole = [n for n, case in enumerate(found) if case.dx]
    score = p[:, [CODES.index(code) for code in ("mel", "bcc", "akiec")]].sum(1)[whole]
    yes = [found[n].dx in ("mel", "bcc") for n in whole]
    assert malignant["images"] == 160 and malignant["auroc"]["value"] == pytest.approx(roc_auc_score(yes, score))
    rows = dict(question_rows(result))
    assert rows["images"] == "200" and rows["melanoma AUROC"].endswith("(40 of 200 images)")


def test_a_question_without_both_answers_is_undefined() -> None:
    only = [case for case in cases(10) if case.dx != "mel"]
    result = evaluate_questions(only, np.full((len(only), 7), 1 / 7), resamples=0)
    assert "undefined" in result["questions"]["melanoma"]
    assert "undefined: all images give the same answer" in dict(question_rows(result))["melanoma"]
    assert result["questions"]["benign keratosis"]["auroc"] == {"value": 0.5, "low": None, "high": None}


def test_operating_points_and_calibration_are_carried_over() -> None:
    found, p = cases(200), np.random.default_rng(0).dirichlet(np.ones(7), 200)
    point = {"aim": "sensitivity 0.90", "threshold": 0.2, "sensitivity": 0.9, "specificity": 0.5}
    points = [OperatingPoint.model_validate(point | {"target": target}) for target in ("melanoma", "malignant")]
    result = evaluate_questions(found, p, 40, points)["questions"]
    melanoma = result["melanoma"]
    (carried,) = melanoma["operating"]
    chance, shown = p[:, CODES.index("mel")], np.array([case.dx == "mel" for case in found])
    assert carried["target"] == "melanoma" and carried["fitted"] == {"sensitivity": 0.9, "specificity": 0.5}
    assert carried["sensitivity"]["value"] == pytest.approx((chance[shown] >= 0.2).mean())
    assert carried["specificity"]["value"] == pytest.approx((chance[~shown] < 0.2).mean())
    assert melanoma["figures"]["auroc"] == pytest.approx(melanoma["auroc"])
    assert melanoma["figures"]["brier"]["value"] == pytest.approx(((chance - shown) ** 2).mean())
    assert result["malignant"]["operating"][0]["target"] == "malignant" and "figures" not in result["benign keratosis"]
    told = dict(question_rows({"images": 200, "questions": result}))
    assert "melanoma at sensitivity 0.90: sensitivity (validation: 0.900)" in told
