"""Two models compared: DeLong's test, Holm's adjustment, the table and its verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError, UsageError
from lesionlab.evaluation.comparing import METRICS, aligned, compare, delong, first_photographs, holm
from lesionlab.evaluation.paired import difference, mcnemar
from lesionlab.evaluation.predictions import Predictions

Draw = Callable[..., Predictions]
MEL = CODES.index("mel")


def two_models(n: int = 240, seed: int = 3, better: float = 1.0) -> tuple[Any, Any, Any]:
    """Return scores (n,) of two models that share noise, the second further apart by `better`, and the truth."""
    generator = np.random.default_rng(seed)
    truth = generator.random(n) < 0.3
    shared = generator.normal(size=n)
    a, b = (shared + generator.normal(size=n) + gap * truth for gap in (1.0, 1.0 + better))
    return np.round(a, 1), np.round(b, 1), truth


def test_delong_is_the_published_formula_where_every_lesion_has_one_image() -> None:
    """Written out image pair by image pair: S10 / m + S01 / n with the sample covariances of the placements."""
    a, b, truth = two_models()
    gap, p = delong(a, b, truth, np.arange(len(a)))
    assert gap == pytest.approx(roc_auc_score(truth, b) - roc_auc_score(truth, a))
    wins = [
        (score[truth][:, None] > score[~truth][None]) + 0.5 * (score[truth][:, None] == score[~truth][None])
        for score in (a, b)
    ]
    s10 = np.cov([win.mean(axis=1) for win in wins])
    s01 = np.cov([win.mean(axis=0) for win in wins])
    covariance = s10 / truth.sum() + s01 / (~truth).sum()
    z = gap / np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    from scipy.stats import norm

    assert p == pytest.approx(2 * norm.sf(abs(z)), rel=1e-9)
    assert delong(b, a, truth, np.arange(len(a))) == (pytest.approx(-gap), pytest.approx(p))


def test_photographs_of_one_lesion_are_no_further_evidence() -> None:
    """Every image taken twice: the plain test would halve the variance, by lesion it stays nearly what it was."""
    a, b, truth = two_models()
    once = delong(a, b, truth, np.arange(len(a)))[1]
    twice = [np.tile(one, 2) for one in (a, b, truth)]
    by_lesion = delong(*twice, np.tile(np.arange(len(a)), 2))[1]
    assert by_lesion == pytest.approx(once, rel=0.05)
    assert delong(*twice, np.arange(2 * len(a)))[1] < once / 2


def test_delong_agrees_with_the_bootstrap(draw: Draw) -> None:
    """An interval that touches 0 and a p-value of .05 are two ways to say the same."""
    a, b = draw(400, seed=1), replace(draw(400, seed=1), probabilities=draw(400, seed=2).probabilities)
    b = replace(b, truth=a.truth)
    found = compare(a, b, 600)["metrics"]["melanoma_auroc"]
    gap = found["difference"]
    error = (gap["high"] - gap["low"]) / (2 * 1.96)
    from scipy.stats import norm

    assert found["test"] == "DeLong"
    assert found["p_value"] == pytest.approx(2 * norm.sf(abs(gap["value"] / error)), abs=0.05)


def test_delong_of_equal_models_and_of_one_answer() -> None:
    a, b, truth = two_models()
    assert delong(a, a, truth, np.arange(len(a))) == (0.0, 1.0)
    with pytest.raises(DataError, match="same answer"):
        delong(a, b, np.ones_like(truth), np.arange(len(a)))


def test_holm_by_hand() -> None:
    """Holm 1979: the smallest times 4, the next times 3 ..., never less than one before, never above 1."""
    assert holm([0.01, 0.04, None, 0.03, 0.005]) == [
        pytest.approx(0.03), pytest.approx(0.06), None, pytest.approx(0.06), pytest.approx(0.02),
    ]  # fmt: skip
    assert holm([0.6, 0.7]) == [1.0, 1.0] and holm([]) == [] and holm([None]) == [None]


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_is_between_p_and_bonferroni(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for p, q in zip(p_values, adjusted, strict=True):
        assert q is not None and p <= q <= 1 and q <= max(p_values) * len(p_values)
    for p, q in zip(p_values, adjusted, strict=True):
        assert all(q <= other for value, other in zip(p_values, adjusted, strict=True) if value > p)


def test_a_much_better_model_is_called_better(draw: Draw) -> None:
    a = draw(300, seed=4)
    sharp = 0.1 * a.probabilities + 0.9 * np.eye(7)[a.truth]
    found = compare(a, replace(a, probabilities=sharp), 600)
    better = {name for name, row in found["metrics"].items() if row["better"] == "b"}
    assert {"accuracy", "balanced_accuracy", "macro_f1", "melanoma_auroc", "brier", "nll"} <= better
    assert found["verdict"].startswith("B is better in accuracy, balanced accuracy")
    assert not any(row["better"] == "a" for row in found["metrics"].values())
    back = compare(replace(a, probabilities=sharp), a, 600)
    assert {name for name, row in back["metrics"].items() if row["better"] == "a"} == better
    assert found["answers"]["to_right"] == back["answers"]["to_wrong"] > 0


def test_equal_models_and_chance_give_no_evidence(draw: Draw) -> None:
    a = draw(300, seed=5)
    same = compare(a, a, 200)
    assert same["verdict"].startswith("no evidence of a difference in any of")
    assert all(row["difference"]["value"] == 0 and row["p_holm"] == 1 for row in same["metrics"].values())
    noise = np.random.default_rng(0).dirichlet(np.full(7, 50.0), 300)
    found = compare(a, replace(a, probabilities=0.97 * a.probabilities + 0.03 * noise), 200)
    assert not found["metrics"]["macro_f1"]["better"]


def test_the_differences_and_their_intervals_are_those_of_the_paired_bootstrap(draw: Draw) -> None:
    a = draw(200, seed=6)
    b = replace(a, probabilities=draw(200, seed=7).probabilities)
    found, expected = compare(a, b, 100)["metrics"], difference(a, b, 100)
    for name in set(METRICS) & set(expected):
        for key, value in expected[name].items():
            assert found[name]["difference"][key] == pytest.approx(value), name
    assert found["macro_f1"]["test"] == "bootstrap" and found["macro_f1"]["p_value"] > 0


def test_accuracy_is_tested_on_one_photograph_of_each_lesion(draw: Draw) -> None:
    a = draw(200, seed=8, lesions=60)
    b = replace(a, probabilities=draw(200, seed=9).probabilities)
    rows = first_photographs(a)
    assert len(rows) == len(set(a.lesion_ids)) == len({a.lesion_ids[row] for row in rows})
    for row in rows:
        mine = [a.image_ids[i] for i in range(200) if a.lesion_ids[i] == a.lesion_ids[row]]
        assert a.image_ids[row] == min(mine)
    right = [(one.predicted == one.truth)[rows] for one in (a, b)]
    assert compare(a, b, 40)["metrics"]["accuracy"]["p_value"] == mcnemar(*right)


def test_without_melanomas_what_needs_them_is_undefined(draw: Draw) -> None:
    a = draw(100, seed=1)
    rows = a.truth != MEL
    a = Predictions(
        tuple(np.array(a.image_ids)[rows]), tuple(np.array(a.lesion_ids)[rows]), a.truth[rows], a.probabilities[rows]
    )
    found = compare(a, a, 40)["metrics"]
    for name in ("melanoma_auroc", "melanoma_recall"):
        assert found[name]["a"] is None and found[name]["p_holm"] is None and found[name]["better"] == ""
    assert found["malignant_auroc"]["test"] == "DeLong"


def test_order_does_not_matter_and_other_images_do(draw: Draw) -> None:
    a = draw(50)
    turned = Predictions(a.image_ids[::-1], a.lesion_ids[::-1], a.truth[::-1], a.probabilities[::-1])
    assert np.array_equal(aligned(a, turned).probabilities, a.probabilities)
    with pytest.raises(DataError, match="different images"):
        compare(a, draw(51), 40)
    with pytest.raises(DataError, match="disagree about the truth"):
        compare(a, replace(turned, truth=np.roll(turned.truth, 1)), 40)
    with pytest.raises(UsageError, match="too few"):
        compare(a, a, 1)
