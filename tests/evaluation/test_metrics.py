"""Metrics: known answers, agreement with scikit-learn, and what weights mean."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionlab.diagnoses import CODES, MALIGNANT
from lesionlab.evaluation.metrics import BINS, OVERALL, PER_CLASS, Scores, auroc, ranking, sample, scores
from lesionlab.evaluation.predictions import Predictions

BCC, MEL, NV = CODES.index("bcc"), CODES.index("mel"), CODES.index("nv")


def plain(predictions: Predictions) -> Scores:
    return scores(sample(predictions), np.ones((1, len(predictions))))


def take(predictions: Predictions, rows: np.ndarray) -> Predictions:
    """Return the given rows, repeated ones under new names."""
    return Predictions(
        tuple(f"{i}-{predictions.image_ids[row]}" for i, row in enumerate(rows)),
        tuple(predictions.lesion_ids[row] for row in rows),
        predictions.truth[rows],
        predictions.probabilities[rows],
    )


def assert_same(left: Scores, right: Scores) -> None:
    for name in OVERALL:
        np.testing.assert_allclose(left.overall[name], right.overall[name], atol=1e-12, err_msg=name)
    for name in PER_CLASS:
        np.testing.assert_allclose(left.per_class[name], right.per_class[name], atol=1e-12, err_msg=name)
    np.testing.assert_allclose(left.confusion, right.confusion, atol=1e-12)


def test_known_answers(by_hand: Predictions) -> None:
    found = plain(by_hand)
    recall, precision, f1 = (found.per_class[name][0] for name in ("recall", "precision", "f1"))
    assert found.overall["accuracy"][0] == pytest.approx(7 / 10)
    assert [recall[BCC], recall[MEL], recall[NV]] == pytest.approx([0, 3 / 4, 4 / 5])
    assert [precision[BCC], precision[MEL], precision[NV]] == pytest.approx([0, 3 / 4, 4 / 6])
    assert [f1[BCC], f1[MEL], f1[NV]] == pytest.approx([0, 3 / 4, 8 / 11])
    assert found.per_class["specificity"][0, [BCC, MEL, NV]] == pytest.approx([1, 5 / 6, 3 / 5])
    assert found.per_class["npv"][0, [BCC, MEL, NV]] == pytest.approx([9 / 10, 5 / 6, 3 / 4])
    assert found.overall["macro_f1"][0] == pytest.approx((0 + 3 / 4 + 8 / 11) / 3)
    assert found.overall["balanced_accuracy"][0] == pytest.approx((3 / 4 + 4 / 5) / 3)
    # 4 mel against 6 others: (3 at .7, 1 at .05) against (1 at .7, 5 at .05) wins 15 + 3/2 + 5/2 of 24 pairs.
    assert found.overall["melanoma_auroc"][0] == pytest.approx(19 / 24)
    assert found.overall["brier"][0] == pytest.approx((7 * (0.09 + 6 * 0.0025) + 3 * (0.49 + 0.9025 + 5 * 0.0025)) / 10)
    assert found.overall["nll"][0] == pytest.approx(-(7 * np.log(0.7) + 3 * np.log(0.05)) / 10)
    assert found.overall["ece"][0] == pytest.approx(0)
    assert found.confusion[0][MEL].tolist() == [0, 0, 0, 0, 3, 1, 0]


def test_class_that_is_not_in_the_truth_is_undefined(by_hand: Predictions) -> None:
    found = plain(by_hand)
    absent = [k for k in range(7) if k not in (BCC, MEL, NV)]
    for name in ("precision", "recall", "f1", "auroc"):
        assert np.isnan(found.per_class[name][0, absent]).all(), name
        assert not np.isnan(found.per_class[name][0, [BCC, MEL, NV]]).any(), name
    assert (found.per_class["specificity"][0, absent] == 1).all()


def test_absent_class_that_is_predicted_is_still_undefined() -> None:
    probabilities = np.eye(7)[[0, 1, 2]]
    found = plain(Predictions(("a", "b", "c"), ("a", "b", "c"), np.array([0, 1, 1]), probabilities))
    assert np.isnan(found.per_class["precision"][0, 2])
    assert found.per_class["specificity"][0, 2] == pytest.approx(2 / 3)
    assert found.overall["macro_precision"][0] == 1.0


def test_a_class_that_all_images_are_taken_for_has_no_npv() -> None:
    found = plain(Predictions(("a", "b"), ("a", "b"), np.array([0, 1]), np.eye(7)[[0, 0]])).per_class["npv"][0]
    assert np.isnan(found[0]) and found[1:].tolist() == [1 / 2, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_scikit_learn_agrees(draw, ties: bool, seed: int) -> None:
    p = draw(500, seed=seed, ties=ties)
    found = {name: values[0] for name, values in plain(p).overall.items()}
    macro = sk.precision_recall_fscore_support(p.truth, p.predicted, average="macro", zero_division=0)
    malignant = [CODES.index(code) for code in MALIGNANT]
    expected = {
        "accuracy": sk.accuracy_score(p.truth, p.predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(p.truth, p.predicted),
        "macro_precision": macro[0],
        "macro_recall": macro[1],
        "macro_f1": macro[2],
        "macro_auroc": sk.roc_auc_score(p.truth, p.probabilities, multi_class="ovr", average="macro"),
        "melanoma_auroc": sk.roc_auc_score(p.truth == MEL, p.probabilities[:, MEL]),
        "malignant_auroc": sk.roc_auc_score(np.isin(p.truth, malignant), p.probabilities[:, malignant].sum(axis=1)),
        "brier": sk.brier_score_loss(p.truth, p.probabilities, labels=range(7)),
        "nll": sk.log_loss(p.truth, p.probabilities, labels=range(7)),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-9), name
    assert np.array_equal(plain(p).confusion[0], sk.confusion_matrix(p.truth, p.predicted, labels=range(7)))


def test_scikit_learn_agrees_on_weights(draw) -> None:
    p = draw(300, ties=True)
    weights = np.random.default_rng(1).random((4, 300))
    found = scores(sample(p), weights)
    for b, weight in enumerate(weights):
        f1 = sk.f1_score(p.truth, p.predicted, average="macro", sample_weight=weight)
        area = sk.roc_auc_score(p.truth == NV, p.probabilities[:, NV], sample_weight=weight)
        assert found.overall["macro_f1"][b] == pytest.approx(f1)
        assert found.per_class["auroc"][b, NV] == pytest.approx(area)


def test_calibration_error_by_a_loop(draw) -> None:
    p = draw(400, seed=5)
    confidence, right = p.probabilities.max(axis=1), p.predicted == p.truth
    expected = 0.0
    for low in np.arange(BINS) / BINS:
        inside = (confidence > low) & (confidence <= low + 1 / BINS)
        if inside.any():
            expected += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    assert plain(p).overall["ece"][0] == pytest.approx(expected)


def test_calibration_bins_are_closed_on_the_right() -> None:
    """A confidence of 0.6 = 9/15, right, is not averaged with one of 0.62, wrong."""
    probabilities = np.array([[0.6, 0.4, 0, 0, 0, 0, 0], [0.62, 0.38, 0, 0, 0, 0, 0]])
    found = plain(Predictions(("a", "b"), ("a", "b"), np.array([0, 1]), probabilities))
    assert found.overall["ece"][0] == pytest.approx((0.4 + 0.62) / 2)


def test_equal_scores_have_an_area_of_one_half() -> None:
    names = tuple("abcdefg")
    found = plain(Predictions(names, names, np.arange(7), np.full((7, 7), 1 / 7)))
    assert found.per_class["auroc"][0].tolist() == [0.5] * 7
    assert found.overall["accuracy"][0] == pytest.approx(1 / 7)


def test_certain_and_right_is_perfect() -> None:
    names = tuple("abcdefg")
    found = {
        name: values[0] for name, values in plain(Predictions(names, names, np.arange(7), np.eye(7))).overall.items()
    }
    assert all(found[name] == 1 for name in OVERALL[:8])
    assert (found["brier"], found["nll"], found["ece"]) == (0, 0, 0)


def test_certain_and_wrong_has_a_finite_loss() -> None:
    found = plain(Predictions(("a",), ("a",), np.array([0]), np.eye(7)[[1]]))
    assert found.overall["nll"][0] == pytest.approx(-np.log(np.finfo(float).eps))
    assert found.overall["brier"][0] == 2


def test_weighting_without_a_class_has_no_macro_mean(by_hand: Predictions) -> None:
    weights = np.ones((2, 10))
    weights[1, by_hand.truth == BCC] = 0
    found = scores(sample(by_hand), weights)
    for name in ("macro_f1", "macro_precision", "macro_recall", "balanced_accuracy", "macro_auroc"):
        assert np.isnan(found.overall[name]).tolist() == [False, True], name
    assert found.overall["accuracy"][1] == pytest.approx(7 / 9)


def test_many_weightings_equal_one_at_a_time(draw) -> None:
    of = sample(draw(120, ties=True))
    weights = np.random.default_rng(0).integers(0, 3, size=(6, 120)).astype(float)
    together = scores(of, weights)
    for b in range(6):
        alone = scores(of, weights[b : b + 1])
        for name in OVERALL:
            np.testing.assert_allclose(together.overall[name][b], alone.overall[name][0], atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), ties=st.booleans())
def test_order_of_rows_does_not_matter(draw, seed: int, ties: bool) -> None:
    predictions = draw(60, seed=seed, ties=ties)
    rows = np.random.default_rng(seed).permutation(60)
    assert_same(plain(predictions), plain(take(predictions, rows)))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), ties=st.booleans())
def test_a_weight_is_a_repetition(draw, seed: int, ties: bool) -> None:
    predictions = draw(60, seed=seed, ties=ties)
    times = np.random.default_rng(seed).integers(0, 4, size=60)
    times[:14] += 1  # every class keeps a weight: a class without any is undefined, not absent
    weighted = scores(sample(predictions), times[None].astype(float))
    assert_same(weighted, plain(take(predictions, np.repeat(np.arange(60), times))))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 3)), min_size=1, max_size=25),
)
def test_area_counts_pairs(rows: list[tuple[int, bool, int]]) -> None:
    score, positive, weight = (np.array(column) for column in zip(*rows, strict=True))
    positive = positive.astype(bool)
    pairs = won = 0.0
    for i in np.flatnonzero(positive):
        for j in np.flatnonzero(~positive):
            pairs += weight[i] * weight[j]
            won += weight[i] * weight[j] * ((score[i] > score[j]) + 0.5 * (score[i] == score[j]))
    found = auroc(ranking(score.astype(float), positive), weight[None].astype(float))[0]
    assert np.isnan(found) if pairs == 0 else found == pytest.approx(won / pairs)
