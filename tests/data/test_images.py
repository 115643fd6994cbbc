"""The image door: what comes in comes out as upright RGB, or is refused with name and reason."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lesionlab.data import images
from lesionlab.data.images import accept_image, frame, load_image, one_line, read_content, squash
from lesionlab.errors import ImageError

RNG = np.random.default_rng(3)
PIXELS = RNG.integers(0, 256, (40, 60, 3), dtype=np.uint8)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def refusal(content: bytes | Path, name: str = "lesion.jpg") -> str:
    with pytest.raises(ImageError) as caught:
        load_image(content, name)
    assert caught.value.message.startswith(f"{name}: ")
    assert "\n" not in str(caught.value)
    return caught.value.message


LOSSLESS: list[tuple[str, dict[str, Any]]] = [
    ("PNG", {}),
    ("BMP", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("TIFF", {"compression": "packbits"}),
    ("WEBP", {"lossless": True}),
]


@pytest.mark.parametrize(("kind", "options"), LOSSLESS)
def test_lossless_formats_come_back_exactly(kind: str, options: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "läsion 1.bin"  # by content, not by suffix
    path.write_bytes(encoded(Image.fromarray(PIXELS), kind, **options))
    image = load_image(path)
    assert image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image), PIXELS)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 30, "subsampling": 0}])
def test_jpeg_equals_pillow(options: dict[str, Any]) -> None:
    content = encoded(Image.fromarray(PIXELS), "JPEG", **options)
    np.testing.assert_array_equal(np.asarray(load_image(content)), np.asarray(Image.open(io.BytesIO(content))))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    ramp = np.zeros((40, 60, 3), dtype=np.uint8)
    ramp[:20, :, 0] = 200
    ramp[:, :30, 1] = 200
    exif = Image.Exif()
    exif[274] = orientation
    options = {"JPEG": {"quality": 95}, "WEBP": {"lossless": True}}.get(kind, {})
    content = encoded(Image.fromarray(ramp), kind, exif=exif, **options)
    upright = {
        1: ramp,
        2: ramp[:, ::-1],
        3: ramp[::-1, ::-1],
        4: ramp[::-1],
        5: ramp.swapaxes(0, 1),
        6: np.rot90(ramp, -1),
        7: np.rot90(ramp, 2).swapaxes(0, 1),
        8: np.rot90(ramp),
    }[orientation]
    found = np.asarray(load_image(content)).astype(int)
    assert found.shape == upright.shape
    assert np.abs(found - upright).mean() < 3


def test_metadata_is_dropped() -> None:
    exif = Image.Exif()
    exif[271] = "Camera of Jane Doe"
    told = {"exif": exif, "comment": b"Jane Doe", "dpi": (300, 300), "icc_profile": b"x" * 200}
    content = encoded(Image.fromarray(PIXELS), "JPEG", **told)
    image = load_image(content)
    assert type(image) is Image.Image
    assert image.info == {}
    assert not image.getexif()
    assert b"Jane" not in encoded(image, "PNG")


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_keeps_its_brightness(kind: str) -> None:
    deep = np.linspace(0, 65535, 40 * 60).reshape(40, 60).astype(np.uint16)
    grey = np.asarray(load_image(encoded(Image.fromarray(deep), kind)))
    np.testing.assert_array_equal(grey, np.repeat((deep >> 8).astype(np.uint8)[..., None], 3, axis=2))


def test_16_bit_grey_of_another_scale_is_refused() -> None:
    twelve_bits = encoded(Image.fromarray(np.full((40, 60), 4095, dtype=np.uint16)), "TIFF", tiffinfo={281: 4095})
    assert "16-bit grey of an uncommon scale" in refusal(twelve_bits)
    white_is_zero = encoded(Image.fromarray(np.zeros((40, 60), dtype=np.uint16)), "TIFF", tiffinfo={262: 0})
    assert "16-bit grey of an uncommon scale" in refusal(white_is_zero)


def test_32_bit_pixels_are_refused() -> None:
    assert "mode F" in refusal(encoded(Image.fromarray(np.ones((40, 60), dtype=np.float32)), "TIFF"))
    assert "mode I" in refusal(encoded(Image.fromarray(np.ones((40, 60), dtype=np.int32)), "TIFF"))


def test_transparency_shows_white() -> None:
    layers = np.dstack([PIXELS, np.zeros((40, 60), dtype=np.uint8)])
    layers[:, 30:, 3] = 255
    shown = np.asarray(load_image(encoded(Image.fromarray(layers), "PNG")))
    assert (shown[:, :30] == 255).all()
    np.testing.assert_array_equal(shown[:, 30:], PIXELS[:, 30:])


def test_palette_with_transparency() -> None:
    index = np.zeros((40, 60), dtype=np.uint8)
    index[:, 30:] = 1
    image = Image.fromarray(index, mode="P")
    image.putpalette([10, 20, 30, 200, 100, 50])
    shown = np.asarray(load_image(encoded(image, "PNG", transparency=0)))
    assert (shown[:, :30] == 255).all()
    assert (shown[:, 30:] == (200, 100, 50)).all()


def test_invisible_image_is_refused() -> None:
    assert "transparent all over" in refusal(encoded(Image.new("RGBA", (40, 40)), "PNG"))


def test_cmyk_grey_and_one_bit() -> None:
    cmyk = load_image(encoded(Image.new("CMYK", (40, 40), (0, 255, 255, 0)), "JPEG", quality=95))
    red = np.asarray(cmyk)[20, 20].astype(int)
    assert red[0] > 200
    assert red[1:].max() < 60
    assert np.asarray(load_image(encoded(Image.new("1", (40, 40), 1), "PNG"))).min() == 255
    assert np.asarray(load_image(encoded(Image.new("L", (40, 40), 77), "BMP"))).max() == 77


def test_multi_picture_file_is_its_first_frame() -> None:
    first, second = Image.fromarray(PIXELS), Image.new("RGB", (60, 40), "blue")
    content = encoded(first, "MPO", save_all=True, append_images=[second], quality=95)
    plain = encoded(first, "JPEG", quality=95)
    np.testing.assert_array_equal(np.asarray(load_image(content)), np.asarray(load_image(plain)))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_animations_and_pages_are_refused(kind: str) -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "green", "blue")]
    said = refusal(encoded(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert "animation" in said or "several pages" in said


@pytest.mark.parametrize("kind", ["GIF", "JPEG2000", "TGA", "PPM", "ICO"])
def test_other_formats_are_refused(kind: str) -> None:
    assert "neither JPEG, PNG, WebP, TIFF, BMP nor DICOM" in refusal(encoded(Image.fromarray(PIXELS), kind))


SIZES_REFUSED = {
    (1, 1): "too small",
    (15, 100): "too small",
    (60000, 1): "too small",
    (1, 60000): "too small",
    (400, 20): "no photograph's shape",
    (5001, 5000): "megapixels",
}


@pytest.mark.parametrize(("size", "reason"), SIZES_REFUSED.items())
def test_sizes_refused(size: tuple[int, int], reason: str) -> None:
    assert reason in refusal(encoded(Image.new("L", size), "PNG"))


def test_files_that_are_no_images(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe.jpg")
    assert "the file is empty" in refusal(tmp_path / "empty.jpg")
    assert "not a regular file" in refusal(tmp_path / "pipe.jpg")
    assert "no such file" in refusal(tmp_path / "no.jpg")
    assert "a folder" in refusal(tmp_path)
    with pytest.raises(ImageError, match=re.escape(str(tmp_path / "no.jpg"))):
        load_image(tmp_path / "no.jpg")


def test_byte_limit_holds_before_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "huge.jpg"
    with path.open("wb") as file:
        file.truncate(images.MAX_BYTES + 1)  # a sparse file: reading it would take the memory
    assert "larger than 80 MiB" in refusal(path, str(path))
    monkeypatch.setattr(images, "MAX_BYTES", 10)
    assert "larger than" in refusal(b"\xff\xd8\xff" + bytes(20))


def test_messages_stay_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "two\nlines\x1b[31m.jpg"
    path.write_bytes(b"no image")
    with pytest.raises(ImageError) as caught:
        load_image(path)
    assert str(caught.value).isprintable()
    assert len(one_line("x" * 5000)) <= 301


def test_read_content_gives_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"abc")
    assert read_content(tmp_path / "a.jpg") == b"abc"
    with pytest.raises(ImageError, match="no such file"):
        read_content(tmp_path / "b.jpg")


def test_squash_averages_areas() -> None:
    image = Image.fromarray(PIXELS)
    small = squash(image, 20)
    assert small.shape == (20, 20, 3)
    assert small.dtype == np.uint8
    assert small.flags.c_contiguous
    assert small.flags.writeable
    expected = PIXELS.reshape(20, 2, 20, 3, 3).astype(float).mean(axis=(1, 3))
    assert np.abs(small - expected).max() <= 1


def test_squash_keeps_its_own_size_exactly() -> None:
    square = RNG.integers(0, 256, (48, 48, 3), dtype=np.uint8)
    np.testing.assert_array_equal(squash(Image.fromarray(square), 48), square)


@pytest.mark.parametrize(
    ("size", "framed"),
    [
        ((600, 450), (600, 450)),
        ((1200, 600), (800, 600)),
        ((600, 500), (600, 450)),
        ((450, 600), (600, 450)),
        ((600, 1200), (800, 600)),
        ((1000, 1000), (1000, 750)),
        ((321, 321), (321, 241)),
        ((320, 320), (320, 320)),
        ((224, 224), (224, 224)),
    ],
)
def test_a_photograph_is_framed_to_the_shape_that_was_trained_on(
    size: tuple[int, int], framed: tuple[int, int]
) -> None:
    image = Image.new("RGB", size)
    assert frame(image, 4 / 3).size == framed
    assert frame(image, 1.0).size == size


def test_the_frame_is_the_middle_and_an_upright_photograph_is_turned() -> None:
    plane = np.arange(30 * 80).reshape(30, 80).astype(np.uint8)
    wide = Image.fromarray(np.repeat(plane[..., None], 3, axis=2))
    np.testing.assert_array_equal(np.asarray(frame(wide, 4 / 3))[..., 0], plane[:, 20:60])
    upright = wide.transpose(Image.Transpose.ROTATE_90)
    for aspect, image in ((4 / 3, upright), (3 / 4, wide)):
        turned = np.asarray(frame(image, aspect))
        assert turned.shape[:2] == ((30, 40) if aspect > 1 else (40, 30))
    middle = wide.transpose(Image.Transpose.ROTATE_180).crop((20, 0, 60, 30))
    assert np.asarray(frame(upright, 4 / 3)).tobytes() == np.asarray(middle).tobytes()


def test_squash_frames_first() -> None:
    wide = Image.fromarray(np.concatenate([np.zeros_like(PIXELS), PIXELS, np.zeros_like(PIXELS)], axis=1))
    np.testing.assert_array_equal(squash(wide, 20, 60 / 40), squash(Image.fromarray(PIXELS), 20))


def test_images_in_memory_pass_the_same_door(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    path = tmp_path / "turned.png"
    Image.fromarray(PIXELS).save(path, exif=exif)
    with Image.open(path) as opened:
        np.testing.assert_array_equal(np.asarray(accept_image(opened)), np.asarray(load_image(path)))
    np.testing.assert_array_equal(np.asarray(accept_image(PIXELS)), PIXELS)
    grey = np.asarray(accept_image(PIXELS[..., 0]))
    np.testing.assert_array_equal(grey, np.repeat(PIXELS[..., :1], 3, axis=2))
    layers = Image.fromarray(np.dstack([PIXELS, np.full(PIXELS.shape[:2], 255, np.uint8)]))
    np.testing.assert_array_equal(np.asarray(accept_image(layers)), PIXELS)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (PIXELS.astype(float), "float64"),
        (PIXELS[..., :2], r"\(40, 60, 2\)"),
        (PIXELS[:4], "too small"),
        (Image.new("F", (60, 60)), "mode F"),
        ("lesion.jpg", "a str"),
        (None, "a NoneType"),
    ],
)
def test_images_in_memory_that_are_refused(image: Any, words: str) -> None:
    with pytest.raises(ImageError, match=f"^photograph 3: .*{words}"):
        accept_image(image, "photograph 3")
