"""Photographs in DICOM files: which files hold one, and how its pixels become RGB.

`dicom_elements` walks the file, pydicom reads the values that it keeps; Pillow decodes JPEG and JPEG 2000,
pylibjpeg-rle RLE. No message holds a word of the file: only sizes, and names from the standard.
"""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom import config
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import UID
from rle.utils import decode_pixel_data

from lesionlab.data.containers import Container, strip
from lesionlab.data.dicom_elements import DAMAGED, Elements, read_elements
from lesionlab.data.images import check_size, draw
from lesionlab.data.jpeg2000 import check_codestream

VISIBLE_LIGHT = frozenset(("1.2.840.10008.5.1.4.1.1.77.1.7", "1.2.840.10008.5.1.4.1.1.77.1.4"))
"""Dermoscopic Photography (Supplement 221) and VL Photographic Image Storage."""

SECONDARY_CAPTURE = frozenset(("1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.7.4"))
"""Secondary Capture and Multi-frame True Color Secondary Capture Image Storage, which may hold anything."""

MODALITIES = frozenset(("", "DMS", "XC", "GM", "OT"))
"""What secondary captures of photographs say: dermoscopy, external camera, general microscopy, other, nothing."""

NATIVE = frozenset(("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"))
JPEG = frozenset(("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"))
JPEG_LOSSLESS = frozenset(("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"))
JPEG_2000 = frozenset(("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"))
RLE = frozenset(("1.2.840.10008.1.2.5",))
SYNTAXES = NATIVE | JPEG | JPEG_LOSSLESS | JPEG_2000 | RLE
"""Transfer syntaxes that are read."""

SAMPLES = {"RGB": 3, "YBR_FULL": 3, "YBR_FULL_422": 3, "YBR_ICT": 3, "YBR_RCT": 3, "MONOCHROME2": 1, "PALETTE COLOR": 1}
"""Colours that are read (PS3.3 C.7.6.3.1.2), and their samples a pixel."""

ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"
"""A JPEG segment that says how colours are coded, up to its last byte: 0 as they are, 1 as YCbCr."""

Pixels = npt.NDArray[np.uint8]

# pydicom tells what it finds odd, with the value, to logs and warnings: a value may be a person's name.
logging.getLogger("pydicom").propagate = False
warnings.filterwarnings("ignore", module=r"pydicom\.")


@dataclass(frozen=True)
class Layout:
    """How a photograph's pixels lie: size, samples a pixel, whether colours lie apart, and what they mean."""

    columns: int
    rows: int
    samples: int
    apart: bool
    colours: str


def decode_dicom(content: bytes) -> Image.Image:
    """Return the photograph in a DICOM Part 10 file as RGB; orientation tags and colour profiles are not looked at.

    Raises `ValueError` with a reason for a file that holds no photograph, several frames, other than 8 bits a sample,
    other colours than `SAMPLES`, another transfer syntax than `SYNTAXES`, too large a size, or damage.
    """
    elements = read_elements(content)
    values = read_dataset(BytesIO(elements.kept), elements.implicit, True)
    _check_kind(elements, values)
    layout = _layout(values)
    check_size(layout.columns, layout.rows)
    if elements.pixels is None:
        raise ValueError("a DICOM file without an image")
    if elements.framed == (elements.syntax in NATIVE):
        raise ValueError(DAMAGED)
    pixels = elements.pixels
    if elements.syntax in JPEG | JPEG_LOSSLESS:
        return _jpeg(bytes(pixels), layout, elements.syntax in JPEG_LOSSLESS)
    if elements.syntax in JPEG_2000:
        return _jpeg_2000(bytes(pixels), layout)
    array = _run_lengths(bytes(pixels), layout) if elements.syntax in RLE else _native(pixels, layout)
    return _rgb(_palette(values)[array[..., 0]] if layout.colours == "PALETTE COLOR" else array, layout.colours)


def _check_kind(elements: Elements, values: Dataset) -> None:
    """Raise `ValueError` for what is no photograph, and for a transfer syntax that cannot be read."""
    kind = _string(values, "SOPClassUID") or elements.media_class
    modality = _string(values, "Modality")
    if kind not in VISIBLE_LIGHT | SECONDARY_CAPTURE:
        raise ValueError(f"a DICOM file but no photograph ({_standard_name(kind)})")
    if kind in SECONDARY_CAPTURE and modality not in MODALITIES:
        raise ValueError("a DICOM secondary capture of another modality, no photograph")
    if elements.syntax not in SYNTAXES:
        raise ValueError(f"DICOM pixels in {_standard_name(elements.syntax)}, which cannot be read here")


def _standard_name(uid: str) -> str:
    """Return the standard's name of a UID; what it does not name is not repeated, as a UID may tell a person."""
    name = UID(uid, config.IGNORE).name
    return name if name != uid else "a kind that DICOM does not name"


def _string(values: Dataset, keyword: str) -> str:
    """Return a text as it stands, "" where there is none; asked for it, pydicom would warn of odd ones, by value."""
    found = values.get_item(keyword)
    return bytes(found.value).rstrip(b"\0 ").decode("ascii", "replace") if found and found.value else ""


def _number(values: Dataset, keyword: str, default: int | None = None) -> int:
    """Return a value as a number."""
    try:
        found = values.get(keyword)
        return int(found if found is not None else default)  # type: ignore[arg-type]
    except Exception:  # pydicom raises whatever a damaged value makes it stumble over
        raise ValueError(f"{DAMAGED} (a number is missing or unreadable)") from None


def _layout(values: Dataset) -> Layout:
    """Return how the pixels lie; `ValueError` for several frames, colours or bits that cannot be read."""
    frames, colours = _string(values, "NumberOfFrames").strip() or "1", _string(values, "PhotometricInterpretation")
    if not frames.isdecimal() or int(frames) != 1:
        raise ValueError("several frames; save the one to read as a DICOM file of its own")
    if colours not in SAMPLES:
        raise ValueError(f"colours of another kind than {', '.join(SAMPLES)}")
    if _number(values, "SamplesPerPixel") != SAMPLES[colours]:
        raise ValueError(f"{DAMAGED} ({colours} has {SAMPLES[colours]} samples a pixel)")
    names = ("BitsAllocated", "BitsStored", "PixelRepresentation")
    if tuple(_number(values, name) for name in names) != (8, 8, 0):
        raise ValueError("samples of other than 8 bits without sign; save as 8-bit RGB")
    apart = SAMPLES[colours] == 3 and _number(values, "PlanarConfiguration", 0) == 1
    return Layout(_number(values, "Columns"), _number(values, "Rows"), SAMPLES[colours], apart, colours)


def _native(pixels: bytes | memoryview, layout: Layout) -> Pixels:
    """Return uncompressed pixels, uint8 (rows, columns, samples)."""
    columns, rows, halved = layout.columns, layout.rows, layout.colours == "YBR_FULL_422"
    expected = columns * rows * (2 if halved else layout.samples)
    if len(pixels) - expected not in (0, 1) or (halved and columns % 2):  # padded to an even length
        raise ValueError(f"{len(pixels)} bytes of pixels do not make {columns} x {rows}")
    flat: Pixels = np.frombuffer(pixels, np.uint8, expected)
    if halved:  # two pixels are Y, Y, Cb, Cr
        pairs = flat.reshape(rows, columns // 2, 4)
        colour = np.repeat(pairs[..., 2:], 2, axis=1)
        return np.concatenate([pairs[..., :2].reshape(rows, columns, 1), colour], axis=2)
    if layout.apart:
        return flat.reshape(layout.samples, rows, columns).transpose(1, 2, 0)
    return flat.reshape(rows, columns, layout.samples)


def _run_lengths(frame: bytes, layout: Layout) -> Pixels:
    """Return run-length encoded pixels, uint8 (rows, columns, samples); each sample is a plane of its own."""
    size: dict[str, Any] = {"rows": layout.rows, "columns": layout.columns, "bits_allocated": 8}
    planes: Pixels = np.frombuffer(decode_pixel_data(frame, version=2, **size), np.uint8)
    if planes.size != layout.rows * layout.columns * layout.samples:
        raise ValueError("damaged run-length pixels")
    return planes.reshape(layout.samples, layout.rows, layout.columns).transpose(1, 2, 0)


def _jpeg(frame: bytes, layout: Layout, lossless: bool) -> Image.Image:
    """Return a JPEG as RGB. Where it does not say itself how its colours are coded, the DICOM file does."""
    container = strip(frame)
    if container.format != "JPEG":
        raise ValueError("its pixels are no JPEG")
    content = container.content
    if content.find(b"JFIF\0", 0, 1000) < 0 and content.find(b"Adobe", 0, 1000) < 0:
        as_they_are = lossless or layout.colours == "RGB"  # a lossless decoder turns no colours: `_rgb` does
        content = content[:2] + ADOBE + (b"\0" if as_they_are else b"\1") + content[2:]
    image = _of_size(draw(Container("JPEG", content)), layout)
    return _rgb(np.asarray(image), layout.colours) if lossless else image


def _jpeg_2000(frame: bytes, layout: Layout) -> Image.Image:
    """Return a JPEG 2000 codestream as RGB; its own colour transforms (ICT, RCT) are undone by the decoder."""
    check_codestream(frame, layout.columns, layout.rows, layout.samples)
    image = _of_size(draw(Container("JPEG2000", frame)), layout)
    return _rgb(np.asarray(image), layout.colours) if layout.colours == "YBR_FULL" else image


def _of_size(image: Image.Image, layout: Layout) -> Image.Image:
    """Return the image; `ValueError` where its size or its samples are not those that the DICOM file states."""
    if image.size != (layout.columns, layout.rows):
        raise ValueError(f"its pixels are {image.width} x {image.height}, not {layout.columns} x {layout.rows}")
    if layout.colours == "PALETTE COLOR":
        raise ValueError("a palette with pixels in JPEG or JPEG 2000; save as RGB")
    return image


def _palette(values: Dataset) -> Pixels:
    """Return the colour of each value that a pixel may have, uint8 (256, 3)."""
    try:
        colours = apply_color_lut(np.arange(256, dtype=np.uint8), values)
    except Exception:  # pydicom raises whatever a damaged value makes it stumble over
        raise ValueError(f"{DAMAGED} (its palette)") from None
    return colours if colours.dtype == np.uint8 else (colours >> 8).astype(np.uint8)


def _rgb(array: Pixels, colours: str) -> Image.Image:
    """Return decoded pixels, uint8 (rows, columns, 1 or 3), as RGB."""
    rows, columns, samples = array.shape
    if samples == 3 and colours.startswith("YBR_FULL"):
        return Image.frombytes("YCbCr", (columns, rows), array.tobytes()).convert("RGB")
    image = Image.fromarray(np.ascontiguousarray(array[..., 0] if samples == 1 else array))
    return image if samples == 3 else image.convert("RGB")
