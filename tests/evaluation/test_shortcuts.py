"""Versions of a model's images beside the whole ones: figures, differences, and what is read in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lesionlab.errors import DataError, UsageError
from lesionlab.evaluation.evaluate import evaluate
from lesionlab.evaluation.metrics import IS_MALIGNANT, MELANOMA
from lesionlab.evaluation.paired import difference
from lesionlab.evaluation.predictions import Predictions
from lesionlab.evaluation.shortcuts import (
    BACKGROUND,
    BACKGROUND_BOX,
    LESION,
    METADATA,
    METRICS,
    MODEL,
    SIZE,
    reading,
    shortcut_rows,
    shortcut_table,
)

Draw = Callable[..., Predictions]
KEYS = ("value", "low", "high")


@pytest.fixture(scope="module")
def whole(draw: Draw) -> Predictions:
    return draw(400, seed=1)


@pytest.fixture(scope="module")
def blind(whole: Predictions) -> Predictions:
    """Answers that have nothing to do with the truth."""
    return replace(whole, probabilities=np.random.default_rng(2).dirichlet(np.ones(7), 400))


def test_figures_and_differences_are_those_of_the_rest_of_the_house(whole: Predictions, blind: Predictions) -> None:
    found = shortcut_table(whole, {LESION: whole, BACKGROUND: blind}, None, 100, seed=3)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["images"], found["classes"]["mel"]) == (400, int((whole.truth == MELANOMA).sum()))
    expected = evaluate(blind, 100, seed=3)["metrics"]
    apart = difference(whole, blind, 100, seed=3)
    assert list(found["versions"]) == [MODEL, LESION, BACKGROUND]
    for metric in METRICS:
        figure = found["versions"][BACKGROUND][metric]
        assert {key: figure[key] for key in KEYS} == pytest.approx(expected[metric])
        assert figure["difference"] == pytest.approx(apart[metric])
        assert found["versions"][LESION][metric]["difference"] == dict.fromkeys(KEYS, 0.0)
        assert set(found["versions"][MODEL][metric]) == set(KEYS)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_size_of_the_box_is_held_against_the_box(whole: Predictions, blind: Predictions, sign: int) -> None:
    """A size that tells melanoma by being small tells it all the same."""
    sizes = 0.5 + sign * (0.2 * (whole.truth == MELANOMA) + np.random.default_rng(4).normal(0, 0.1, 400))
    table = shortcut_table(whole, {BACKGROUND_BOX: blind}, sizes, 100)["versions"]
    assert set(table[SIZE]) == {"melanoma_auroc", "malignant_auroc"}
    area = roc_auc_score(whole.truth == MELANOMA, sizes)
    assert table[SIZE]["melanoma_auroc"]["value"] == pytest.approx(area)
    malignant = roc_auc_score(IS_MALIGNANT[whole.truth], sizes)
    assert table[SIZE]["malignant_auroc"]["value"] == pytest.approx(malignant)
    figure = table[BACKGROUND_BOX]["melanoma_auroc"]
    assert figure["over_size"]["value"] == pytest.approx(figure["value"] - max(area, 1 - area))
    assert "less than the size" in reading(BACKGROUND_BOX, table)
    assert "over_size" not in table[BACKGROUND_BOX]["macro_f1"]


@pytest.mark.parametrize(
    ("name", "limits", "words"),
    [
        (METADATA, (-0.2, -0.1), "sees more in the image"),
        (METADATA, (-0.1, 0.1), "no evidence that the model sees more"),
        (METADATA, (0.1, 0.2), "these tell more"),
        (LESION, (-0.2, -0.1), "uses what lies around"),
        (LESION, (-0.1, 0.1), "no evidence that it needs"),
        (LESION, (0.1, 0.2), "does better without"),
        (BACKGROUND, (0.6, 0.7), "something other than the inside"),
        (BACKGROUND, (0.4, 0.6), "no evidence that it tells melanomas"),
        (BACKGROUND, (0.2, 0.4), "misleads"),
        (BACKGROUND_BOX, (0.1, 0.2), "is not the lesion"),
        (BACKGROUND_BOX, (-0.1, 0.1), "no evidence that it goes by more than the size"),
        (BACKGROUND_BOX, (-0.2, -0.1), "less than the size"),
        (BACKGROUND_BOX, (None, None), "too few"),
    ],
)
def test_readings(name: str, limits: tuple[float | None, float | None], words: str) -> None:
    """Each version is read by its own interval, and only by that."""
    told = {"value": 0.6, "low": limits[0], "high": limits[1]}
    other = {"value": 0.6, "low": 0.5, "high": 0.5}
    against = {METADATA: "difference", LESION: "difference", BACKGROUND_BOX: "over_size"}.get(name)
    figure: dict[str, Any] = {**(other if against else told), "difference": other}
    if against:
        figure[against] = told
    table = {MODEL: {"melanoma_auroc": other}, SIZE: {"melanoma_auroc": other}, name: {"melanoma_auroc": figure}}
    assert words in reading(name, table)


def test_no_melanoma(by_hand: Predictions) -> None:
    rows = by_hand.truth != MELANOMA
    few = Predictions(
        *((tuple(np.array(by_hand.image_ids)[rows]),) * 2), by_hand.truth[rows], by_hand.probabilities[rows]
    )
    found = shortcut_table(few, {BACKGROUND: few, BACKGROUND_BOX: few}, np.linspace(0, 1, 6), 40)
    for version in (MODEL, BACKGROUND, SIZE):
        assert found["versions"][version]["melanoma_auroc"]["value"] is None
    assert all("too few images" in told for told in found["readings"].values())
    assert "undefined" in shortcut_rows(found)[0]


def test_rows_for_a_terminal(whole: Predictions, blind: Predictions) -> None:
    rows = shortcut_rows(shortcut_table(whole, {BACKGROUND_BOX: blind}, np.arange(400.0), 40))
    assert [len(row) for row in rows] == [1 + len(METRICS)] * 4
    assert rows[2][0].strip().startswith("minus") and rows[3][1:3] == ("", "")


def test_wrong_input(whole: Predictions, draw: Draw) -> None:
    with pytest.raises(DataError, match="different images"):
        shortcut_table(whole, {LESION: draw(399, seed=1)}, None, 40)
    with pytest.raises(UsageError, match="too few for an interval"):
        shortcut_table(whole, {LESION: whole}, None, 3)
