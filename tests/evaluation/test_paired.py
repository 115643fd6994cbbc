"""Two models on the same images: McNemar's test, the harm report, paired differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import comb

import numpy as np
import pytest

from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError, UsageError
from lesionlab.evaluation.intervals import bootstrap
from lesionlab.evaluation.metrics import OVERALL
from lesionlab.evaluation.paired import difference, harm, mcnemar, mean_difference
from lesionlab.evaluation.predictions import Predictions

Draw = Callable[..., Predictions]
BCC, BKL, MEL, NV = (CODES.index(code) for code in ("bcc", "bkl", "mel", "nv"))


def answers(truth: list[int], said: list[int]) -> Predictions:
    """Return certain predictions; every image is a lesion of its own."""
    names = tuple(f"image{i}" for i in range(len(truth)))
    return Predictions(names, names, np.array(truth), np.eye(7)[said])


def test_mcnemar_is_the_binomial_tail() -> None:
    """Three images right only before, eight only after, of a hundred: twice the chance of at most 3 of 11 heads."""
    a, b = np.ones(100, bool), np.ones(100, bool)
    b[:3], a[3:11] = False, False
    assert mcnemar(a, b) == pytest.approx(2 * sum(comb(11, k) for k in range(4)) / 2**11)
    assert mcnemar(b, a) == mcnemar(a, b)


def test_mcnemar_without_disagreement() -> None:
    right = np.array([True, False])
    assert mcnemar(right, right) == 1.0


def test_harm_counts_what_changed() -> None:
    truth = [MEL, MEL, MEL, NV, NV, BKL, BCC]
    before = answers(truth, [MEL, NV, MEL, NV, MEL, MEL, BCC])
    after = answers(truth, [NV, MEL, MEL, NV, NV, NV, BCC])
    found = harm(before, after)
    assert {key: found[key] for key in ("images", "changed", "to_right", "to_wrong", "wrong_to_wrong")} == {
        "images": 7, "changed": 4, "to_right": 2, "to_wrong": 1, "wrong_to_wrong": 1,
    }  # fmt: skip
    assert (found["melanomas_lost"], found["melanomas_won"]) == (1, 1)
    assert found["p_value"] == 1.0
    assert found["per_class"]["mel"] == {"images": 3, "changed": 2, "to_right": 1, "to_wrong": 1, "wrong_to_wrong": 0}
    assert found["per_class"]["bkl"]["wrong_to_wrong"] == 1 and found["per_class"]["bcc"]["changed"] == 0


def test_harm_of_some_images_only() -> None:
    truth = [MEL, MEL, NV]
    found = harm(answers(truth, [MEL, NV, MEL]), answers(truth, [NV, MEL, NV]), np.array([False, True, True]))
    assert (found["images"], found["to_right"], found["to_wrong"]) == (2, 2, 0)
    assert (found["melanomas_lost"], found["melanomas_won"]) == (0, 1)
    assert found["p_value"] == 0.5


def another(predictions: Predictions, seed: int = 1) -> Predictions:
    """Return another model's answers to the same images."""
    noise = np.random.default_rng(seed).dirichlet(np.ones(7), len(predictions))
    return replace(predictions, probabilities=(predictions.probabilities + noise) / 2)


def test_a_difference_pairs_the_resamples(draw: Draw) -> None:
    """The interval is that of the difference of both models' values, resample by resample."""
    before = draw(200)
    after = another(before)
    found = difference(before, after, 200, seed=3)
    gaps = {n: bootstrap(after, 200, 3).overall[n] - bootstrap(before, 200, 3).overall[n] for n in OVERALL}
    for name in ("accuracy", "nll", "malignant_auroc"):
        low, high = np.nanquantile(gaps[name], [0.025, 0.975])
        assert (found[name]["low"], found[name]["high"]) == pytest.approx((low, high))
        assert low < found[name]["value"] < high  # type: ignore[operator]
    mirrored = difference(after, before, 200, seed=3)
    assert mirrored["brier"]["low"] == pytest.approx(-found["brier"]["high"])  # type: ignore[operator]


def test_equal_models_differ_by_nothing(draw: Draw) -> None:
    predictions = draw(120, lesions=100)
    assert difference(predictions, predictions, 100)["accuracy"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_the_mean_over_seeds(draw: Draw) -> None:
    """The value is the mean of the pairs' differences; averaging seeds narrows the interval."""
    first = draw(200)
    pairs = [(another(first, seed), another(first, seed + 10)) for seed in range(4)]
    pooled = mean_difference(pairs, 300)["brier"]
    alone = [difference(*pair, 300)["brier"] for pair in pairs]
    assert pooled["value"] == pytest.approx(np.mean([one["value"] for one in alone]))
    width = pooled["high"] - pooled["low"]  # type: ignore[operator]
    assert width < np.mean([one["high"] - one["low"] for one in alone])  # type: ignore[operator]


def test_an_undefined_metric_has_no_difference() -> None:
    predictions = answers([NV, NV, NV], [NV, NV, MEL])
    assert difference(predictions, predictions, 50)["melanoma_auroc"] == {"value": None, "low": None, "high": None}


def test_mistakes(draw: Draw) -> None:
    predictions = draw(50)
    fewer = Predictions(
        predictions.image_ids[1:], predictions.lesion_ids[1:], predictions.truth[1:], predictions.probabilities[1:]
    )
    with pytest.raises(DataError, match="50 and 49, 49 in both"):
        harm(predictions, fewer)
    with pytest.raises(DataError, match="different images"):
        difference(predictions, fewer)
    with pytest.raises(DataError, match="truth or the lesions"):
        harm(predictions, replace(predictions, truth=(predictions.truth + 1) % 7))
    with pytest.raises(UsageError, match="too few"):
        difference(predictions, predictions, 10)
