"""Verdicts: what a model decides, what it leaves open, and why it abstains."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lesionlab.errors import UsageError
from lesionlab.models.decisions import Decisions
from lesionlab.prediction.judging import UNLIKE, judge

SURE = [0.01, 0.01, 0.01, 0.01, 0.05, 0.9, 0.01]
SPLIT = [0.05, 0.05, 0.2, 0.05, 0.25, 0.35, 0.05]
ROWS = np.array([SURE, SPLIT])


def test_without_decisions_there_are_only_probabilities() -> None:
    first, second = judge(ROWS)
    assert (first.diagnosis, first.name, first.probability) == ("nv", "Melanocytic nevus", 0.9)
    assert second.probabilities == tuple(SPLIT)
    for verdict in (first, second):
        decided = (verdict.malignant, verdict.prediction_set, verdict.abstained, verdict.outlier)
        assert decided == (None, None, None, None) and verdict.reason == ""


def test_a_verdict_follows_the_decisions(decisions: Decisions) -> None:
    sure, split = judge(ROWS, decisions, np.array([False, False]))
    assert (sure.malignant, sure.prediction_set, sure.abstained, sure.reason, sure.outlier) == (
        False, ("nv",), False, "", False,
    )  # fmt: skip
    assert split.malignant_probability == pytest.approx(0.35)
    assert split.malignant and split.prediction_set == ("nv", "mel", "bkl")
    assert split.abstained and split.reason == "not certain enough: 35.0% for the likeliest, 40.0% needed"


def test_an_image_that_is_turned_away_says_so_first(decisions: Decisions) -> None:
    for verdict in judge(ROWS, decisions, np.array([True, True])):
        assert verdict.abstained and verdict.outlier and verdict.reason == UNLIKE


def test_another_operating_point(decisions: Decisions) -> None:
    assert [verdict.malignant for verdict in judge(ROWS, decisions, aim="sensitivity 0.95")] == [True, True]
    with pytest.raises(UsageError, match=r"sensitivity 0\.50"):
        judge(ROWS, decisions, aim="sensitivity 0.50")


@pytest.mark.parametrize(
    ("missing", "field"), [({"default_point": ""}, "malignant"), ({"conformal": None}, "prediction_set")]
)
def test_what_was_not_fitted_is_left_open(decisions: Decisions, missing: dict[str, Any], field: str) -> None:
    (verdict,) = judge(ROWS[:1], decisions.model_copy(update=missing))
    assert getattr(verdict, field) is None
    assert verdict.abstained is False and verdict.outlier is None


def test_no_rows_have_no_verdicts(decisions: Decisions) -> None:
    assert judge(np.empty((0, 7)), decisions, np.empty(0, bool)) == []
