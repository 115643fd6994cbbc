"""Photographs in DICOM files: read like any other image, or refused without a word of the person in them."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pydicom")
pytest.importorskip("rle")

from dicom_files import (
    dicom,
    encoded,
    every_syntax,
    jpeg_2000,
    photograph,
    run_lengths,
    with_identifiers,
)
from PIL import Image
from pydicom import dcmread, uid
from pydicom.data import get_testdata_file
from pydicom.pixels import pixel_array

from lesionlab.data.images import load_image
from lesionlab.errors import ImageError
from lesionlab.prediction.paths import find_images

RGB = photograph()
RAW = RGB.tobytes()
FILES = every_syntax()
pytestmark = pytest.mark.filterwarnings("error")  # pydicom's would tell what it reads
SECRET = "Quixote^Dulcinea"


def refusal(content: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        load_image(content, "lesion.dcm")
    assert caught.value.message.startswith("lesion.dcm: ")
    assert str(caught.value).isprintable()
    return caught.value.message


@pytest.mark.parametrize("name", FILES)
def test_every_syntax_comes_back(name: str, tmp_path: Path) -> None:
    content, difference = FILES[name]
    (tmp_path / "a.bin").write_bytes(content)  # by content, not by suffix
    image = load_image(tmp_path / "a.bin")
    assert image.mode == "RGB" and image.info == {}
    grey = "grey" in name or name == "MONOCHROME2"
    expected = np.repeat(RGB[..., :1], 3, axis=2) if grey else RGB
    assert np.abs(np.asarray(image).astype(int) - expected).mean() <= difference


def test_a_jpeg_that_is_silent_on_its_colours_is_read_as_the_file_says() -> None:
    for mode, colours in (("RGB", "RGB"), ("YCbCr", "YBR_FULL")):
        samples = np.asarray(Image.fromarray(RGB).convert(mode)).tobytes()
        buffer = io.BytesIO()  # the samples as they are, under a label that is then cut off
        Image.frombytes("YCbCr", (60, 40), samples).save(buffer, "JPEG", quality=97, subsampling=0)
        content = buffer.getvalue()
        assert content[6:11] == b"JFIF\0"
        silent = content[:2] + content[20:]
        image = load_image(dicom(silent, uid.JPEGBaseline8Bit, colours=colours))
        assert np.abs(np.asarray(image).astype(int) - RGB).mean() < 3, colours


@pytest.mark.parametrize("bits", [8, 16])
def test_palette(bits: int) -> None:
    index = (RGB[..., 0] // 4).astype(np.uint8)
    tables = np.random.default_rng(1).integers(0, 256, (3, 64))
    stored = tables * 257 if bits == 16 else tables
    values: dict[str, Any] = {}
    for name, table in zip(("Red", "Green", "Blue"), stored.astype(f"<u{bits // 8}"), strict=True):
        values[f"{name}PaletteColorLookupTableDescriptor"] = [64, 0, bits]
        values[f"{name}PaletteColorLookupTableData"] = table.tobytes()
    image = load_image(dicom(index.tobytes(), colours="PALETTE COLOR", **values))
    np.testing.assert_array_equal(np.asarray(image), tables.T[index])
    assert "its palette" in refusal(dicom(index.tobytes(), colours="PALETTE COLOR"))


@pytest.mark.parametrize(
    ("kind", "modality", "accepted"),
    [
        (uid.DermoscopicPhotographyImageStorage, "", True),
        (uid.VLPhotographicImageStorage, "XC", True),
        (uid.SecondaryCaptureImageStorage, "XC", True),
        (uid.MultiFrameTrueColorSecondaryCaptureImageStorage, "OT", True),
        (uid.SecondaryCaptureImageStorage, "CT", False),
        (uid.CTImageStorage, "CT", False),
        (uid.VLWholeSlideMicroscopyImageStorage, "SM", False),
        ("1.2.3.4.5", "XC", False),
    ],
)
def test_photographs_alone_are_read(kind: str, modality: str, accepted: bool) -> None:
    content = dicom(RAW, SOPClassUID=kind, Modality=modality)
    if accepted:
        assert load_image(content).size == (60, 40)
    else:
        assert "no photograph" in refusal(content)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"NumberOfFrames": 12}, "several frames"),
    ({"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}, "other than 8 bits"),
    ({"PixelRepresentation": 1}, "other than 8 bits"),
    ({"PhotometricInterpretation": "MONOCHROME1"}, "colours of another kind"),
    ({"PhotometricInterpretation": None}, "colours of another kind"),
    ({"SamplesPerPixel": 4}, "RGB has 3 samples"),
    ({"Rows": None}, "a number is missing"),
    ({"Rows": 41}, "bytes of pixels do not make 60 x 41"),
    ({"Columns": 59}, "bytes of pixels do not make 59 x 40"),
    ({"Rows": 0}, "too small"),
    ({"Rows": 65535, "Columns": 65535}, "megapixels"),
    ({"Rows": 16, "Columns": 4000}, "no photograph's shape"),
    ({"PixelData": None}, "without an image"),
]


@pytest.mark.parametrize(("values", "reason"), REFUSED)
def test_what_is_refused(values: dict[str, Any], reason: str) -> None:
    assert reason in refusal(dicom(RAW, **values))


@pytest.mark.parametrize(
    ("syntax", "name"),
    [
        (uid.JPEGLSLossless, "JPEG-LS Lossless"),
        (uid.HTJ2K, "High-Throughput JPEG 2000"),
        (uid.MPEG2MPML, "MPEG2"),
        (uid.ExplicitVRBigEndian, "Explicit VR Big Endian"),
        ("1.2.3.4.5", "a kind that DICOM does not name"),
    ],
)
def test_other_transfer_syntaxes_are_named(syntax: str, name: str) -> None:
    content = dicom(run_lengths(RGB), uid.RLELossless).replace(uid.RLELossless.encode() + b"\0", b"%SYNTAX%")
    padded = syntax.encode() + b"\0" * (len(syntax) % 2)
    at = content.index(b"%SYNTAX%")
    length = struct.pack("<H", len(padded))
    told = refusal(content[: at - 2] + length + padded + content[at + len("%SYNTAX%") :])
    assert name in told and "cannot be read" in told


@pytest.mark.parametrize("name", ["implicit", "deflated", "RLE", "JPEG", "JPEG lossless", "JPEG 2000"])
def test_truncated_files_are_refused(name: str) -> None:
    content = FILES[name][0]
    for percent in range(0, 100, 5):
        refusal(content[: len(content) * percent // 100])


def test_codestreams_that_disagree_with_the_file_are_refused() -> None:
    small = photograph(48, 40)
    lossy = {"colours": "YBR_FULL_422"}
    assert "48 x 40, not 60 x 40" in refusal(dicom(encoded(small, "JPEG"), uid.JPEGBaseline8Bit, **lossy))
    assert "another size" in refusal(dicom(jpeg_2000(small), uid.JPEG2000Lossless))
    assert "1 x 8 bits" in refusal(dicom(jpeg_2000(RGB), uid.JPEG2000Lossless, colours="MONOCHROME2"))
    refusal(dicom(run_lengths(small), uid.RLELossless))
    refusal(dicom(run_lengths(RGB[..., 0]), uid.RLELossless))
    assert "no JPEG" in refusal(dicom(encoded(RGB, "PNG"), uid.JPEGBaseline8Bit, **lossy))
    assert "damaged JPEG 2000" in refusal(dicom(encoded(RGB, "JPEG2000"), uid.JPEG2000Lossless))
    refusal(dicom(encoded(RGB[..., 0], "JPEG"), uid.JPEGBaseline8Bit, colours="PALETTE COLOR"))
    large = encoded(RGB, "JPEG").replace(struct.pack(">HH", 40, 60), struct.pack(">HH", 5001, 5000))
    assert "megapixels" in refusal(dicom(large, uid.JPEGBaseline8Bit, **lossy))


def test_orientation_within_the_jpeg_is_not_dicoms() -> None:
    exif = Image.Exif()
    exif[274] = 6
    content = encoded(RGB, "JPEG", exif=exif)
    assert load_image(dicom(content, uid.JPEGBaseline8Bit, colours="YBR_FULL_422")).size == (60, 40)


@pytest.mark.parametrize("name", ["implicit", "deflated", "RLE", "JPEG", "JPEG 2000"])
def test_identifiers_never_leave_the_file(name: str) -> None:
    """Whatever is wrong with a file, nothing of the text in it is told."""
    content = with_identifiers(FILES[name][0], SECRET)
    if name != "deflated":
        assert content.count(SECRET.encode()) > 1000
    image = load_image(content, "lesion.dcm")
    assert SECRET.encode() not in encoded(np.asarray(image), "PNG") and image.info == {}
    for percent in range(5, 100, 5):
        assert "Quixote" not in refusal(content[: len(content) * percent // 100])


@pytest.mark.parametrize(
    "keyword", ["SOPClassUID", "PhotometricInterpretation", "NumberOfFrames", "Modality", "Rows", "TransferSyntaxUID"]
)
def test_a_name_in_a_place_that_is_read_is_not_told(keyword: str) -> None:
    content = dicom(RAW, NumberOfFrames=1, SOPClassUID=uid.SecondaryCaptureImageStorage)
    dataset = dcmread(io.BytesIO(content))
    tag = struct.pack("<HH", *divmod(int((dataset.file_meta if "Syntax" in keyword else dataset)[keyword].tag), 65536))
    at = content.index(tag)
    length = struct.unpack_from("<H", content, at + 6)[0]
    planted = content[: at + 6] + struct.pack("<H", 16) + SECRET.encode() + content[at + 8 + length :]
    assert "Quixote" not in refusal(planted)


def test_nothing_is_printed_of_odd_values() -> None:
    """In a program of its own, as warnings and logs end on stderr."""
    content = with_identifiers(dicom(RAW, NumberOfFrames=1, Modality=SECRET), SECRET)
    program = "import sys, logging\nlogging.basicConfig()\nfrom lesionlab.data.images import load_image\n"
    program += "from lesionlab.errors import ImageError\ntry: load_image(sys.stdin.buffer.read())\nexcept ImageError: 0"
    command = [sys.executable, "-W", "always", "-c", program]
    done = subprocess.run(command, input=content, capture_output=True, check=True)
    assert done.stdout == done.stderr == b""


@pytest.mark.parametrize("missing", ["pydicom", "rle"])
def test_without_the_extra_one_line_says_what_to_install(missing: str) -> None:
    program = f"import sys\nsys.modules[{missing!r}] = None\nfrom lesionlab.data.images import load_image\n"
    program += "from lesionlab.errors import ImageError\ntry: load_image(sys.stdin.buffer.read(), 'lesion.dcm')\n"
    program += "except ImageError as error: print(error.message)"
    done = subprocess.run([sys.executable, "-c", program], input=dicom(RAW), capture_output=True, check=True)
    assert done.stdout == b"lesion.dcm: a DICOM file, which needs: pip install 'lesionlab[dicom]'\n"
    assert done.stderr == b""


def test_folders_are_searched_for_dicom_files(tmp_path: Path) -> None:
    for name in ("a.dcm", "b.DICOM", "c.txt"):
        (tmp_path / name).write_bytes(FILES["RLE"][0])
    assert [path.name for path in find_images([str(tmp_path)])] == ["a.dcm", "b.DICOM"]


OTHER_WRITERS = [
    "SC_jpeg_no_color_transform.dcm",
    "SC_rgb_dcmtk_+eb+cr.dcm",
    "SC_rgb_dcmtk_+eb+cy+n2.dcm",
    "SC_rgb_dcmtk_+eb+cy+s4.dcm",
    "SC_rgb_gdcm_KY.dcm",
    "SC_rgb_jpeg_app14_dcmd.dcm",
    "SC_rgb_jpeg_lossy_gdcm.dcm",
    "SC_rgb_rle.dcm",
    "SC_ybr_full_422_uncompressed.dcm",
]


@pytest.mark.parametrize("name", OTHER_WRITERS)
def test_files_of_other_writers_are_read_as_pydicom_reads_them(name: str) -> None:
    path = get_testdata_file(name, download=False)
    if not path:
        pytest.skip("pydicom brings no such file here")
    found = np.asarray(load_image(Path(str(path)))).astype(int)
    assert np.abs(found - pixel_array(str(path))).max() <= 1
