"""Curves: known answers, agreement with scikit-learn and the ISIC scoring program, and what thresholds can reach."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lesionlab.diagnoses import CODES
from lesionlab.evaluation.curves import (
    Counted,
    average_precision,
    counted,
    partial_auroc,
    sensitivity_at,
    specificity_at,
)
from lesionlab.evaluation.metrics import auroc, ranking
from lesionlab.evaluation.operating import fit_points
from lesionlab.models.decisions import TARGETS, chance_of, columns

MEL = CODES.index("mel")
ROWS = st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 3)), min_size=2, max_size=25)
SHARE = st.sampled_from([0.25, 0.5, 0.8, 0.9, 0.95, 1.0])


def along(score: np.ndarray, positive: np.ndarray, weights: np.ndarray | None = None) -> Counted:
    weights = np.ones((1, len(score))) if weights is None else np.atleast_2d(weights).astype(float)
    return counted(ranking(np.asarray(score, float), np.asarray(positive, bool)), weights)


def by_thresholds(score: np.ndarray, positive: np.ndarray, weight: np.ndarray) -> list[tuple[float, float]]:
    """Return (sensitivity, specificity) at every threshold that tells two images apart, by counting."""
    called = [score >= threshold for threshold in [*np.unique(score), np.inf]]
    yes, no = weight * positive, weight * ~positive
    return [(yes[one].sum() / yes.sum(), 1 - no[one].sum() / no.sum()) for one in called]


def test_known_answers() -> None:
    """Best first: yes, no, yes, yes, no. Precision at the three is 1, 2/3, 3/4; specificity above them 1, 1/2, 1/2."""
    found = along([5, 4, 3, 2, 1], [1, 0, 1, 1, 0])
    assert average_precision(found)[0] == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    assert partial_auroc(found, 0)[0] == pytest.approx((1 + 1 / 2 + 1 / 2) / 3)
    assert partial_auroc(found, 0.8)[0] == pytest.approx(0.2 / 2)
    assert partial_auroc(found, 0.3)[0] == pytest.approx((1 / 3 - 0.3) + 2 / 3 / 2)
    assert (sensitivity_at(found, 0.9)[0], sensitivity_at(found, 0.5)[0]) == pytest.approx((1 / 3, 1))
    assert (specificity_at(found, 0.9)[0], specificity_at(found, 1 / 3)[0]) == pytest.approx((1 / 2, 1))


def test_equal_scores_are_a_guess() -> None:
    found = along(np.full(8, 0.3), np.arange(8) < 3)
    assert average_precision(found)[0] == pytest.approx(3 / 8)
    assert partial_auroc(found, 0.8)[0] == pytest.approx(0.2**2 / 2)
    assert (sensitivity_at(found, 0.8)[0], specificity_at(found, 0.8)[0]) == (0, 0)


@pytest.mark.parametrize("positive", [[0, 0, 0], [1, 1, 1]])
def test_one_sided_questions_have_no_curve(positive: list[int]) -> None:
    found = along([1, 2, 3], positive)
    figures = [
        average_precision(found),
        partial_auroc(found, 0.8),
        sensitivity_at(found, 0.9),
        specificity_at(found, 0.9),
    ]
    assert np.isnan(figures).all()


def test_a_weighting_without_a_side_has_no_curve() -> None:
    found = along([1, 2, 3, 4], [0, 1, 0, 1], np.array([[1, 1, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1]]))
    for figure in (average_precision(found), partial_auroc(found, 0.8), sensitivity_at(found, 0.9)):
        assert np.isnan(figure).tolist() == [False, True, True]


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("min_tpr", [0.5, 0.8, 0.88])
def test_scikit_learn_agrees(draw, ties: bool, min_tpr: float) -> None:
    """Its partial area is to the left of a false positive rate, rescaled: sides changed about and scaled back."""
    p = draw(400, ties=ties)
    weights = np.random.default_rng(1).integers(0, 4, size=(3, 400)).astype(float)
    for k in range(len(CODES)):
        score, positive = p.probabilities[:, k], p.truth == k
        found = along(score, positive, weights)
        for b, weight in enumerate(weights):
            expected = sk.average_precision_score(positive, score, sample_weight=weight)
            assert average_precision(found)[b] == pytest.approx(expected, abs=1e-12)
            width = 1 - min_tpr
            scaled = sk.roc_auc_score(~positive, -score, max_fpr=width, sample_weight=weight)
            least = width**2 / 2
            assert partial_auroc(found, min_tpr)[b] == pytest.approx(
                least + (2 * scaled - 1) * (width - least), abs=1e-9
            )


@pytest.mark.parametrize("ties", [False, True])
def test_isic_challenge_scoring_agrees(draw, ties: bool) -> None:
    """The older challenges took all that lies below the same piece of the curve, down to a sensitivity of 0."""
    pandas = pytest.importorskip("pandas")
    theirs = pytest.importorskip("isic_challenge_scoring.metrics")
    p = draw(400, ties=ties)
    score, positive = p.probabilities[:, MEL], p.truth == MEL
    series = [pandas.Series(column) for column in (positive.astype(float), score, np.ones(400))]
    false_positives, true_positives, _ = sk.roc_curve(positive, score, drop_intermediate=False)
    begin = np.searchsorted(true_positives, 0.8)
    start = np.interp(0.8, true_positives[begin - 1 : begin + 1], false_positives[begin - 1 : begin + 1])
    below = 0.8 * (1 - start)
    expected = theirs.auc_above_sensitivity(*series, 0.8) - below
    found = along(score, positive)
    assert partial_auroc(found, 0.8)[0] == pytest.approx(expected, abs=1e-12)
    assert average_precision(found)[0] == pytest.approx(theirs.average_precision(*series), abs=1e-12)


@pytest.mark.parametrize("ties", [False, True])
def test_operating_points_reach_the_same(draw, ties: bool) -> None:
    p = draw(500, ties=ties)
    for point in fit_points(p):
        what, share = point.aim.split()
        found = along(chance_of(point.target, p.probabilities), np.isin(p.truth, columns(TARGETS[point.target])))
        reached, expected = (
            (specificity_at, point.specificity) if what == "sensitivity" else (sensitivity_at, point.sensitivity)
        )
        assert reached(found, float(share))[0] == pytest.approx(expected, abs=1e-12)


@settings(max_examples=80, deadline=None)
@given(ROWS, SHARE)
def test_the_best_threshold_is_found(rows: list[tuple[int, bool, int]], share: float) -> None:
    score, positive, weight = (np.array(column) for column in zip(*rows, strict=True))
    positive = positive.astype(bool)
    assume((weight * positive).sum() and (weight * ~positive).sum())
    found, reached = along(score, positive, weight), by_thresholds(score, positive, weight)
    best = max(sensitivity for sensitivity, specificity in reached if specificity >= share - 1e-9)
    assert sensitivity_at(found, share)[0] == pytest.approx(best)
    best = max(specificity for sensitivity, specificity in reached if sensitivity >= share - 1e-9)
    assert specificity_at(found, share)[0] == pytest.approx(best)


@settings(max_examples=80, deadline=None)
@given(ROWS, st.floats(0, 0.95))
def test_areas_add_up(rows: list[tuple[int, bool, int]], min_tpr: float) -> None:
    """From 0 the partial area is the whole; from higher it loses at most what it no longer covers."""
    score, positive, weight = (np.array(column) for column in zip(*rows, strict=True))
    positive = positive.astype(bool)
    assume((weight * positive).sum() and (weight * ~positive).sum())
    question = ranking(score.astype(float), positive)
    found = counted(question, weight[None].astype(float))
    whole, part = auroc(question, weight[None].astype(float))[0], partial_auroc(found, min_tpr)[0]
    assert partial_auroc(found, 0)[0] == pytest.approx(whole)
    assert -1e-9 <= part <= 1 - min_tpr + 1e-9
    assert -1e-9 <= whole - part <= min_tpr + 1e-9


def test_many_weightings_equal_one_at_a_time(draw) -> None:
    p = draw(120, ties=True)
    question = ranking(p.probabilities[:, MEL], p.truth == MEL)
    weights = np.random.default_rng(0).integers(0, 3, size=(6, 120)).astype(float)
    for figure in (average_precision, lambda of: partial_auroc(of, 0.8), lambda of: sensitivity_at(of, 0.9)):
        alone = [figure(counted(question, weights[b : b + 1]))[0] for b in range(6)]
        np.testing.assert_allclose(figure(counted(question, weights)), alone, atol=1e-12)
