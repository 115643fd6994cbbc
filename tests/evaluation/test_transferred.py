"""Operating points on other images: counted by hand, by Bayes' theorem, and what cannot be told."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from lesionlab.evaluation.operating import fit_points
from lesionlab.evaluation.predictions import Predictions
from lesionlab.evaluation.transferred import FIGURES, transferred
from lesionlab.models.decisions import OperatingPoint


def point(threshold: float = 0.35, target: str = "melanoma") -> OperatingPoint:
    given = {
        "target": target,
        "aim": "sensitivity 0.90",
        "threshold": threshold,
        "sensitivity": 0.9,
        "specificity": 0.5,
    }
    return OperatingPoint.model_validate(given)


def chances(values: list[float], truth: list[int], lesions: str) -> Predictions:
    """Return images whose chance of melanoma is given, the rest being nevus."""
    table = np.zeros((len(values), 7))
    table[:, 4], table[:, 5] = values, 1 - np.array(values)
    return Predictions(tuple(map(str, range(len(values)))), tuple(lesions), np.array(truth), table)


def values(row: dict) -> dict[str, float | None]:
    return {name: row[name]["value"] for name in FIGURES}


SIX = chances([0.8, 0.3, 0.5, 0.2, 0.1, 0.0], [4, 4, 5, 5, 5, 5], "aabccd")
"""One melanoma in two photographs, one found; of three nevi, in four photographs, one photograph is called melanoma."""


def test_counted_by_hand() -> None:
    (row,) = transferred(SIX, [point()], {}, 0)
    assert (row["target"], row["aim"], row["threshold"]) == ("melanoma", "sensitivity 0.90", 0.35)
    assert row["fitted"] == {"sensitivity": 0.9, "specificity": 0.5}
    assert row["prevalence"] == pytest.approx(1 / 4)  # of lesions; of photographs it is a third
    hits, flagged, passed, missed = 0.5 / 4, 0.25 * 3 / 4, 0.75 * 3 / 4, 0.5 / 4
    assert values(row) == pytest.approx(
        {
            "sensitivity": 0.5,
            "specificity": 0.75,
            "ppv": hits / (hits + flagged),
            "npv": passed / (passed + missed),
            "flagged_per_found": flagged / hits,
        }
    )
    assert row["undefined"] == {}


def test_one_photograph_of_each_lesion_gives_plain_predictive_values(draw: Callable[..., Predictions]) -> None:
    predictions = draw(300, seed=2)
    alone = Predictions(predictions.image_ids, predictions.image_ids, predictions.truth, predictions.probabilities)
    for row in transferred(alone, fit_points(draw(300, seed=1)), {}, 0):
        shown = np.isin(alone.truth, [4] if row["target"] == "melanoma" else [0, 1, 4])
        score = alone.probabilities[:, [4] if row["target"] == "melanoma" else [0, 1, 4]].sum(1)
        called = score >= row["threshold"]
        assert row["ppv"]["value"] == pytest.approx(shown[called].mean())
        assert row["npv"]["value"] == pytest.approx((~shown)[~called].mean())
        assert row["flagged_per_found"]["value"] == pytest.approx((called & ~shown).sum() / (called & shown).sum())


def test_a_rarer_disease_costs_more_false_alarms() -> None:
    common, rare = (transferred(SIX, [point()], {"melanoma": share}, 0)[0] for share in (0.25, 0.01))
    assert common == transferred(SIX, [point()], {}, 0)[0]
    assert rare["flagged_per_found"]["value"] == pytest.approx(0.25 * 0.99 / (0.5 * 0.01))
    assert rare["ppv"]["value"] < common["ppv"]["value"] and rare["npv"]["value"] > common["npv"]["value"]
    assert rare["sensitivity"] == common["sensitivity"] and rare["prevalence"] == 0.01


def test_a_prevalence_is_of_one_target() -> None:
    melanoma, malignant = transferred(SIX, [point(), point(target="malignant")], {"malignant": 0.01}, 0)
    assert (melanoma["prevalence"], malignant["prevalence"]) == (0.25, 0.01)


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        (0.9, {"ppv": "no image is called melanoma", "flagged_per_found": "no melanoma image is found"}),
        (0.0, {"npv": "every image is called melanoma"}),
        (0.35, {}),
    ],
)
def test_what_cannot_be_told_has_a_reason(threshold: float, expected: dict[str, str]) -> None:
    (row,) = transferred(SIX, [point(threshold)], {}, 0)
    assert row["undefined"] == expected
    assert {name for name, value in values(row).items() if value is None} == set(expected)


@pytest.mark.parametrize(("code", "kept"), [(5, "specificity"), (4, "sensitivity")])
def test_one_sided_images_leave_one_share(code: int, kept: str) -> None:
    (row,) = transferred(chances([0.8, 0.3], [code, code], "ab"), [point()], {"melanoma": 0.1}, 0)
    assert {name for name, value in values(row).items() if value is not None} == {kept}
    assert set(row["undefined"]) == set(FIGURES) - {kept}
    assert "image in the truth is mel" in row["undefined"]["ppv"]


def test_intervals_hold_the_value_and_all_is_json(draw: Callable[..., Predictions]) -> None:
    rows = transferred(draw(600, seed=2), fit_points(draw(600, seed=1)), {"melanoma": 0.02}, 100)
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    for row in rows:
        for name in FIGURES:
            assert row[name]["low"] <= row[name]["value"] <= row[name]["high"], name


def test_no_points_no_rows() -> None:
    assert transferred(SIX, [], {}, 0) == []
