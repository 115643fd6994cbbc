"""The one door for untrusted pixels: limits before decoding, one colour model after it, no metadata."""

from __future__ import annotations

import os
import stat
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, TiffImagePlugin, UnidentifiedImageError

from lesionlab.data.containers import Container, strip
from lesionlab.errors import ImageError

IMAGE_SUFFIXES: frozenset[str] = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".tif", ".tiff", ".bmp", ".dcm", ".dicom")
)
"""File suffixes, in lower case, that are looked for in folders. The door itself goes by content."""

MAX_BYTES = 80 * 2**20
"""Largest file read: an uncompressed 24-megapixel RGB image takes 69 MiB."""

MAX_PIXELS = 25_000_000
"""Largest image decoded: a 24-megapixel camera's. At 4 bytes a pixel, twice, that stays below 200 MiB."""

MIN_SIDE = 16
MAX_ASPECT = 10
BACKGROUND = (255, 255, 255)
"""What shows through transparent pixels: white, as in a browser or on paper."""

MODES = frozenset(("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "I;16", "I;16B"))
"""Pillow's pixel modes that convert to RGB without a choice of scale; 32-bit, float and LAB need one."""

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings an image of each EXIF orientation upright (EXIF 2.32, tag 274)."""

SQUASHED = 320
"""Largest side, in pixels, of a square image that counts as squashed to a square already."""

# The door refuses or accepts; what Pillow has to say beside that would reach the user's terminal unasked.
warnings.filterwarnings("ignore", module=r"PIL\.")


def load_image(source: Path | bytes, name: str = "") -> Image.Image:
    """Return an image as upright 8-bit RGB without metadata.

    JPEG (of a multi-picture file the first), PNG, WebP, TIFF, BMP and photographs in DICOM files (extra `dicom`;
    see `lesionlab.data.dicom`) are read, by content and not by suffix. Greyscale, palette, 1-bit, CMYK and 16-bit
    pixels are converted (16-bit by its full range), transparency is laid on `BACKGROUND`, EXIF orientation is
    applied; an unreadable EXIF block counts as none. Damage that a JPEG decoder passes over cannot be seen here.

    Parameters
    ----------
    source : a file, or the content of one.
    name : what messages call the image; the path by default.

    Raises `ImageError`, one line with name and reason, for anything else: a missing or unreadable file,
    another format, more than `MAX_BYTES`, `MAX_PIXELS` or `MAX_ASPECT` to 1, a side below `MIN_SIDE`, an
    animation or several pages, 32-bit pixels, a truncated or damaged file.
    """
    label = name or (str(source) if isinstance(source, Path) else "image")
    content = read_content(source, label) if isinstance(source, Path) else source
    try:
        if len(content) > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES >> 20} MiB")
        return _decode(content)
    except Exception as error:  # Pillow raises whatever a damaged file makes it stumble over
        raise _refused(label, error) from None


def accept_image(image: Image.Image | npt.NDArray[np.uint8], name: str = "image") -> Image.Image:
    """Return an image that a program holds already as upright 8-bit RGB, under the rules of `load_image`.

    An array is uint8 (height, width, 3) RGB, or (height, width) grey. Raises `ImageError`, beginning with `name`, for
    what `load_image` would refuse, and for an array of another type or shape.
    """
    try:
        if isinstance(image, np.ndarray):
            if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
                raise ValueError(f"pixels {image.dtype} {image.shape}; give uint8 (height, width, 3)")
            image = Image.fromarray(np.ascontiguousarray(image))
        if not isinstance(image, Image.Image):
            raise TypeError(f"a {type(image).__name__}; give a path, a PIL image or an array")
        _check_header(image)
        image.load()
        orientation = image.getexif().get(274)
        upright = _rgb(image)
    except Exception as error:  # Pillow raises whatever a damaged file makes it stumble over
        raise _refused(name, error) from None
    return upright.transpose(TURNS[orientation]) if orientation in TURNS else upright


def read_content(path: Path, name: str = "") -> bytes:
    """Return an image file's bytes, undecoded.

    Raises `ImageError` for a file that is missing, no regular file, unreadable or larger than `MAX_BYTES`.
    """
    try:
        # Not waiting: a named pipe would hold the program until somebody writes to it.
        with open(path, "rb", opener=lambda file, flags: os.open(file, flags | os.O_NONBLOCK)) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ValueError("not a regular file")
            if status.st_size > MAX_BYTES:
                raise ValueError(f"larger than {MAX_BYTES >> 20} MiB")
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise _refused(name or str(path), error) from None


def _refused(label: str, error: Exception) -> ImageError:
    """Return the `ImageError` that names an image and in one line why it is refused."""
    return ImageError(f"{one_line(label)}: {_reason(error)}", "leave it out or replace it")


def _decode(content: bytes) -> Image.Image:
    """Return the upright RGB image in `content`; raises whatever is wrong with it."""
    if content[128:132] == b"DICM":
        return _from_dicom(content)
    container = strip(content)
    image = draw(container)
    return image.transpose(TURNS[container.orientation]) if container.orientation in TURNS else image


def draw(container: Container) -> Image.Image:
    """Return a stripped file's pixels as RGB, not turned; raises whatever is wrong with them."""
    if container.canvas > MAX_PIXELS:
        raise ValueError(f"more than {MAX_PIXELS / 1e6:.0f} megapixels")
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # another library may have set it
    with Image.open(BytesIO(container.content), formats=(container.format,)) as image:
        _check_header(image)
        image.load()
        drawn = _rgb(image)
    drawn.info = {}
    return drawn


def _from_dicom(content: bytes) -> Image.Image:
    """Return the photograph in a DICOM file."""
    try:
        from lesionlab.data.dicom import decode_dicom
    except ModuleNotFoundError:
        raise ValueError("a DICOM file, which needs: pip install 'lesionlab[dicom]'") from None
    return decode_dicom(content)


def check_size(width: int, height: int) -> None:
    """Raise `ValueError` for a size in pixels that is refused."""
    if width * height > MAX_PIXELS:
        raise ValueError(f"{width} x {height} is more than {MAX_PIXELS / 1e6:.0f} megapixels")
    if min(width, height) < MIN_SIDE:
        raise ValueError(f"{width} x {height} is too small (at least {MIN_SIDE} pixels a side)")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ValueError(f"{width} x {height} is no photograph's shape (at most {MAX_ASPECT} to 1)")


def _check_header(image: Image.Image) -> None:
    """Raise `ValueError` for a size or pixel mode that is refused; nothing is decoded yet."""
    check_size(*image.size)
    if getattr(image, "is_animated", False):
        raise ValueError("an animation or a file of several pages; save the one to read as an image")
    if image.mode not in MODES:
        raise ValueError(f"pixels of mode {image.mode} have no certain brightness; save as 8-bit RGB")


def _rgb(image: Image.Image) -> Image.Image:
    """Return a decoded image as plain RGB."""
    if image.mode.startswith("I;16"):
        return _from_16_bit(image)
    if not image.has_transparency_data:
        return image.convert("RGB")
    layers = image.convert("RGBA")
    if layers.getchannel("A").getextrema()[1] == 0:
        raise ValueError("transparent all over")
    canvas = Image.new("RGB", image.size, BACKGROUND)
    canvas.paste(layers, mask=layers)
    return canvas


def _from_16_bit(image: Image.Image) -> Image.Image:
    """Return 16-bit grey as RGB by its high bytes; `ValueError` where 0 to 65535 is not black to white."""
    if "transparency" in image.info:
        raise ValueError("16-bit grey with a transparent value; save as 8-bit RGB")
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        tags = image.tag_v2
        white, top = tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION), tags.get(281, 65535)
        if tags.get(TiffImagePlugin.BITSPERSAMPLE) != (16,) or white != 1 or top not in (65535, (65535,)):
            raise ValueError("16-bit grey of an uncommon scale; save as 8-bit RGB")
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")


def one_line(text: str, limit: int = 300) -> str:
    """Return text fit for one line of any terminal: unprintable characters become `?`, the rest is cut."""
    shown = "".join(character if character.isprintable() else "?" for character in text.strip())
    return shown if len(shown) <= limit else "…" + shown[-limit:]


def _reason(error: Exception) -> str:
    """Return in one line why an image is refused."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "a folder, not an image"
    if isinstance(error, UnidentifiedImageError):
        return "damaged, its header cannot be read"
    if isinstance(error, MemoryError):
        return "not enough memory to decode it"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    return one_line(str(error).partition("\n")[0]) or f"damaged ({type(error).__name__})"


def frame(image: Image.Image, aspect: float) -> Image.Image:
    """Return the part of a photograph that a model looks at: the largest centred one of the shape it was trained on.

    Parameters
    ----------
    aspect : width / height of the photographs behind the training images; 1 takes every image whole.

    An upright photograph is turned a quarter first, because a lesion has no top: cut to the aspect as it stands it
    would lose half of its frame. A square of at most `SQUASHED` pixels a side is taken for a copy that was squashed
    already, as the usual ones of HAM10000 and ISIC are, and comes back whole.
    """
    width, height = image.size
    if aspect == 1 or (width == height <= SQUASHED):
        return image
    if (width < height) == (aspect > 1) and width != height:
        image = image.transpose(Image.Transpose.ROTATE_90)
        width, height = height, width
    across, down = min(width, round(height * aspect)), min(height, round(width / aspect))
    left, top = (width - across) // 2, (height - down) // 2
    return image.crop((left, top, left + across, top + down))


def squash(image: Image.Image, size: int, aspect: float = 1.0) -> npt.NDArray[np.uint8]:
    """Return the frame as uint8 (size, size, 3), C-contiguous, sides scaled apart by area (box) averaging.

    `aspect` is that of `frame`: 1 takes the whole image. One of that size already comes back exactly.
    """
    framed = frame(image.convert("RGB"), aspect)
    return np.array(framed.resize((size, size), Image.Resampling.BOX), dtype=np.uint8, order="C")
