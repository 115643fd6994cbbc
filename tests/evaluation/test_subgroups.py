"""Figures of groups: as those of the images alone, with guards, differences and the worst group."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError, UsageError
from lesionlab.evaluation.evaluate import evaluate
from lesionlab.evaluation.groups import UNKNOWN
from lesionlab.evaluation.predictions import Predictions
from lesionlab.evaluation.slices import METRICS, Guard
from lesionlab.evaluation.subgroups import group_rows, subgroups, worst_group, worst_rows

Draw = Callable[..., Predictions]
ANY = Guard(1, 1)


def taken(of: Predictions, rows: np.ndarray) -> Predictions:
    """Return the predictions for some of the images."""
    chosen = np.flatnonzero(rows)
    return Predictions(
        tuple(of.image_ids[i] for i in chosen), tuple(of.lesion_ids[i] for i in chosen), of.truth[chosen],
        of.probabilities[chosen],
    )  # fmt: skip


def alone(of: Predictions, rows: np.ndarray) -> dict[str, float | None]:
    """Return the metrics that `evaluate` gives for some of the images alone."""
    found = evaluate(taken(of, rows), 0)
    melanoma = found["per_class"]["mel"]
    values = {name: found["metrics"][name]["value"] for name in METRICS if not name.startswith("melanoma_s")}
    sensitivity, specificity = melanoma["recall"]["value"], melanoma["specificity"]["value"]
    return {**values, "melanoma_sensitivity": sensitivity, "melanoma_specificity": specificity}


@pytest.fixture(scope="module")
def halves(draw: Draw) -> tuple[Predictions, np.ndarray]:
    of = draw(600, seed=3)
    return of, np.arange(600) % 3 == 0


def test_figures_are_those_of_the_images_alone(halves: tuple[Predictions, np.ndarray]) -> None:
    of, rows = halves
    found = subgroups(of, {"third": {"yes": rows, "no": ~rows}}, 0, guard=ANY)
    mine, others = alone(of, rows), alone(of, ~rows)
    for metric in METRICS:
        figure = found["groups"][0]["metrics"][metric]
        assert figure["value"] == pytest.approx(mine[metric])
        assert figure["difference"]["value"] == pytest.approx(mine[metric] - others[metric])
        assert figure["low"] is None and figure["difference"]["high"] is None
        assert found["overall"][metric]["value"] == pytest.approx(alone(of, np.ones(600, bool))[metric])
    counts = np.bincount(of.truth[rows], minlength=7)
    assert found["groups"][0]["classes"] == dict(zip(CODES, counts.tolist(), strict=True))
    assert found["groups"][0]["images"] == 200 and found["images"] == 600
    assert found["groups"][0]["lesions"] == len(set(taken(of, rows).lesion_ids))
    json.dumps(found, allow_nan=False)


def test_intervals_of_all_images_are_those_of_an_evaluation(halves: tuple[Predictions, np.ndarray]) -> None:
    of, rows = halves
    found = subgroups(of, {"third": {"yes": rows}}, 100, seed=4)["overall"]
    whole = evaluate(of, 100, seed=4)
    for metric in ("balanced_accuracy", "melanoma_auroc", "malignant_auroc", "ece"):
        figure = {key: found[metric][key] for key in ("value", "low", "high")}
        assert figure == pytest.approx(whole["metrics"][metric])
    assert [found["melanoma_sensitivity"][key] for key in ("value", "low", "high")] == pytest.approx(
        [whole["per_class"]["mel"]["recall"][key] for key in ("value", "low", "high")]
    )


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), share=st.floats(0.2, 0.8))
def test_two_groups_mirror_each_other(draw: Draw, seed: int, share: float) -> None:
    """What one group lacks against the other images, these have more: interval and all."""
    of = draw(150, seed=seed)
    rows = np.random.default_rng(seed).random(150) < share
    one, two = subgroups(of, {"half": {"yes": rows, "no": ~rows}}, 40, guard=ANY)["groups"]
    for metric in METRICS:
        here, there = one["metrics"][metric].get("difference"), two["metrics"][metric].get("difference")
        if here and there and here.get("low") is not None and there.get("low") is not None:
            assert here["value"] == pytest.approx(-there["value"])
            assert (here["low"], here["high"]) == pytest.approx((-there["high"], -there["low"]))


def test_too_few_images_have_no_number(halves: tuple[Predictions, np.ndarray]) -> None:
    of, _ = halves
    melanoma = of.truth == CODES.index("mel")
    first = np.cumsum(~melanoma) <= 49
    groups = {
        "images": {"49": first & ~melanoma, "50": (np.cumsum(~melanoma) <= 50) & ~melanoma},
        "melanomas": {"9": ~melanoma | (np.cumsum(melanoma) <= 9), "10": ~melanoma | (np.cumsum(melanoma) <= 10)},
        "others": {"melanoma": melanoma, "rest": ~melanoma},
    }
    found = {row["group"]: row["metrics"] for row in subgroups(of, groups, 40)["groups"]}
    assert all(figure == {"too_few": "49 images, 50 needed"} for figure in found["49"].values())
    assert found["50"]["ece"]["value"] is not None
    assert found["50"]["melanoma_auroc"] == {"too_few": "0 melanomas, 10 needed"}
    assert found["9"]["melanoma_sensitivity"] == {"too_few": "9 melanomas, 10 needed"}
    assert found["10"]["melanoma_sensitivity"]["value"] is not None
    assert found["melanoma"]["melanoma_specificity"] == {"too_few": "0 other images, 10 needed"}
    assert found["melanoma"]["malignant_auroc"] == {"too_few": "0 benign images, 10 needed"}
    assert found["melanoma"]["balanced_accuracy"] == {"too_few": "fewer than two diagnoses with 10 images"}
    assert found["melanoma"]["melanoma_sensitivity"]["difference"] == {
        "too_few": "other images: 0 melanomas, 10 needed"
    }
    assert found["rest"]["ece"]["difference"]["value"] == -found["melanoma"]["ece"]["difference"]["value"]


def test_all_images_have_nothing_to_be_compared_with(halves: tuple[Predictions, np.ndarray]) -> None:
    of, _ = halves
    found = subgroups(of, {"source": {"one": np.ones(600, bool)}}, 40)
    (row,) = found["groups"]
    for metric, figure in row["metrics"].items():
        assert figure["difference"] == {"too_few": "there are no other images"}
        assert figure["value"] == found["overall"][metric]["value"]
    assert set(found["worst"].values()) == {None} and worst_rows(found) == []


def test_balanced_accuracy_is_over_diagnoses_with_enough_images(by_hand: Predictions) -> None:
    """Of 4 melanomas 3 are right, of 5 nevi 4; the bcc counts for nothing where 2 images are needed."""
    rows = np.arange(10) != 9
    found = subgroups(by_hand, {"bcc": {"no": rows}}, 0, guard=Guard(1, 2))
    assert found["overall"]["balanced_accuracy"] == {
        "value": pytest.approx((3 / 4 + 4 / 5) / 2), "low": None, "high": None, "classes": ["mel", "nv"],
    }  # fmt: skip
    every = subgroups(by_hand, {"bcc": {"no": rows}}, 0, guard=ANY)
    assert every["overall"]["balanced_accuracy"]["value"] == pytest.approx((3 / 4 + 4 / 5 + 0) / 3)
    assert every["overall"]["balanced_accuracy"]["classes"] == ["bcc", "mel", "nv"]


def test_groups_are_compared_over_the_diagnoses_of_both(by_hand: Predictions) -> None:
    """One side has melanomas, nevi and a bcc, the other melanomas and nevi: the bcc is left out of the difference."""
    rows = np.isin(np.arange(10), [0, 3, 4, 9])  # mel right, mel wrong, nv right, bcc wrong
    found = subgroups(by_hand, {"side": {"one": rows, "two": ~rows}}, 0, guard=ANY)["groups"][0]["metrics"]
    assert found["balanced_accuracy"]["value"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert found["balanced_accuracy"]["difference"] == {
        "value": pytest.approx((1 / 2 + 1) / 2 - (1 + 3 / 4) / 2), "low": None, "high": None,
        "classes": ["mel", "nv"],
    }  # fmt: skip


def spoilt(of: Predictions, rows: np.ndarray) -> Predictions:
    """Return the predictions with those for some of the images passed on to their neighbours."""
    mixed = of.probabilities.copy()
    mixed[rows] = np.roll(mixed[rows], 7, axis=0)
    return replace(of, probabilities=mixed)


def test_the_worst_group_is_found(draw: Draw) -> None:
    of = draw(900, seed=5)
    parts = np.arange(900) % 5
    groups = {"part": {str(part): parts == part for part in range(5)}}
    groups["other"] = {UNKNOWN: parts == 2, "known": parts != 2}
    found = subgroups(spoilt(of, parts == 2), groups, 200)
    for metric in ("balanced_accuracy", "melanoma_sensitivity", "melanoma_auroc", "malignant_auroc"):
        row = found["worst"][metric]
        assert (row["attribute"], row["group"], row["compared"]) == ("part", "2", 6)
    worst = found["worst"]["balanced_accuracy"]
    assert worst["beyond_chance"] and worst["adjusted"]["high"] < 0 and worst["difference"]["value"] < -0.2
    assert worst["adjusted"]["low"] < worst["difference"]["low"] and worst["difference"]["high"] < 0
    ece = found["worst"]["ece"]
    assert ece["difference"]["value"] > 0 and ece["adjusted"] is None and ece["beyond_chance"] is None
    told = worst_rows(found)
    assert told[0][:2] == ("balanced accuracy", "part: 2") and "of 6 groups: unlikely to be chance" in told[0][3]


def test_the_worst_of_many_random_groups_may_be_chance(draw: Draw) -> None:
    """Sixteen groups without meaning: plain intervals find differences, widened ones call the worst chance."""
    beyond = stars = 0
    for seed in range(6):
        of = draw(1600, seed=seed, lesions=1500)
        parts = np.random.default_rng(seed).permutation(1600) % 16
        found = subgroups(of, {"part": {str(part): parts == part for part in range(16)}}, 80)
        beyond += found["worst"]["melanoma_specificity"]["beyond_chance"]
        stars += sum(cell.endswith("*") for row in group_rows(found) for cell in row)
    assert beyond <= 1 and stars > 6


def figure(value: float, low: float | None, high: float | None) -> dict[str, Any]:
    cell = {"value": value, "low": low, "high": high}
    return {**cell, "difference": cell}


def test_the_widened_interval_by_hand() -> None:
    """For two groups the normal quantile is 2.2414 instead of 1.9600."""
    rows = [
        {"attribute": "a", "group": name, "metrics": {"ece": told, "melanoma_auroc": told}}
        for name, told in (
            ("one", figure(0.1, 0.05, 0.15)),
            ("two", figure(-0.1, -0.15, -0.05)),
            ("few", {"too_few": ""}),
            ("wide", figure(0.9, None, None)),
        )
    ]
    found = worst_group(rows, "melanoma_auroc")
    assert found is not None and found["group"] == "two" and found["compared"] == 2 and found["beyond_chance"]
    assert found["adjusted"] == {
        "low": pytest.approx(-0.1 - 0.05 * 2.2414 / 1.96, abs=1e-5),
        "high": pytest.approx(-0.1 + 0.05 * 2.2414 / 1.96, abs=1e-5),
    }
    error = worst_group(rows, "ece")
    assert error is not None and error["group"] == "one" and error["beyond_chance"] is None
    assert worst_group(rows[:1], "ece") is None


def test_a_group_that_is_all_wrong_is_the_worst_but_no_interval_tells_how_surely(draw: Draw) -> None:
    """Every resample of its melanomas has a sensitivity of 0."""
    of = draw(600, seed=8)
    mine = np.arange(600) % 2 == 0
    missed = mine & (of.truth == CODES.index("mel"))
    probabilities = of.probabilities.copy()
    probabilities[missed] = np.eye(7)[CODES.index("nv")]
    found = subgroups(replace(of, probabilities=probabilities), {"half": {"blind": mine, "fine": ~mine}}, 60)
    worst = found["worst"]["melanoma_sensitivity"]
    assert worst["group"] == "blind" and worst["value"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert worst["adjusted"] is None and worst["beyond_chance"] is None
    assert "cannot be told" in worst_rows(found)[1][3]
    column = 4 + list(METRICS).index("melanoma_sensitivity")
    assert [row[column][-1] for row in group_rows(found)] == ["]", "]", "*"]


def test_rows_for_a_terminal(halves: tuple[Predictions, np.ndarray]) -> None:
    of, rows = halves
    few = np.arange(600) < 20
    found = subgroups(of, {"third": {"yes": rows}, "few": {"first": few}}, 60)
    table = group_rows(found)
    assert [row[:3] for row in table] == [("all", "", "600"), ("third", "yes", "200"), ("few", "first", "20")]
    assert table[2][4:] == ("too few",) * len(METRICS)
    value = found["overall"]["balanced_accuracy"]
    assert table[0][4] == f"{value['value']:.2f} [{value['low']:.2f}, {value['high']:.2f}]"


def test_wrong_input(halves: tuple[Predictions, np.ndarray]) -> None:
    of, rows = halves
    for wrong in (rows[:-1], np.zeros(600, bool)):
        with pytest.raises(DataError, match="a group is some of the 600 images"):
            subgroups(of, {"third": {"yes": wrong}}, 0)
    with pytest.raises(UsageError, match="too few for an interval"):
        subgroups(of, {"third": {"yes": rows}}, 39)
    with pytest.raises(UsageError, match="at least 1"):
        Guard(0, 10)
