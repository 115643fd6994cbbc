"""Insertion, deletion and the pointing game by hand-computed answers, and the table that compares methods."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.evaluation.faithfulness import (
    GRID,
    MEASURES,
    STEPS,
    area,
    faithfulness_rows,
    faithfulness_table,
    order,
    pointing,
    verdict,
    walk,
)
from lesionlab.evaluation.predictions import Floats

SIDE = 2 * GRID
WORDS = {"grad_cam": "Grad-CAM", "centre": "centre Gaussian"}


def measures(n: int, **values: float) -> dict[str, Floats]:
    """Return the same values for n images, NaN where none are given."""
    return {name: np.full(n, values.get(name, np.nan)) for name in MEASURES}


def test_the_most_important_squares_come_first() -> None:
    maps = np.zeros((2, SIDE, SIDE), np.float32)
    maps[0, 4:6, 8:10] = 1
    maps[0, 0, 0] = 2  # alone in its square, whose mean is lower than the next one's
    maps[1] = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    places = order(maps)
    assert places[0, 2 * GRID + 4] == 0 and places[0, 0] == 1
    np.testing.assert_array_equal(places[1], np.arange(GRID * GRID)[::-1])


@pytest.mark.parametrize("side", [GRID, 45, 64])
def test_equal_squares_come_in_a_drawn_order_at_any_size(side: int) -> None:
    places = order(np.zeros((2, side, side), np.float32))
    np.testing.assert_array_equal(np.sort(places, axis=1), np.broadcast_to(np.arange(GRID * GRID), places.shape))
    assert not np.array_equal(places[0], np.arange(GRID * GRID))
    np.testing.assert_array_equal(places[0], places[1])


def brightness(pixels: np.ndarray) -> Floats:
    return np.asarray(pixels.mean(axis=(1, 2, 3)) / 255)


def test_walks_go_from_one_image_to_the_other_by_equal_areas() -> None:
    places = order(np.zeros((1, SIDE, SIDE), np.float32))
    black, white = (np.full((1, SIDE, SIDE, 3), value, np.uint8) for value in (0, 255))
    inserted, deleted = walk(black, white, places, brightness), walk(white, black, places, brightness)
    np.testing.assert_allclose(inserted[0], np.arange(STEPS + 1) / STEPS, atol=1 / GRID**2)
    np.testing.assert_allclose(inserted + deleted, 1)


def test_a_map_of_what_decides_beats_one_that_misses_it() -> None:
    """Only a quarter of the frame matters: found first, the answer is there after a quarter of the way."""
    erased, whole = np.zeros((1, SIDE, SIDE, 3), np.uint8), np.zeros((1, SIDE, SIDE, 3), np.uint8)
    whole[:, : SIDE // 2, : SIDE // 2] = 255
    right = whole[..., 0].astype(np.float32)

    def chance(pixels: np.ndarray) -> Floats:
        return 4 * brightness(pixels)

    gaps = {}
    for name, maps in (("right", right), ("wrong", 1 - right / 255)):
        places = order(maps)
        gaps[name] = (area(walk(erased, whole, places, chance)) - area(walk(whole, erased, places, chance)))[0]
    assert gaps["right"] == pytest.approx(0.75, abs=0.02)
    assert gaps["wrong"] == pytest.approx(-0.75, abs=0.02)


def test_areas_by_hand() -> None:
    straight = np.linspace(0, 1, STEPS + 1)
    late = np.zeros(STEPS + 1)
    late[-1] = 1
    np.testing.assert_allclose(area(np.stack([straight, late, np.ones(STEPS + 1)])), [0.5, 0.5 / STEPS, 1])


@given(st.integers(0, 2**32 - 1))
def test_scale_and_lesser_values_do_not_move_the_maximum(seed: int) -> None:
    generator = np.random.default_rng(seed)
    maps, masks = generator.random((3, 8, 8)).astype(np.float32), generator.random((3, 8, 8)) < 0.5
    found = pointing(maps, masks)
    assert set(found) <= {0.0, 1.0}
    np.testing.assert_array_equal(pointing(maps**2 / 2, masks), found)
    np.testing.assert_array_equal(pointing(maps, ~masks), 1 - found)


def test_a_shared_maximum_counts_in_parts_and_an_empty_map_not_at_all() -> None:
    maps = np.zeros((2, 4, 4), np.float32)
    maps[0, 0] = 1
    masks = np.zeros((2, 4, 4), bool)
    masks[:, 0, 0] = True
    np.testing.assert_array_equal(pointing(maps, masks), [0.25, np.nan])


def test_the_table_compares_on_the_images_that_both_have() -> None:
    generator = np.random.default_rng(0)
    better, centre = measures(60), measures(60)
    for name in MEASURES:
        centre[name] = generator.random(60)
        better[name] = centre[name] + 0.1
    better["inside"][:10] = np.nan
    table = faithfulness_table({"grad_cam": better, "centre": centre}, np.full(60, 0.3), np.arange(60), 200)
    mine = table["methods"]["grad_cam"]
    assert mine["images"] == {name: 50 if name == "inside" else 60 for name in MEASURES}
    for name in MEASURES:
        assert mine["measures"][name]["value"] == pytest.approx(np.nanmean(better[name]))
        assert [mine["against_centre"][name][key] for key in ("value", "low", "high")] == pytest.approx([0.1] * 3)
    assert table["chance"]["value"] == pytest.approx(0.3)
    assert table["methods"]["centre"]["against_centre"]["gap"] == {"value": 0, "low": 0, "high": 0}
    assert mine["measures"]["gap"]["high"] - mine["measures"]["gap"]["low"] > 0.05
    rows = faithfulness_rows(table)
    assert [row[0] for row in rows] == list(WORDS.values())
    assert all(cell.endswith("]*") for cell in rows[0][1:]) and not any("*" in cell for cell in rows[1])


@pytest.mark.parametrize(
    ("more", "said"), [(0.1, "rest on better than"), (-0.1, "rest on worse than"), (None, "rest on no better, as")]
)
def test_the_verdict_goes_by_the_interval_of_the_difference(more: float | None, said: str) -> None:
    centre, mine = measures(50, inside=0.5, gap=0.2), measures(50, inside=0.7, gap=0.2)
    mine["gap"] = centre["gap"] + (more if more else np.random.default_rng(0).normal(0, 1, 50))
    table = faithfulness_table({"grad_cam": mine, "centre": centre}, np.full(50, 0.25), np.arange(50), 100)
    told = verdict(table, "grad_cam")
    assert said in told
    assert told.endswith("70% of its energy is inside the lesion, of the centre's 50%, of an even map's 25%.")


def test_without_masks_and_without_curves() -> None:
    none = np.full(20, np.nan)
    table = faithfulness_table({"grad_cam": measures(20), "centre": measures(20)}, none, np.arange(20), 100)
    assert table["chance"] == {"value": None, "low": None, "high": None}
    assert "undefined" in verdict(table, "grad_cam")
    assert set(faithfulness_rows(table)[0][1:]) == {"undefined"}
    some = {"grad_cam": measures(20, gap=0.3), "centre": measures(20, gap=0.1)}
    told = verdict(faithfulness_table(some, none, np.arange(20), 0), "grad_cam")
    assert "0.300" in told and "lesion" not in told
