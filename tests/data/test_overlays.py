"""What is drawn over photographs: where it lies, what stays as more is added, and what shows through."""

from __future__ import annotations

import numpy as np
import pytest

from lesionlab.data import overlays
from lesionlab.data.overlays import Map

SIDE = 160
SKIN: Map = np.full((SIDE, SIDE, 3), 0.8, np.float32)


def drawn(name: str, severity: int, seed: int = 0, image: Map = SKIN) -> Map:
    """Return an image with one overlay."""
    found: Map = getattr(overlays, name)(image, np.random.default_rng(seed), severity)
    assert found.shape == image.shape and found.dtype == np.float32
    return found


def covered(name: str, severity: int, seed: int = 0) -> np.ndarray:
    """Return which pixels of plain skin an overlay changes by more than a tenth."""
    return (np.abs(drawn(name, severity, seed) - SKIN) > 0.1).any(axis=2)


def test_hairs_stay_and_others_join_them() -> None:
    for severity in (1, 2, 3, 4):
        fewer, more = covered("hair", severity), covered("hair", severity + 1)
        assert not (fewer & ~more).any() and more.sum() > fewer.sum()


def test_hairs_are_dark_and_thin() -> None:
    found = drawn("hair", 5)
    assert found.min() < 0.3 and found.max() <= 0.8
    rows = covered("hair", 1)
    assert rows.sum() < 0.02 * SIDE**2


def test_a_ruler_has_regular_ticks_at_one_border() -> None:
    borders = set()
    for seed in range(12):
        for turn in range(4):
            place = np.rot90(covered("ruler", 3, seed), -turn)
            if place[: SIDE // 4].sum() == place.sum():
                borders.add(turn)
                middle = round((overlays.RULER_INSET[2] + 0.5 * overlays.RULER_TICK[2]) * SIDE)
                begins = np.flatnonzero(np.diff(place[middle].astype(int)) == 1)
                assert len(begins) == pytest.approx(1 / overlays.TICK_STEP, abs=2)
                assert np.ptp(np.diff(begins)) <= 1
    assert borders == {0, 1, 2, 3}


def test_a_ruler_nears_the_middle() -> None:
    """At the greatest severity it reaches into a third of the frame, at the least it keeps to the border."""

    def reach(severity: int) -> int:
        rows = covered("ruler", severity)
        return max(min(line, SIDE - 1 - line) for line in np.flatnonzero(rows.all(axis=0) | rows.all(axis=1)))

    assert reach(3) < 0.07 * SIDE < 0.15 * SIDE < reach(5) < 0.35 * SIDE


def test_ink_lies_around_the_middle_and_lets_its_colour_through() -> None:
    y, x = np.mgrid[0:SIDE, 0:SIDE] - (SIDE - 1) / 2
    for severity in (1, 3, 5):
        for seed in range(6):
            marked = covered("ink", severity, seed)
            assert marked.any() and np.hypot(y, x)[marked].min() > 0.25 * SIDE
    ink = drawn("ink", 5)[covered("ink", 5)].mean(axis=0)
    assert ink[0] < 0.5 and ink[1:].max() > 1.3 * ink[0]
    black = drawn("ink", 5, image=np.zeros_like(SKIN))
    assert not black.any()


def test_ink_has_several_colours() -> None:
    colours = [drawn("ink", 5, seed)[covered("ink", 5, seed)].mean(axis=0) for seed in range(12)]
    assert {int(colour.argmax()) for colour in colours} == {1, 2}


def test_dark_corners_close_in() -> None:
    for severity, radius in enumerate(overlays.CORNERS, start=1):
        found = drawn("bubbles_and_corners", severity)
        assert found[0, 0].max() < 0.2
        middle = np.ones((SIDE, SIDE, 3), np.float32)
        field = drawn("bubbles_and_corners", severity, image=middle)[..., 0] > 0.5
        diagonal = np.diagonal(field)
        assert np.median(np.flatnonzero(np.diff(diagonal.astype(int)))[[0, -1]]) == pytest.approx(SIDE / 2, abs=2)
        seen = np.flatnonzero(diagonal)
        assert (seen[-1] - seen[0]) / SIDE / 2 * np.sqrt(2) == pytest.approx(radius, abs=0.03)


def test_bubbles_have_a_dark_rim_and_shine() -> None:
    found = drawn("bubbles_and_corners", 5)
    inside = np.zeros((SIDE, SIDE), bool)
    inside[SIDE // 4 : -SIDE // 4, SIDE // 4 : -SIDE // 4] = True
    assert (found[inside] > 0.85).any() and (found[inside] < 0.7).any()
