"""The walk through a DICOM file: what nests is passed over, and nothing is believed before it is within bounds."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest

pytest.importorskip("pydicom")
pytest.importorskip("rle")

from dicom_files import dicom, every_syntax, photograph, run_lengths, written
from pydicom import dcmread, uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from lesionlab.data import dicom_elements
from lesionlab.data.dicom_elements import read_elements
from lesionlab.data.images import load_image

RGB = photograph()
RAW = RGB.tobytes()
FILES = every_syntax()


def refusal(content: bytes) -> str:
    with pytest.raises(ValueError) as caught:
        read_elements(content)
    return str(caught.value)


def test_what_is_kept() -> None:
    found = read_elements(dicom(RAW, PatientName="Quixote^Dulcinea"))
    assert found.syntax == uid.ExplicitVRLittleEndian and not found.implicit and not found.framed
    assert found.media_class == uid.DermoscopicPhotographyImageStorage
    assert bytes(found.pixels or b"") == RAW and b"Quixote" not in found.kept
    framed = read_elements(FILES["RLE"][0])
    assert framed.framed and framed.pixels == run_lengths(RGB)
    assert read_elements(dicom(RAW, PixelData=None)).pixels is None


def test_pixels_in_several_fragments_and_odd_sizes() -> None:
    frame = run_lengths(RGB)
    items = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(part)) + part for part in (b"", frame[:500], frame[500:]))
    whole = dicom(frame, uid.RLELossless)
    head = whole[: whole.index(b"\xe0\x7f\x10\x00") + 12]
    split = head + items + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    np.testing.assert_array_equal(np.asarray(load_image(split)), RGB)
    odd = photograph(61, 41)
    np.testing.assert_array_equal(np.asarray(load_image(dicom(odd.tobytes() + b"\0", size=(61, 41)))), odd)


def test_sequences_are_passed_over_and_their_pictures_too() -> None:
    icon, inner = Dataset(), Dataset()
    icon.Rows, icon.Columns, icon.PixelData = 2, 2, bytes(12)
    icon["PixelData"].VR = "OB"
    inner.IconImageSequence = Sequence([icon, icon])
    inner.IconImageSequence.is_undefined_length = True
    inner.is_undefined_length_sequence_item = True
    for undefined in (False, True):
        content = dicom(RAW, IconImageSequence=Sequence([icon]), RequestAttributesSequence=Sequence([inner]))
        dataset = dcmread(io.BytesIO(content))
        for keyword in ("IconImageSequence", "RequestAttributesSequence"):
            dataset[keyword].is_undefined_length = undefined
        np.testing.assert_array_equal(np.asarray(load_image(written(dataset))), RGB)


def test_an_implicit_sequence_of_unknown_kind_within_an_explicit_file() -> None:
    implicit = struct.pack("<HHI", 0x0010, 0x0010, 4) + b"A^B " + struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
    unknown = struct.pack("<HH2sHI", 0x0009, 0x1002, b"UN", 0, 0xFFFFFFFF)
    unknown += struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + implicit + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    content = dicom(RAW)
    at = content.index(b"\x28\x00\x02\x00US")
    np.testing.assert_array_equal(np.asarray(load_image(content[:at] + unknown + content[at:])), RGB)


def test_bounds_of_the_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    content = dicom(RAW)
    at = content.index(b"\x28\x00\x02\x00US")
    text = struct.pack("<HH2sH", 0x0009, 0x1002, b"LO", 0)
    assert "more than 20000 elements" in refusal(content[:at] + text * 20_000 + content[at:])
    nested = struct.pack("<HH2sHI", 0x0040, 0x0275, b"SQ", 0, 0xFFFFFFFF)
    nested += struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    assert "nest too deeply" in refusal(content[:at] + nested * 100 + content[at:])
    meta = struct.pack("<HH2sH", 0x0002, 0x0016, b"AE", 0)
    refusal(content[:132] + meta * 1000 + content[132:])
    framed = dicom(run_lengths(RGB), uid.RLELossless)
    empty = struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 10_000
    assert "more than 10000 pieces" in refusal(framed[:-8] + empty + framed[-8:])
    monkeypatch.setattr(dicom_elements, "MAX_INFLATED", 5000)
    assert "inflates to more than" in refusal(FILES["deflated"][0])


def test_elements_written_in_another_way_than_the_syntax_says() -> None:
    """Some writers keep implicit elements around compressed pixels."""
    implicit, explicit = FILES["implicit"][0], FILES["explicit"][0]
    said, meant = uid.ImplicitVRLittleEndian.encode() + b"\0", uid.ExplicitVRLittleEndian.encode() + b"\0"
    swapped = implicit.replace(b"\x12\0" + said, b"\x14\0" + meant) + b""
    assert swapped != implicit and explicit.count(meant) == 1
    np.testing.assert_array_equal(np.asarray(load_image(swapped)), RGB)
