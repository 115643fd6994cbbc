"""Detectors of hair, dark corners, ink and rulers, on drawn photographs with and without each of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from lesionlab.data.cases import Case
from lesionlab.data.traits import SIDE, TRAITS, black_top_hat, dark_corners, hair, ink, marked, measure, ruler, traits
from lesionlab.errors import ImageError

MIDDLE = SIDE / 2
Painter = Callable[[ImageDraw.ImageDraw], None]


def photograph(*painters: Painter, seed: int = 0) -> np.ndarray:
    """Return rosy skin with a brown blotched lesion, painted over, a little blurred and noisy."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (SIDE, SIDE), (222, 172, 158))
    draw = ImageDraw.Draw(image)
    draw.ellipse((70, 75, 150, 145), fill=(128, 80, 62))
    for x, y in rng.uniform(85, 130, (12, 2)):
        draw.ellipse((x, y, x + 9, y + 9), fill=(96, 58, 46))
    for paint in painters:
        paint(draw)
    pixels = np.asarray(image.filter(ImageFilter.GaussianBlur(0.6))) + rng.normal(0, 4, (SIDE, SIDE, 3))
    return np.uint8(np.clip(pixels, 0, 255))


def some_hair(draw: ImageDraw.ImageDraw) -> None:
    for x in (40, 90, 130, 175):
        draw.line([(x, 20), (x + 15, 80), (x + 22, 150), (x + 18, 210)], fill=(60, 42, 36), width=2)


def one_hair(draw: ImageDraw.ImageDraw) -> None:
    draw.line([(30, 10), (60, 60), (100, 105), (150, 140), (210, 165)], fill=(60, 42, 36), width=3)


def field_of_view(draw: ImageDraw.ImageDraw) -> None:
    for reach in range(120, 175):
        box = (MIDDLE - reach, MIDDLE - reach, MIDDLE + reach, MIDDLE + reach)
        draw.ellipse(box, outline=(8, 6, 6), width=2)


def two_dark_corners(draw: ImageDraw.ImageDraw) -> None:
    draw.polygon([(0, 0), (50, 0), (0, 50)], fill=(20, 14, 14))
    draw.polygon([(SIDE, 0), (SIDE - 50, 0), (SIDE, 50)], fill=(20, 14, 14))


def violet_pen(draw: ImageDraw.ImageDraw) -> None:
    draw.line([(20, 40), (18, 90), (24, 130)], fill=(92, 62, 160), width=6)


def green_pen(draw: ImageDraw.ImageDraw) -> None:
    draw.arc((25, 25, 200, 200), 20, 70, fill=(50, 140, 90), width=5)


def straight_scale(draw: ImageDraw.ImageDraw) -> None:
    for number in range(9):
        draw.line([(25 + 20 * number, 4), (25 + 20 * number, 16 if number % 5 else 22)], fill=(30, 24, 24), width=2)


def bent_scale(draw: ImageDraw.ImageDraw) -> None:
    """Marks on the rim of a lens, in the upper right corner."""
    for degrees in range(-70, -20, 8):
        x, y = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        ends = [(MIDDLE + reach * x, MIDDLE + reach * y) for reach in (122, 136)]
        draw.line(ends, fill=(30, 24, 24), width=3)


SHOWN: dict[str, tuple[str, Painter]] = {
    "hairs": ("hair", some_hair),
    "one thick hair": ("hair", one_hair),
    "round field of view": ("dark corners", field_of_view),
    "two dark corners": ("dark corners", two_dark_corners),
    "violet pen": ("ink", violet_pen),
    "green pen": ("ink", green_pen),
    "straight scale": ("ruler", straight_scale),
    "bent scale": ("ruler", bent_scale),
}


@pytest.mark.parametrize("what", SHOWN)
@pytest.mark.parametrize("quarters", [0, 1])
def test_each_trait_is_marked_and_no_other(what: str, quarters: int) -> None:
    trait, painter = SHOWN[what]
    found = marked(traits(np.rot90(photograph(painter), quarters)))
    assert [name for name, there in found.items() if there] == [trait]


@pytest.mark.parametrize("seed", range(4))
def test_plain_skin_has_no_trait(seed: int) -> None:
    assert not any(marked(traits(photograph(seed=seed))).values())


def test_all_traits_at_once() -> None:
    assert all(marked(traits(photograph(some_hair, violet_pen, straight_scale, two_dark_corners))).values())


def vessels(draw: ImageDraw.ImageDraw) -> None:
    for x in (30, 60, 170):
        draw.line([(x, 20), (x + 15, 80), (x + 22, 150), (x + 18, 210)], fill=(205, 120, 118), width=2)


def blue_nevus(draw: ImageDraw.ImageDraw) -> None:
    draw.ellipse((80, 80, 145, 145), fill=(70, 84, 140))


def dots(draw: ImageDraw.ImageDraw) -> None:
    for x, y in np.random.default_rng(1).uniform(5, SIDE - 5, (40, 2)):
        draw.ellipse((x, y, x + 4, y + 4), fill=(60, 42, 36))


def stubble(draw: ImageDraw.ImageDraw) -> None:
    """Short hairs in no order."""
    for x, y, angle in np.random.default_rng(3).uniform((5, 5, 0), (SIDE - 5, SIDE - 5, math.pi), (9, 3)):
        draw.line([(x, y), (x + 12 * math.cos(angle), y + 12 * math.sin(angle))], fill=(60, 42, 36), width=2)


@pytest.mark.parametrize("painter", [vessels, blue_nevus, dots, stubble])
def test_what_looks_alike_is_not_marked(painter: Painter) -> None:
    assert not any(marked(traits(photograph(painter))).values())


def test_numbers_mean_what_they_say() -> None:
    assert ruler(photograph(straight_scale)) == 9
    assert 0.01 < hair(photograph(some_hair)) < 0.06  # four lines of two pixels and 190 long are 3 % of the frame
    assert dark_corners(photograph(two_dark_corners)) == pytest.approx(0.9, abs=0.05)
    assert ink(photograph(violet_pen)) == pytest.approx(90 * 6 / SIDE**2, rel=0.4)
    one_corner = photograph(lambda draw: draw.polygon([(0, 0), (50, 0), (0, 50)], fill=(20, 14, 14)))
    assert dark_corners(one_corner) < 0.1


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 999), level=st.integers(0, 255), noise=st.integers(0, 200))
def test_any_picture_has_numbers(seed: int, level: int, noise: int) -> None:
    """Shares lie in 0 to 1, and dark corners and ink are the same however the picture is turned."""
    drawn = np.random.default_rng(seed).normal(level, noise, (SIDE, SIDE, 3))
    pixels = np.uint8(np.clip(drawn, 0, 255))
    values = traits(pixels)
    assert list(values) == list(TRAITS)
    assert all(0 <= values[name] <= 1 for name in ("hair", "dark corners", "ink")) and values["ruler"] >= 0
    for turned in (np.rot90(pixels), pixels[:, ::-1]):
        assert (dark_corners(turned), ink(turned)) == (values["dark corners"], values["ink"])


def test_top_hat_fills_what_is_narrow() -> None:
    channel = np.full((40, 40), 200, np.uint8)
    channel[10:13] = 80
    channel[20:35] = 120
    hat = black_top_hat(channel, 7)
    assert (hat[10:13] == 120).all() and hat[:10].max() == hat[13:].max() == 0
    assert hair(np.full((SIDE, SIDE, 3), 200, np.uint8)) == 0


def test_files_are_measured(tmp_path: Path) -> None:
    cases, told = [], []
    for name, painters in (("plain", ()), ("pen", (violet_pen,))):
        Image.fromarray(photograph(*painters)).resize((448, 336)).save(tmp_path / f"{name}.png")
        cases.append(Case(name, str(tmp_path / f"{name}.png"), "nv", name))
    found = measure(cases, 4 / 3, lambda *progress: told.append(progress))
    assert [marked(found[name])["ink"] for name in ("plain", "pen")] == [False, True]
    assert told == [("measuring traits", 1, 2), ("measuring traits", 2, 2)]
    with pytest.raises(ImageError, match="gone"):
        measure([Case("gone", str(tmp_path / "gone.png"), "nv", "gone")])
