"""The tables of a stress test: known answers by hand, pairing, and what is undefined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionlab.data.corruptions import SEVERITIES
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError, UsageError
from lesionlab.evaluation.intervals import bootstrap
from lesionlab.evaluation.predictions import Predictions
from lesionlab.evaluation.stress import corruption_table, flip_table, overlay_table
from lesionlab.models.decisions import OperatingPoint

Draw = Callable[..., Predictions]
BCC, BKL, MEL, NV = (CODES.index(code) for code in ("bcc", "bkl", "mel", "nv"))
TRUTH = [MEL, MEL, MEL, MEL, NV, NV, NV, NV, BKL, BCC]


def answers(said: Sequence[int], truth: Sequence[int] = TRUTH) -> Predictions:
    """Return certain predictions; every image is a lesion of its own."""
    names = tuple(f"image{i}" for i in range(len(truth)))
    return Predictions(names, names, np.array(truth), np.eye(7)[list(said)])


def with_chance(malignant: Sequence[float], truth: Sequence[int]) -> Predictions:
    """Return predictions that share each image's probability between basal cell carcinoma and nevus."""
    table = np.zeros((len(truth), 7))
    table[:, BCC], table[:, NV] = malignant, 1 - np.array(malignant)
    return replace(answers(truth, truth), probabilities=table)


CLEAN = answers(TRUTH)
HALF = answers([MEL, MEL, NV, NV, NV, NV, NV, NV, BKL, BCC])
NONE = answers([NV] * 10)


def worse(predictions: Predictions, seed: int = 1) -> Predictions:
    """Return answers to the same images with noise."""
    noise = np.random.default_rng(seed).dirichlet(np.ones(7), len(predictions))
    return replace(predictions, probabilities=(predictions.probabilities + noise) / 2)


def test_a_fall_by_hand() -> None:
    """Half of the melanomas are lost at severities 1 to 4, and everything but nevi at 5."""
    found = corruption_table(CLEAN, {"fog": [HALF] * 4 + [NONE], "rain": [CLEAN] * 5}, 0)
    assert found["clean"]["balanced_accuracy"]["value"] == 1
    fog, rain = found["by_name"]["fog"], found["by_name"]["rain"]
    assert [row["severity"] for row in fog["severities"]] == list(SEVERITIES)
    assert [row["melanoma_sensitivity"]["value"] for row in fog["severities"]] == [0.5] * 4 + [0]
    assert [row["balanced_accuracy"]["value"] for row in fog["severities"]] == [0.875] * 4 + [0.25]
    assert fog["mean"]["balanced_accuracy_drop"]["value"] == pytest.approx((4 * 0.125 + 0.75) / 5)
    assert fog["mean"]["melanoma_sensitivity_drop"]["value"] == pytest.approx(0.6)
    assert rain["mean"]["balanced_accuracy_drop"] == {"value": 0, "low": None, "high": None}
    assert found["mean"]["melanoma_sensitivity_drop"]["value"] == pytest.approx(0.3)
    assert found["worst"] == {"balanced_accuracy": "fog", "melanoma_sensitivity": "fog"}


def test_a_drop_is_relative_to_the_clean_images() -> None:
    """From .5 to .25 is a drop of one half; what gains has a drop below 0."""
    clean = answers([MEL, MEL, NV, NV, *TRUTH[4:]])
    less = answers([MEL, NV, NV, NV, *TRUTH[4:]])
    found = corruption_table(clean, {"fog": [less, less, less, less, CLEAN]}, 0)["by_name"]["fog"]["severities"]
    assert found[0]["melanoma_sensitivity_drop"]["value"] == 0.5
    assert found[4]["melanoma_sensitivity_drop"]["value"] == -1


def test_both_see_the_same_resamples(draw: Draw) -> None:
    """The interval is that of the drop in each draw of lesions, with the metrics of `bootstrap`."""
    clean = draw(240)
    versions = [worse(clean, seed) for seed in range(5)]
    found = corruption_table(clean, {"fog": versions}, 200, seed=3)
    before = bootstrap(clean, 200, 3)
    drops = []
    for row, version in zip(found["by_name"]["fog"]["severities"], versions, strict=True):
        after = bootstrap(version, 200, 3)
        reached = after.overall["balanced_accuracy"]
        assert row["balanced_accuracy"]["low"] == pytest.approx(np.nanquantile(reached, 0.025))
        drops.append(1 - reached / before.overall["balanced_accuracy"])
        melanoma = 1 - after.per_class["recall"][:, MEL] / before.per_class["recall"][:, MEL]
        assert row["melanoma_sensitivity_drop"]["high"] == pytest.approx(np.nanquantile(melanoma, 0.975))
    mean = found["by_name"]["fog"]["mean"]["balanced_accuracy_drop"]
    assert mean["low"] == pytest.approx(np.nanquantile(np.mean(drops, axis=0), 0.025))
    assert found["mean"]["balanced_accuracy_drop"] == mean


def test_without_melanomas_or_without_a_clean_one_found() -> None:
    truth = [NV, NV, BKL, BKL]
    one = answers([NV, NV, BKL, NV], truth)
    found = corruption_table(one, {"fog": [one] * 5}, 50)
    assert found["clean"]["melanoma_sensitivity"] == {"value": None, "low": None, "high": None}
    assert found["worst"] == {"balanced_accuracy": "fog", "melanoma_sensitivity": None}
    lost = corruption_table(NONE, {"fog": [CLEAN] * 5}, 0)
    assert lost["clean"]["melanoma_sensitivity"]["value"] == 0
    assert lost["by_name"]["fog"]["mean"]["melanoma_sensitivity_drop"]["value"] is None


def test_flips_by_hand() -> None:
    """Two of ten images flip under one change, one of these and another under the second: any flips three."""
    first, second = list(TRUTH), list(TRUTH)
    first[0], first[1], second[1], second[9] = NV, NV, BKL, MEL
    found = flip_table(CLEAN, {"turned": {"a": answers(first), "b": answers(second)}, "lit": {"c": CLEAN}}, 0)
    assert found["changes"]["turned"]["a"]["value"] == pytest.approx(0.2)
    assert found["kinds"]["turned"]["value"] == pytest.approx(0.2) and found["kinds"]["lit"]["value"] == 0
    assert found["mean"]["value"] == pytest.approx(0.4 / 3)
    assert found["any"]["value"] == pytest.approx(0.3)
    assert not found["met"]
    assert flip_table(CLEAN, {"lit": {"c": CLEAN}}, 0)["met"]


def test_a_flip_needs_no_truth() -> None:
    """From one wrong answer to another is a flip; from wrong to the same wrong is none."""
    found = flip_table(NONE, {"lit": {"same": NONE, "other": answers([BKL] * 10)}}, 0)
    assert [found["changes"]["lit"][name]["value"] for name in ("same", "other")] == [0, 1]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=12))
def test_shares_of_flips(rows: list[tuple[int, int, int]]) -> None:
    """The mean lies between 0 and the share of images flipped by any change, which no single change exceeds."""
    truth, first, second = (list(column) for column in zip(*rows, strict=True))
    clean = answers(truth, truth)
    found = flip_table(clean, {"k": {"a": answers(first, truth), "b": answers(second, truth)}}, 0)
    each = [one["value"] for one in found["changes"]["k"].values()]
    assert 0 <= found["mean"]["value"] <= found["any"]["value"] + 1e-12
    assert max(each) <= found["any"]["value"] + 1e-12 <= sum(each) + 2e-12


def test_a_rise_by_hand() -> None:
    """Of five benign images one is called malignant, with ink at severity 5 three; melanomas do not count."""
    truth = [NV, NV, NV, NV, BKL, MEL, MEL]
    clean = with_chance([0.4, 0.1, 0.1, 0.1, 0.1, 0.0, 0.0], truth)
    inked = with_chance([0.4, 0.4, 0.1, 0.9, 0.1, 1.0, 1.0], truth)
    point = OperatingPoint(target="malignant", aim="sensitivity 0.90", threshold=0.3, sensitivity=0.9, specificity=0.5)
    drawn = {"ink": [clean] * 4 + [inked], "ruler": [clean] * 5}
    found = overlay_table(clean, drawn, point, 100)
    assert (found["images"], found["lesions"]) == (5, 5)
    assert found["clean"]["value"] == pytest.approx(0.2) and "0.300" in found["called_by"]
    row = found["by_name"]["ink"][4]
    assert row["called"]["value"] == pytest.approx(0.6) and row["rise"]["value"] == pytest.approx(0.4)
    assert 0 <= row["rise"]["low"] < 0.4 < row["rise"]["high"]
    assert found["largest"]["overlay"] == "ink" and found["largest"]["severity"] == 5 and not found["met"]
    by_answer = overlay_table(clean, drawn, None, 0)
    assert by_answer["clean"]["value"] == 0 and by_answer["largest"]["rise"]["value"] == pytest.approx(0.2)


def test_a_rise_of_nothing_meets_the_aim() -> None:
    found = overlay_table(CLEAN, {"ink": [CLEAN] * 5}, None, 50)
    assert found["met"] and found["largest"]["rise"] == {"value": 0, "low": 0, "high": 0}


def test_no_benign_image() -> None:
    only = answers([MEL, NV], [MEL, MEL])
    found = overlay_table(only, {"ink": [only] * 5})
    assert found == {"images": 0, "undefined": "no image shows a benign lesion"}


def test_mistakes(draw: Draw) -> None:
    other = draw(10)
    for table in (
        lambda: corruption_table(CLEAN, {"fog": [other] * 5}),
        lambda: flip_table(CLEAN, {"lit": {"a": other}}),
        lambda: overlay_table(CLEAN, {"ink": [other] * 5}),
    ):
        with pytest.raises(DataError, match=r"truth or the lesions|different images"):
            table()
    with pytest.raises(DataError, match="4 severities, not 5"):
        corruption_table(CLEAN, {"fog": [CLEAN] * 4})
    with pytest.raises(UsageError, match="too few"):
        flip_table(CLEAN, {"lit": {"a": CLEAN}}, resamples=7)
