"""What is fitted on validation images: weights, a stacking regression, a margin, and answers out of fold."""

from __future__ import annotations

import numpy as np
import pytest

from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError
from lesionlab.models.cascade import route
from lesionlab.models.ensemble import RULES, Fitted, fits
from lesionlab.training.fitting import MARGINS, choose_margin, fit_stacking, fit_weights, out_of_fold

MEL, NV, BKL = (CODES.index(code) for code in ("mel", "nv", "bkl"))


def member(truth: np.ndarray, skill: float, seed: int) -> np.ndarray:
    """Return probabilities (n, 7) of a member that leans to the truth by `skill`."""
    logits = np.random.default_rng(seed).normal(size=(len(truth), 7))
    logits[np.arange(len(truth)), truth] += skill
    return np.asarray(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))


def loss(table: np.ndarray, truth: np.ndarray) -> float:
    return float(-np.log(table[np.arange(len(truth)), truth]).mean())


TRUTH = np.arange(210) % 7
LESIONS = np.arange(210) // 2
TABLES = np.stack([member(TRUTH, 2.5, 1), member(TRUTH, 2.2, 2), member(TRUTH, 0.0, 3)])


def test_weights_are_the_best_there_are() -> None:
    """No convex weights on a fine grid have less log loss; the member that knows nothing gets next to no say."""
    weights = np.array(fit_weights(TABLES, TRUTH).weights)
    assert weights.min() >= 0 and weights.sum() == pytest.approx(1)
    assert weights[0] > weights[1] > 0.05 > weights[2]
    grid = [(a, b, 1 - a - b) for a in np.linspace(0, 1, 41) for b in np.linspace(0, 1 - a, 41)]
    best = min(loss(np.tensordot(np.array(w), TABLES, axes=1), TRUTH) for w in grid)
    assert loss(np.tensordot(weights, TABLES, axes=1), TRUTH) <= best + 1e-6


def test_weights_of_equal_members_are_any_that_add_up() -> None:
    found = fit_weights(np.stack([TABLES[0], TABLES[0]]), TRUTH)
    assert fits("weighted", found, 2)


def test_stacking_uses_what_no_average_can() -> None:
    """A member that always takes mel for nv and nv for mel is wrong, and tells everything."""
    swapped = TABLES[0].copy()
    swapped[:, [MEL, NV]] = swapped[:, [NV, MEL]]
    tables = np.stack([swapped, TABLES[2]])
    fitted = fit_stacking(tables, TRUTH, LESIONS)
    assert fits("stacked", fitted, 2)
    right = (RULES["stacked"](tables, fitted).argmax(axis=1) == TRUTH).mean()
    assert right > (RULES["average"](tables, Fitted()).argmax(axis=1) == TRUTH).mean() + 0.15


def test_stacking_learns_nothing_from_noise() -> None:
    """Out of fold, a regression on members that know nothing must stay near the loss of the even guess."""
    noise = np.stack([member(TRUTH, 0.0, 4), member(TRUTH, 0.0, 5)])

    def fit(rows: np.ndarray) -> object:
        fitted = fit_stacking(noise[:, rows], TRUTH[rows], LESIONS[rows])
        return lambda tables: RULES["stacked"](tables, fitted)

    found = out_of_fold(fit, noise, LESIONS)  # type: ignore[arg-type]
    assert loss(found, TRUTH) == pytest.approx(np.log(7), abs=0.1)


@pytest.mark.parametrize("shown", [[MEL], [MEL, NV], [BKL, MEL, NV]])
def test_diagnoses_without_an_image_are_never_answered(shown: list[int]) -> None:
    truth = np.array(shown * 10)
    tables = np.stack([member(truth, 2.0, 6), member(truth, 2.0, 7)])
    found = RULES["stacked"](tables, fit_stacking(tables, truth, np.arange(len(truth))))
    assert set(found.argmax(axis=1)) <= set(shown)
    assert (found.argmax(axis=1) == truth).mean() > 0.8


def test_out_of_fold_answers_never_see_their_own_lesion() -> None:
    seen: list[set[int]] = []

    def fit(rows: np.ndarray) -> object:
        seen.append(set(LESIONS[rows]))

        def combine(tables: np.ndarray) -> np.ndarray:
            return np.full(tables.shape[1:], float(len(seen)))

        return combine

    found = out_of_fold(fit, TABLES, LESIONS)  # type: ignore[arg-type]
    assert len(seen) == 5
    for fold, lesions in enumerate(seen, start=1):
        held = set(LESIONS[found[:, 0] == fold])
        assert held and not held & lesions
    with pytest.raises(DataError, match="single lesion"):
        out_of_fold(fit, TABLES[:, :2], LESIONS[:2])  # type: ignore[arg-type]


def close(truth: list[int], general: list[int], gaps: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return the truth and general answers that lead mel or nv by the gaps."""
    rows = np.full((len(truth), 7), 0.02)
    for row, first, gap in zip(rows, general, gaps, strict=True):
        row[first], row[MEL + NV - first] = 0.45 + gap / 2, 0.45 - gap / 2
    return np.array(truth), rows


def test_the_margin_is_as_large_as_the_specialist_is_right() -> None:
    """The specialist, who always says nv, is right where the gap is 0.12 and wrong where it is 0.32."""
    gaps = [0.12, 0.12, 0.5, 0.5, 0.32, 0.6]
    truth, general = close([NV, NV, NV, MEL, MEL, MEL], [MEL, MEL, NV, MEL, MEL, MEL], gaps)
    specialist = np.tile(np.eye(7)[NV], (6, 1))
    margin = choose_margin(general, {("mel", "nv"): specialist}, truth)
    assert margin == 0.15, "the least of the margins that turn both images and no other"
    mixed, _ = route(general, {("mel", "nv"): specialist}, "margin", margin)
    assert (mixed.argmax(axis=1) == truth).all()


def test_no_melanoma_is_given_for_a_better_score() -> None:
    """Turning every answer to nv wins seven images and loses one melanoma: nobody is asked."""
    truth, general = close([NV] * 7 + [MEL] * 2, [MEL] * 9, [0.1] * 8 + [0.8])
    margin = choose_margin(general, {("mel", "nv"): np.tile(np.eye(7)[NV], (9, 1))}, truth)
    assert margin == 0.0 == MARGINS[0]
