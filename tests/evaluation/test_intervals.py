"""Intervals: lesions are resampled, not images; blocks do not matter; what is undefined has no interval."""

from __future__ import annotations

import time

import numpy as np
import pytest
import sklearn.metrics as sk

from lesionlab.errors import UsageError
from lesionlab.evaluation.evaluate import evaluate
from lesionlab.evaluation.intervals import UNDEFINED_LIMIT, bootstrap, interval, lesion_weights
from lesionlab.evaluation.metrics import OVERALL
from lesionlab.evaluation.predictions import Predictions


def all_weights(lesions: np.ndarray, resamples: int, seed: int = 0, **options: int) -> np.ndarray:
    return np.concatenate(list(lesion_weights(lesions, resamples, seed, **options)))


def copies(predictions: Predictions, times: int) -> Predictions:
    """Return every image `times` times, each image and its copies being one lesion."""
    rows = np.tile(np.arange(len(predictions)), times)
    return Predictions(
        tuple(f"{i}" for i in range(len(rows))),
        tuple(predictions.image_ids[row] for row in rows),
        predictions.truth[rows],
        predictions.probabilities[rows],
    )


def test_images_of_a_lesion_are_drawn_together(draw) -> None:
    lesions = draw(80, lesions=20).lesions
    weights = all_weights(lesions, 200)
    first = np.unique(lesions, return_index=True)[1]
    assert np.array_equal(weights, weights[:, first][:, lesions])
    assert (weights[:, first].sum(axis=1) == len(first)).all()
    assert weights[:, first].mean() == pytest.approx(1, abs=1e-12)
    assert weights[:, first].var() == pytest.approx(1 - 1 / len(first), rel=0.1)


def test_copies_of_an_image_make_no_interval_narrower(draw) -> None:
    """Five photographs that say the same are no more evidence than one; resampling images would halve the width."""
    predictions = draw(150)
    once, fivefold = (evaluate(copies(predictions, times), 200, seed=3)["metrics"] for times in (1, 5))
    for name in OVERALL:
        assert fivefold[name] == pytest.approx(once[name], abs=1e-12), name
    accuracy = fivefold["accuracy"]
    by_image = 2 * 1.96 * np.sqrt(accuracy["value"] * (1 - accuracy["value"]) / 750)
    assert accuracy["high"] - accuracy["low"] > 1.7 * by_image


def test_a_resample_is_the_metric_of_the_drawn_images(draw) -> None:
    predictions = draw(120, lesions=60)
    found = bootstrap(predictions, 40, seed=9)
    for b, weights in enumerate(all_weights(predictions.lesions, 40, seed=9)):
        rows = np.repeat(np.arange(120), weights.astype(int))
        truth, answer = predictions.truth[rows], predictions.predicted[rows]
        assert found.overall["accuracy"][b] == pytest.approx(sk.accuracy_score(truth, answer))
        if not np.isnan(found.overall["balanced_accuracy"][b]):
            assert found.overall["balanced_accuracy"][b] == pytest.approx(sk.balanced_accuracy_score(truth, answer))


def test_blocks_do_not_change_the_draws() -> None:
    lesions = np.array([0, 0, 1, 2, 3, 3, 3, 4])
    assert np.array_equal(all_weights(lesions, 101), all_weights(lesions, 101, block_bytes=8 * 8 * 7))


def test_seed_decides() -> None:
    lesions = np.arange(30)
    assert np.array_equal(all_weights(lesions, 50, seed=1), all_weights(lesions, 50, seed=1))
    assert not np.array_equal(all_weights(lesions, 50, seed=1), all_weights(lesions, 50, seed=2))


def test_a_block_is_bounded() -> None:
    blocks = list(lesion_weights(np.arange(1000), 100, 0, block_bytes=80_000))
    assert [block.shape for block in blocks] == [(10, 1000)] * 10


def test_order_of_rows_does_not_change_intervals(draw) -> None:
    predictions = draw(90)
    rows = np.random.default_rng(0).permutation(90)
    moved = Predictions(
        tuple(predictions.image_ids[i] for i in rows),
        tuple(predictions.lesion_ids[i] for i in rows),
        predictions.truth[rows],
        predictions.probabilities[rows],
    )
    left, right = evaluate(predictions, 100), evaluate(moved, 100)
    for name in OVERALL:
        assert left["metrics"][name] == pytest.approx(right["metrics"][name], abs=1e-12)


def test_interval_is_the_middle_95_percent() -> None:
    found = interval(np.arange(2001.0))
    assert (found.low, found.high, found.undefined_share) == pytest.approx((50.0, 1950.0, 0.0))


def test_few_undefined_resamples_are_left_out_and_counted() -> None:
    values = np.concatenate([np.arange(1001.0), np.full(20, np.nan)])
    found = interval(values)
    assert (found.low, found.high) == pytest.approx((25.0, 975.0))
    assert found.undefined_share == pytest.approx(20 / 1021)


def test_many_undefined_resamples_leave_no_interval() -> None:
    values = np.arange(100.0)
    values[: int(UNDEFINED_LIMIT * 100) + 1] = np.nan
    found = interval(values)
    assert (found.low, found.high) == (None, None)
    assert found.undefined_share == pytest.approx(0.06)


def test_too_few_resamples_are_refused(draw) -> None:
    with pytest.raises(UsageError, match="39 resamples"):
        bootstrap(draw(20), 39)


def test_intervals_cover_the_truth() -> None:
    """Of 120 samples of lesions with two to four images that are right or wrong together, about 95 % cover 0.8."""
    generator = np.random.default_rng(0)
    covered = 0
    for trial in range(120):
        sizes = generator.integers(2, 5, size=80)
        lesion = np.repeat(np.arange(80), sizes)
        right = (generator.random(80) < 0.8)[lesion]
        truth = np.full(len(lesion), 5)
        probabilities = np.eye(7)[np.where(right, 5, 4)]
        ids = tuple(str(i) for i in range(len(lesion)))
        predictions = Predictions(ids, tuple(str(i) for i in lesion), truth, probabilities)
        accuracy = interval(bootstrap(predictions, 200, seed=trial).overall["accuracy"])
        covered += accuracy.low <= 0.8 <= accuracy.high  # type: ignore[operator]
    assert 105 <= covered <= 119


def test_whole_table_of_1500_images_takes_seconds(draw) -> None:
    predictions = draw(1500, lesions=1100)
    start = time.perf_counter()
    evaluate(predictions, 2000)
    assert time.perf_counter() - start < 20
