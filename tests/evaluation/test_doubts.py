"""Doubted labels, counted by hand, and found where labels were swapped on purpose."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionlab.diagnoses import CODES
from lesionlab.evaluation.doubts import counted_for, doubts, thresholds
from lesionlab.evaluation.predictions import Predictions

MEL, NV = CODES.index("mel"), CODES.index("nv")


def answers(*rows: tuple[str, str, float]) -> Predictions:
    """Return answers of (lesion, label, probability of melanoma), the rest for nevus."""
    table = np.zeros((len(rows), 7))
    table[:, MEL] = [p for _, _, p in rows]
    table[:, NV] = 1 - table[:, MEL]
    truth = np.array([CODES.index(label) for _, label, _ in rows])
    return Predictions(tuple(f"i{n}" for n in range(len(rows))), tuple(lesion for lesion, _, _ in rows), truth, table)


def test_counted_by_hand() -> None:
    of = answers(
        ("a", "mel", 0.9), ("b", "mel", 0.7), ("c", "mel", 0.2), ("d", "nv", 0.65), ("d", "nv", 0.1), ("e", "nv", 0.0)
    )
    bars = thresholds(of)
    assert bars[MEL] == pytest.approx(0.6) and bars[NV] == pytest.approx(0.75) and np.isinf(bars[0])
    assert counted_for(of).tolist() == [MEL, MEL, NV, MEL, NV, NV]
    found = doubts(of)
    assert [(row["image_id"], row["label"], row["answer"]) for row in found["doubts"]] == [
        ("i2", "mel", "nv"), ("i3", "nv", "mel"),
    ]  # fmt: skip
    assert found["doubts"][0]["margin"] == pytest.approx(0.6) and found["doubts"][1]["margin"] == pytest.approx(0.3)
    assert (found["doubts"][1]["photographs"], found["doubts"][1]["doubted"]) == (2, 1)
    assert (
        found["joint"]["mel"]["nv"] == 1 and found["joint"]["nv"]["nv"] == 2 and found["share"] == pytest.approx(1 / 3)
    )
    assert found["thresholds"]["akiec"] is None


def test_an_image_below_every_bar_counts_for_none() -> None:
    of = answers(("a", "mel", 1.0), ("b", "nv", 0.0), ("c", "nv", 0.5), ("d", "mel", 0.5))
    assert counted_for(of).tolist() == [MEL, NV, -1, -1] and doubts(of)["doubts"] == []


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000))
def test_swapped_labels_are_all_that_is_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(7), 12)
    table = rng.dirichlet(np.ones(7), len(truth))
    table[np.arange(len(truth)), truth] = 0
    table *= 0.1 / table.sum(axis=1, keepdims=True)
    table[np.arange(len(truth)), truth] = 0.9
    swapped = rng.choice(len(truth), 5, replace=False)
    told = truth.copy()
    told[swapped] = (truth[swapped] + 1) % 7
    names = tuple(map(str, range(len(truth))))
    found = doubts(Predictions(names, names, told, table))
    first = {row["image_id"]: row["answer"] for row in found["doubts"]}
    assert first == {str(row): CODES[truth[row]] for row in swapped}


def test_right_answers_leave_no_doubt() -> None:
    assert doubts(answers(("a", "mel", 1.0), ("b", "nv", 0.0)))["doubts"] == []
