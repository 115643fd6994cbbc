"""Parts of photographs hidden: what is covered, and with which colour."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionlab.data.hiding import boxed, colour_around, filled, grown

SKIN, LESION, CORNER = (200, 160, 150), (90, 50, 40), (0, 0, 0)


def photograph() -> tuple[np.ndarray, np.ndarray]:
    """Return pixels (100, 100, 3) of a lesion on skin with dark corners, and the lesion's mask."""
    pixels = np.full((100, 100, 3), SKIN, np.uint8)
    for rows in (slice(0, 20), slice(80, 100)):
        pixels[rows, :20] = pixels[rows, 80:] = CORNER
    mask = np.zeros((100, 100), bool)
    mask[40:60, 30:70] = True
    pixels[mask] = LESION
    return pixels, mask


def test_a_pixel_grows_to_a_disc() -> None:
    """At 100 pixels the margin is 3: a disc of that radius has 29 pixels."""
    mask = np.zeros((100, 100), bool)
    mask[50, 50] = True
    found = grown(mask)
    assert found.sum() == 29 and found[50, 53] and found[52, 52] and not found[53, 51] and not found[50, 54]


def test_the_box_is_the_smallest() -> None:
    region = np.zeros((6, 6), bool)
    region[1, 4] = region[3, 2] = True
    wanted = np.zeros((6, 6), bool)
    wanted[1:4, 2:5] = True
    np.testing.assert_array_equal(boxed(region), wanted)


def test_the_colour_is_that_of_the_skin_beside() -> None:
    pixels, mask = photograph()
    np.testing.assert_array_equal(colour_around(pixels, grown(mask)), SKIN)
    pixels[:, 25:28] = 0  # a hair beside the lesion
    np.testing.assert_array_equal(colour_around(pixels, grown(mask)), SKIN)
    all_but_a_column = np.tile(np.arange(100) > 0, (100, 1))
    np.testing.assert_array_equal(colour_around(pixels, all_but_a_column), SKIN)


def test_a_filled_part_leaves_the_photograph_as_it_was() -> None:
    pixels, mask = photograph()
    before = pixels.copy()
    pixels.flags.writeable = False
    found = filled(pixels, mask, np.array([1.4, 2.6, 254.5]))
    np.testing.assert_array_equal(pixels, before)
    np.testing.assert_array_equal(found[mask], np.tile((1, 3, 254), (int(mask.sum()), 1)))
    np.testing.assert_array_equal(found[~mask], before[~mask])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0.001, 0.6))
def test_a_mask_lies_in_its_growth_and_that_in_its_box(seed: int, share: float) -> None:
    mask = np.random.default_rng(seed).random((40, 40)) < share
    mask[seed % 40, seed // 40 % 40] = True
    region = grown(mask)
    assert region[mask].all() and boxed(region)[region].all()
    np.testing.assert_array_equal(boxed(boxed(region)), boxed(region))
