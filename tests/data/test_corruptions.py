"""The corruptions: the same on each call, graded, alike at any size, and each doing what its name says."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionlab.data.corruptions import CORRUPTIONS, GRAIN, NOISE, SEVERITIES, Pixels, corrupt, generator, to_map

OPTICAL = ("defocus", "motion blur", "resolution")


def lesion(side: int = 96, detail: float = 25.0) -> Pixels:
    """Return an image with a brown, striped spot on skin, uint8 (side, side, 3)."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    spot = 1 / (1 + np.exp(12 * (np.hypot(x, 1.2 * y) - 0.5)))
    stripes = 1 + 0.3 * np.sin(detail * (x + 0.4 * y))
    skin = np.array([225.0, 170.0, 150.0]) * (1 - 0.05 * x[..., None])
    return np.rint(skin * (1 - 0.5 * spot * stripes)[..., None]).astype(np.uint8)


def change(name: str, severity: int, image_id: str = "one", side: int = 96) -> float:
    """Return the mean absolute change of a pixel, in 0..255."""
    image = lesion(side)
    found = corrupt(image[None], [image_id], name, severity)[0]
    return float(np.abs(found.astype(int) - image).mean())


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_same_for_an_id_and_a_seed_alone(name: str) -> None:
    """What is drawn depends neither on the other images nor on their order."""
    images = np.stack([lesion(64), lesion(64, 9.0), lesion(64)])
    before = images.copy()
    found = corrupt(images, ["a", "b", "c"], name, 5)
    assert found.shape == images.shape and found.dtype == np.uint8
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(found[1:][::-1], corrupt(images[1:][::-1], ["c", "b"], name, 5))
    if name != "brightness":  # which only draws one of two ways
        drawn = name not in ("defocus", "contrast", "JPEG", "resolution")
        assert (found[0] != found[2]).any() == drawn
        assert (corrupt(images[:1], ["a"], name, 5, seed=1) != found[:1]).any() == drawn


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("side", [136, 224])
def test_severity_grades(name: str, side: int) -> None:
    """Each severity changes the image more than the one before it; the first one little, the last not all of it."""
    changes = [np.mean([change(name, level, f"image{i}", side) for i in range(4)]) for level in SEVERITIES]
    assert changes[0] > 0
    assert all(less < more for less, more in pairwise(changes))
    assert changes[0] < 8 and changes[-1] < 60


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_alike_at_any_size(name: str) -> None:
    """A photograph changes as much at 320 pixels a side as at 128, but for noise, which many pixels average out."""
    small, large = (np.mean([change(name, 4, f"image{i}", side) for i in range(4)]) for side in (128, 320))
    assert small == pytest.approx(large, rel=0.45 if name == "noise" else 0.2)


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(list(CORRUPTIONS)),
    severity=st.sampled_from(SEVERITIES),
    side=st.integers(16, 70),
    value=st.integers(0, 255),
    image_id=st.text(max_size=12),
)
def test_any_flat_image(name: str, severity: int, side: int, value: int, image_id: str) -> None:
    """Blur, compression and lost contrast leave one colour as it is; nothing wraps around at black or white."""
    image = np.full((1, side, side, 3), value, np.uint8)
    found = corrupt(image, [image_id], name, severity)
    if name in (*OPTICAL, "contrast", "JPEG"):
        assert np.abs(found.astype(int) - value).max() <= (8 if name == "JPEG" else 2)
    if name in ("hair", "ruler", "ink"):
        assert found.max() <= max(value, 60)


@pytest.mark.parametrize("name", OPTICAL)
def test_blurring_takes_detail_and_keeps_light(name: str) -> None:
    image = lesion(160)
    found = [corrupt(image[None], ["one"], name, level)[0] for level in SEVERITIES]
    detail = [np.abs(np.diff(one.astype(int), axis=1)).mean() for one in (image, *found)]
    assert all(less < 1.02 * more for more, less in pairwise(detail)) and detail[-1] < 0.95 * detail[0]
    assert all(one.mean() == pytest.approx(image.mean(), abs=1.0) for one in found)


def test_defocus_spreads_a_point_over_a_disk() -> None:
    """At severity 5 the radius is .03 of the side: 6 pixels of 200."""
    image = np.zeros((1, 201, 201, 3), np.uint8)
    image[0, 100, 100] = 255
    y, x = np.nonzero(corrupt(image, ["one"], "defocus", 5)[0, ..., 0])
    distance = np.hypot(y - 100, x - 100)
    assert 5 <= distance.max() <= 7.1
    assert len(y) == pytest.approx(np.pi * 6**2, rel=0.2)


def test_motion_spreads_a_point_along_a_line() -> None:
    """At severity 5 the trace is a tenth of the side long, and thin."""
    image = np.zeros((1, 200, 200, 3), np.uint8)
    image[0, 100, 100] = 255
    places = np.argwhere(corrupt(image, ["one"], "motion blur", 5)[0, ..., 0]).astype(float)
    along, across = np.linalg.svd(places - places.mean(0), full_matrices=False)[1] / np.sqrt(len(places))
    assert along == pytest.approx(20 / np.sqrt(12), rel=0.15) and across < 1


def test_fewer_pixels_than_are_left_stay() -> None:
    image = lesion(40)[None]
    np.testing.assert_array_equal(corrupt(image, ["one"], "resolution", 4), image)


def test_noise_has_the_strength_it_says() -> None:
    image = np.full((1, GRAIN, GRAIN, 3), 128, np.uint8)
    for severity in (1, 3):
        spread = to_map(corrupt(image, ["one"], "noise", severity)).std()
        assert spread == pytest.approx(NOISE[severity - 1], rel=0.05)


def test_brightness_goes_both_ways() -> None:
    image = lesion(32)
    ways = {bool(corrupt(image[None], [f"image{i}"], "brightness", 3).mean() > image.mean()) for i in range(12)}
    assert ways == {True, False}


def test_a_cast_moves_channels_apart() -> None:
    image = np.full((1, 32, 32, 3), 120, np.uint8)
    red, green, blue = corrupt(image, ["one"], "colour cast", 4)[0, 0, 0] / 120
    assert max(red, green, blue) > 1.05 and min(red, green, blue) < 0.95
    assert red * green * blue == pytest.approx(1, abs=0.03)


def test_contrast_keeps_the_mean_colour() -> None:
    image = lesion(64)
    found = corrupt(image[None], ["one"], "contrast", 5)[0]
    np.testing.assert_allclose(found.mean((0, 1)), image.mean((0, 1)), atol=1)
    assert found.std() < image.std()


def test_random_numbers_have_their_own_place() -> None:
    keys = ((0, "hair", "a"), (1, "hair", "a"), (0, "ink", "a"), (0, "hair", "b"), (0, "hair", "a"))
    drawn = [generator(*key).random() for key in keys]
    assert len(set(drawn)) == 4 and drawn[0] == drawn[-1]


@pytest.mark.parametrize(
    ("shape", "dtype", "name", "severity"),
    [
        ((1, 32, 32, 3), np.uint8, "fog", 1),
        ((1, 32, 32, 3), np.uint8, "hair", 0),
        ((1, 32, 32, 3), np.uint8, "hair", 6),
        ((1, 32, 24, 3), np.uint8, "hair", 1),
        ((32, 32, 3), np.uint8, "hair", 1),
        ((1, 32, 32, 3), np.float32, "hair", 1),
        ((2, 32, 32, 3), np.uint8, "hair", 1),
    ],
)
def test_mistakes(shape: tuple[int, ...], dtype: type, name: str, severity: int) -> None:
    with pytest.raises(ValueError):
        corrupt(np.zeros(shape, dtype), ["one"], name, severity)
