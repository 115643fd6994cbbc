"""Marks of a ruler: components as scipy finds them, and rows that are regular or not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionlab.data.tickmarks import LONGEST_ROW, Marks, components, longest_row, marks, scale


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    share=st.floats(0, 1),
    shape=st.tuples(st.integers(1, 24), st.integers(1, 24)),
)
def test_components_are_scipys(seed: int, share: float, shape: tuple[int, int]) -> None:
    from scipy.ndimage import label

    dark = np.random.default_rng(seed).random(shape) < share
    rows, columns, number = components(dark)
    expected, count = label(dark, np.ones((3, 3)))
    assert np.array_equal(np.stack([rows, columns]), np.nonzero(dark))
    pairs = set(zip(number.tolist(), expected[rows, columns].tolist(), strict=True))
    assert len(pairs) == count == len(set(number.tolist()))


def row_of(count: int, gap: float = 0.05, length: float = 12.0, direction: float = math.pi / 2) -> Marks:
    """Return upright marks beside each other."""
    centres = np.stack([np.full(count, 0.05), 0.05 + gap * np.arange(count)], axis=1)
    return Marks(centres, np.full(count, direction), np.full(count, length))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 8])
def test_marks_in_a_row_are_counted(count: int) -> None:
    assert longest_row(row_of(count)) == count
    assert longest_row(row_of(count, direction=math.pi / 3)) == count


def test_a_long_row_is_counted_up_to_a_limit() -> None:
    assert longest_row(row_of(30, gap=0.03)) == LONGEST_ROW


def test_what_is_no_row() -> None:
    assert longest_row(row_of(6, direction=0.0)) == 1  # a dashed line
    assert longest_row(row_of(4, gap=0.25)) == 1  # too far apart
    uneven = row_of(4)
    uneven.centres[:, 1] = (0.05, 0.08, 0.18, 0.22)
    assert longest_row(uneven) == 2
    unlike = row_of(4)
    unlike.lengths[:] = (6, 18, 6, 18)
    assert longest_row(unlike) == 2  # each other one
    crossed = row_of(4)
    crossed.directions[1::2] = math.pi / 4
    assert longest_row(crossed) == 2


@given(seed=st.integers(0, 500), count=st.integers(3, 7))
def test_others_beside_a_row_do_not_hide_it(seed: int, count: int) -> None:
    """In any order, and however many marks lie about."""
    rng = np.random.default_rng(seed)
    row, order = row_of(count), rng.permutation(count + 5)
    of = Marks(
        np.concatenate([row.centres, rng.random((5, 2))])[order],
        np.concatenate([row.directions, rng.uniform(0, math.pi, 5)])[order],
        np.concatenate([row.lengths, rng.uniform(5, 20, 5)])[order],
    )
    assert longest_row(of) >= count


def test_marks_of_a_picture() -> None:
    """Of a tick, a spot, a long line, a tick in the middle and a pixel, only the first is a mark."""
    dark = np.zeros((200, 200), dtype=bool)
    dark[5:17, 40:42] = True
    dark[5:13, 80:88] = True
    dark[190:192, 20:180] = True
    dark[100:112, 100:102] = True
    dark[3, 150] = True
    found = marks(dark)
    assert found.centres == pytest.approx(np.array([[10.5, 40.5]]) / 200)
    assert found.lengths == pytest.approx([12]) and abs(found.directions[0]) == pytest.approx(math.pi / 2)
    assert len(marks(np.zeros((50, 50), dtype=bool)).lengths) == 0


def test_a_row_by_chance_among_many_marks_is_no_scale() -> None:
    dark = np.zeros((200, 200), dtype=bool)
    for x in (40, 55, 70):
        dark[5:17, x : x + 2] = True
    assert scale(dark) == longest_row(marks(dark)) == 3
    for y, x in ((60, 8), (90, 20), (95, 9), (140, 25), (170, 190), (130, 186), (60, 180)):
        dark[y : y + 2, x : x + 12] = True
    assert len(marks(dark).lengths) == 10 and longest_row(marks(dark)) == 3
    assert scale(dark) == 0
