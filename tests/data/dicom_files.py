"""DICOM files for tests, written by pydicom: of each transfer syntax that is read, and with a name everywhere."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom import dcmread, uid
from pydicom.config import disable_value_validation
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from rle.utils import encode_pixel_data

Pixels = npt.NDArray[np.uint8]

NATIVE = (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian, uid.DeflatedExplicitVRLittleEndian)

TEXT = {"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UI", "UR", "UT"}
"""Value representations that can hold a person's name."""


def photograph(columns: int = 60, rows: int = 40) -> Pixels:
    """Return a smooth picture, uint8 (rows, columns, 3), that lossy formats keep nearly."""
    coarse = np.random.default_rng(5).integers(40, 220, (4, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((columns, rows), Image.Resampling.BICUBIC))


def encoded(image: Pixels, kind: str, **options: Any) -> bytes:
    """Return pixels in one of Pillow's formats."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg_2000(image: Pixels, **options: Any) -> bytes:
    """Return a JPEG 2000 codestream, without the boxes of a file."""
    return encoded(image, "JPEG2000", no_jp2=True, **options)


def run_lengths(image: Pixels) -> bytes:
    """Return an RLE frame."""
    rows, columns, samples = (*image.shape, 1)[:3]
    size = {"rows": rows, "columns": columns, "samples_per_pixel": samples, "number_of_frames": 1}
    return encode_pixel_data(image.tobytes(), bits_allocated=8, **size)


def lossless_jpeg(image: Pixels) -> bytes:
    """Return a lossless JPEG (process 14, predictor 1), without a word on its colours; ITU T.81, annex H."""
    values = image.reshape(*image.shape[:2], -1).astype(int)
    rows, columns, samples = values.shape
    left = np.empty_like(values)
    left[:, 1:], left[1:, 0], left[0, 0] = values[:, :-1], values[:-1, 0], 128
    bits = "".join(map(_coded, ((values - left + 128) % 256 - 128).ravel().tolist()))
    bits += "1" * (-len(bits) % 8)
    entropy = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    table = bytes([0, 0, 0, 0, 9]) + bytes(12) + bytes(range(9))  # nine codes of four bits
    frame = struct.pack(">BHHB", 8, rows, columns, samples) + b"".join(bytes([n, 17, 0]) for n in range(samples))
    scan = bytes([samples]) + b"".join(bytes([n, 0]) for n in range(samples)) + bytes([1, 0, 0])
    segments = b"".join(
        struct.pack(">BBH", 255, marker, len(body) + 2) + body
        for marker, body in ((0xC4, table), (0xC3, frame), (0xDA, scan))
    )
    return b"\xff\xd8" + segments + entropy + b"\xff\xd9"


def _coded(difference: int) -> str:
    size = abs(difference).bit_length()
    value = difference if difference > 0 else difference + (1 << size) - 1
    return f"{size:04b}" + (f"{value:0{size}b}" if size else "")


def dicom(
    pixels: bytes,
    syntax: str = uid.ExplicitVRLittleEndian,
    size: tuple[int, int] = (60, 40),
    colours: str = "RGB",
    **values: Any,
) -> bytes:
    """Return a DICOM file around pixels that are encoded already; `size` is (columns, rows).

    `values` adds elements, or removes those that are None.
    """
    with disable_value_validation():
        return written(_dataset(pixels, syntax, size, colours, values))


def _dataset(pixels: bytes, syntax: str, size: tuple[int, int], colours: str, values: dict[str, Any]) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.Modality = uid.DermoscopicPhotographyImageStorage, "DMS"
    dataset.SamplesPerPixel = 1 if colours in ("MONOCHROME2", "PALETTE COLOR") else 3
    dataset.PhotometricInterpretation = colours
    dataset.PlanarConfiguration = 0
    dataset.Columns, dataset.Rows = size
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.PixelData = pixels if syntax in NATIVE else encapsulate([pixels])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = syntax not in NATIVE
    for keyword, value in values.items():
        if value is None:
            del dataset[keyword]
        else:
            setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = uid.DermoscopicPhotographyImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    return dataset


def written(dataset: Dataset) -> bytes:
    """Return a data set as a file."""
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def every_syntax() -> dict[str, tuple[bytes, float]]:
    """Return a file of each transfer syntax and kind of colours, and the largest mean difference to expect."""
    rgb = photograph()
    grey = rgb[..., 0]
    ybr = np.asarray(Image.fromarray(rgb).convert("YCbCr"))
    pairs = ybr.reshape(40, 30, 2, 3)
    quads = np.stack([pairs[:, :, 0, 0], pairs[:, :, 1, 0], pairs[:, :, 0, 1], pairs[:, :, 0, 2]], axis=2)
    planes, raw = rgb.transpose(2, 0, 1).tobytes(), rgb.tobytes()
    silent = encoded(rgb, "JPEG", quality=97, subsampling=0)
    return {
        "explicit": (dicom(raw), 0),
        "implicit": (dicom(raw, uid.ImplicitVRLittleEndian), 0),
        "deflated": (dicom(raw, uid.DeflatedExplicitVRLittleEndian), 0),
        "planar": (dicom(planes, PlanarConfiguration=1), 0),
        "YBR_FULL": (dicom(ybr.tobytes(), colours="YBR_FULL"), 1.5),
        "YBR_FULL_422": (dicom(quads.tobytes(), colours="YBR_FULL_422"), 3),
        "MONOCHROME2": (dicom(grey.tobytes(), colours="MONOCHROME2"), 0),
        "RLE": (dicom(run_lengths(rgb), uid.RLELossless), 0),
        "RLE grey": (dicom(run_lengths(grey), uid.RLELossless, colours="MONOCHROME2"), 0),
        "RLE YBR": (dicom(run_lengths(ybr), uid.RLELossless, colours="YBR_FULL"), 1.5),
        "JPEG": (dicom(silent, uid.JPEGBaseline8Bit, colours="YBR_FULL_422"), 3),
        "JPEG extended": (dicom(silent, uid.JPEGExtended12Bit, colours="YBR_FULL_422"), 3),
        "JPEG grey": (dicom(encoded(grey, "JPEG"), uid.JPEGBaseline8Bit, colours="MONOCHROME2"), 3),
        "JPEG lossless": (dicom(lossless_jpeg(rgb), uid.JPEGLosslessSV1), 0),
        "JPEG lossless 14": (dicom(lossless_jpeg(rgb), uid.JPEGLossless), 0),
        "JPEG lossless YBR": (dicom(lossless_jpeg(ybr), uid.JPEGLosslessSV1, colours="YBR_FULL"), 1.5),
        "JPEG lossless grey": (dicom(lossless_jpeg(grey), uid.JPEGLosslessSV1, colours="MONOCHROME2"), 0),
        "JPEG 2000 lossless": (dicom(jpeg_2000(rgb), uid.JPEG2000Lossless, colours="YBR_RCT"), 0),
        "JPEG 2000": (dicom(jpeg_2000(rgb, irreversible=True), uid.JPEG2000, colours="YBR_ICT"), 3),
        "JPEG 2000 grey": (dicom(jpeg_2000(grey), uid.JPEG2000Lossless, colours="MONOCHROME2"), 0),
        "JPEG 2000 YBR": (dicom(jpeg_2000(ybr, mct=0), uid.JPEG2000Lossless, colours="YBR_FULL"), 1.5),
    }


def with_identifiers(content: bytes, secret: str) -> bytes:
    """Return the file with `secret` in every text element of the standard, in a private one, and in a nested one."""
    with disable_value_validation():
        dataset = dcmread(io.BytesIO(content))
        for tag, (kind, _, _, retired, keyword) in DicomDictionary.items():
            needed = tag >> 16 in (0, 2, 0x0028) or keyword in ("SOPClassUID", "Modality", "SpecificCharacterSet")
            if kind in TEXT and keyword and not retired and not needed:
                dataset.add_new(tag, kind, secret)
        dataset.add_new(0x0009_0010, "LO", secret)
        dataset.add_new(0x0009_1001, "LT", secret)
        inner = Dataset()
        inner.PatientName = secret
        dataset.RequestAttributesSequence = Sequence([inner])
        dataset.file_meta.add_new(0x0002_0016, "AE", secret)
        return written(dataset)
