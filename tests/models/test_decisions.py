"""Decisions as they are stored: what is refused, which point is found, and what a temperature and a set do."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from lesionlab.errors import UsageError
from lesionlab.models.appearance import statistics
from lesionlab.models.decisions import Conformal, Decisions, OutlierRule, calibrate, chance_of, prediction_sets
from lesionlab.models.probabilities import softmax

FIT = {
    "part": "val", "images": 9, "lesions": 8, "nll_before": 0.9, "nll_after": 0.8,
    "ece_before": {"value": 0.1, "low": 0.05, "high": 0.2}, "ece_after": {"value": 0.02},
}  # fmt: skip
RULE: dict[str, Any] = {"mean": [0.0] * 9, "whitener": np.eye(9).tolist(), "threshold": 1.1, "quantile": 0.95}


def point(aim: str, target: str = "malignant", threshold: float = 0.3) -> dict[str, Any]:
    return {"target": target, "aim": aim, "threshold": threshold, "sensitivity": 0.9, "specificity": 0.8}


def content(**changes: Any) -> dict[str, Any]:
    whole = {
        "temperature": 1.2,
        "fitted_on": FIT,
        "operating": [point("sensitivity 0.90"), point("sensitivity 0.95"), point("specificity 0.80", "melanoma")],
        "default_point": "sensitivity 0.90",
        "conformal": {"coverage": 0.9, "thresholds": [0.1] * 7, "images": [5] * 7},
        "abstain_below": 0.4,
        "outlier": RULE,
    }
    return whole | changes


def test_decisions_come_back_from_json_as_they_were() -> None:
    decisions = Decisions.model_validate(content())
    assert Decisions.model_validate(json.loads(decisions.model_dump_json())) == decisions


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 0},
        {"temperature": float("nan")},
        {"temperature": "hot"},
        {"operating": [point("sensitivity 0.90"), point("sensitivity 0.90")]},
        {"operating": [point("sensitivity 0.9")]},
        {"operating": [point("sensitivity 0.90", threshold=1.5)]},
        {"operating": [point("sensitivity 0.90", target="naevus")]},
        {"operating": [point("sensitivity 0.90", target="melanoma")]},
        {"default_point": "sensitivity 0.80"},
        {"conformal": {"coverage": 0.9, "thresholds": [0.1] * 6, "images": [5] * 7}},
        {"conformal": {"coverage": 1.0, "thresholds": [0.1] * 7, "images": [5] * 7}},
        {"abstain_below": -0.1},
        {"outlier": RULE | {"method": "trust me"}},
        {"outlier": RULE | {"threshold": float("inf")}},
        {"outlier": RULE | {"mean": [0.0] * 8}},
        {"outlier": RULE | {"whitener": [[1.0] * 9] * 8}},
        {"outlier": RULE | {"whitener": [[1.0] * 8] * 9}},
        {"more": 1},
    ],
)
def test_other_content_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Decisions.model_validate(content(**changes))


def test_the_default_point_unless_another_is_asked_for() -> None:
    decisions = Decisions.model_validate(content())
    assert (decisions.point(), decisions.point("sensitivity 0.95")) == tuple(decisions.operating[:2])
    with pytest.raises(UsageError, match=r"specificity 0\.80") as caught:
        decisions.point("specificity 0.80")
    assert "sensitivity 0.90, sensitivity 0.95" in caught.value.hint
    assert Decisions(temperature=1, fitted_on=decisions.fitted_on).point() is None


NONE = np.zeros(7)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_temperature_divides_logits(temperature: float) -> None:
    logits = np.random.default_rng(0).normal(0, 2, (50, 7))
    np.testing.assert_allclose(calibrate(softmax(logits), temperature, NONE), softmax(logits / temperature), atol=1e-9)


def test_probabilities_of_0_are_borne() -> None:
    np.testing.assert_allclose(calibrate(np.array([[1.0] + [0.0] * 6]), 0.5, NONE), [[1.0] + [0.0] * 6], atol=1e-9)
    assert calibrate(np.empty((0, 7)), 2.0, NONE).shape == (0, 7)


def test_biases_shift_but_keep_the_answer() -> None:
    logits = np.random.default_rng(1).normal(0, 1, (500, 7))
    bias = np.array([0.5, 0, 0, -1, 0, 2, 0])
    found, free = calibrate(softmax(logits), 1.0, bias), softmax(logits + bias)
    assert (found.argmax(1) == logits.argmax(1)).all()
    np.testing.assert_allclose(found.sum(1), 1)
    same = free.argmax(1) == logits.argmax(1)
    assert 50 < same.sum() < 450
    np.testing.assert_allclose(found[same], free[same])
    rows = np.flatnonzero(~same)
    answers = logits.argmax(1)[rows]
    above = free[rows] > free[rows, answers][:, None]
    assert (np.ptp(np.where(above, found[rows], found[rows, answers][:, None]), axis=1) < 2e-6)[above.sum(1) == 1].all()


def test_the_kept_answer_is_the_nearest_table() -> None:
    """Compared with a search over tables in which the answer is on top."""
    row = np.array([0.1, 0.35, 0.3, 0.05, 0.15, 0.05, 0.0])
    shown = np.array([[0.2, 0.1, 0.1, 0.1, 0.3, 0.1, 0.1]])
    found = calibrate(shown, 1.0, np.log(np.maximum(row, 1e-12)) - np.log(shown[0]))[0]
    np.testing.assert_allclose(found, [0.1, 4 / 15, 4 / 15, 0.05, 4 / 15, 0.05, 0], atol=1e-5)
    assert found.argmax() == 4


def test_the_chance_of_a_target_is_a_sum() -> None:
    row = np.array([[0.1, 0.2, 0.05, 0.05, 0.3, 0.2, 0.1]])
    assert chance_of("melanoma", row)[0] == 0.3
    assert chance_of("malignant", row)[0] == pytest.approx(0.6)


def test_sets_hold_what_passes_and_always_the_likeliest() -> None:
    conformal = Conformal(coverage=0.9, thresholds=[0.2, 0.2, 0.2, 0.2, 0.05, 0.9, 0.2], images=[9] * 7)
    rows = np.array([[0.2, 0.1, 0, 0, 0.1, 0.6, 0], [0, 0, 0, 0, 0, 0.95, 0.05]])
    assert prediction_sets(rows, conformal).tolist() == [
        [True, False, False, False, True, True, False],
        [False, False, False, False, False, True, False],
    ]


def test_a_distance_beyond_the_threshold_is_an_outlier() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    looks = statistics(images)
    near = OutlierRule.model_validate(RULE | {"mean": looks[0].tolist(), "whitener": (2 * np.eye(9)).tolist()})
    distances = 2 * np.linalg.norm(looks - looks[0], axis=1)
    np.testing.assert_allclose(near.distances(looks), distances)
    between = near.model_copy(update={"threshold": float(distances[1:].mean())})
    assert between.outliers(images).tolist() == (distances > distances[1:].mean()).tolist()
    assert near.outliers(images[:0]).shape == (0,)
