"""Good, damaged and odd image files for the trials: the same ones for the image door, the commands and the server."""

from __future__ import annotations

import io
import struct

import numpy as np
from dicom_files import dicom, every_syntax, jpeg_2000, run_lengths
from PIL import Image
from pydicom import uid


def photograph(width: int = 96, height: int = 72) -> Image.Image:
    rng = np.random.default_rng(1)
    coarse = rng.integers(60, 220, (9, 12, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    return Image.fromarray((smooth + rng.integers(-12, 13, smooth.shape)).clip(0, 255).astype(np.uint8))


def encoded(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    (image or photograph()).save(buffer, kind, **options)
    return buffer.getvalue()


def of_two(kind: str) -> bytes:
    """Return a file of two frames or pages."""
    return encoded(kind, Image.new("RGB", (40, 40), "red"), save_all=True, append_images=[Image.new("RGB", (40, 40))])


def seeds() -> list[bytes]:
    """Small good files of every accepted format, with EXIF where it fits."""
    exif = Image.Exif()
    exif[274], exif[271] = 6, "maker"
    pages = {"save_all": True, "append_images": [photograph()]}
    return [
        encoded("JPEG", exif=exif),
        encoded("JPEG", progressive=True),
        encoded("MPO", **pages),
        encoded("PNG", exif=exif),
        encoded("PNG", photograph().convert("P"), transparency=3),
        encoded("PNG", photograph().convert("L").convert("1")),
        encoded("WEBP", exif=exif),
        encoded("WEBP", lossless=True),
        encoded("TIFF", exif=exif),
        encoded("TIFF", compression="tiff_lzw"),
        encoded("TIFF", compression="jpeg"),
        encoded("TIFF", photograph().convert("CMYK"), compression="tiff_adobe_deflate"),
        encoded("BMP"),
    ]


def dicom_seeds() -> list[bytes]:
    """Small good DICOM files of every transfer syntax that is read."""
    return [content for content, _ in every_syntax().values()]


def mutant(seed: int, files: list[bytes], spared: int = 0) -> bytes:
    """Return one of `files` with bytes overwritten, cut out, doubled, or the end cut off; the same for one seed.

    The first `spared` bytes are left alone, so that a format stays to be recognised by them.
    """
    rng = np.random.default_rng(seed)
    whole = files[int(rng.integers(len(files)))]
    content = bytearray(whole[spared:])
    for _ in range(int(rng.integers(1, 12))):
        # headers are short and decide everything: half of the faults go there
        at = int(rng.integers(min(len(content), 200) if rng.random() < 0.5 else len(content)))
        kind = int(rng.integers(5))
        if kind == 0:
            content[at] = int(rng.integers(256))
        elif kind == 1:
            content[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\0\x01"])
        elif kind == 2:
            del content[at : at + int(rng.integers(1, 40))]
        elif kind == 3:
            content[at:at] = content[at : at + int(rng.integers(1, 40))]
        elif rng.random() < 0.2:
            del content[at:]
        if not content:
            break
    return whole[:spared] + bytes(content)


def mutants(count: int) -> list[bytes]:
    """Return `count` mutants, one in six of them of DICOM files."""
    images, dicoms = seeds(), dicom_seeds()
    return [mutant(seed, dicoms, 132) if seed % 6 == 5 else mutant(seed, images) for seed in range(count)]


def handmade() -> dict[str, tuple[bytes, bool]]:
    """Return odd files by name, and whether each is a photograph that can be read all the same."""
    image = photograph()
    deep = Image.fromarray(np.linspace(0, 65535, 60 * 60).reshape(60, 60).astype(np.uint16))
    clear = Image.new("RGBA", (40, 40))
    good = {
        "jpeg cmyk": encoded("JPEG", image.convert("CMYK")),
        "jpeg grey": encoded("JPEG", image.convert("L")),
        "jpeg progressive": encoded("JPEG", progressive=True),
        "jpeg then zip": encoded("JPEG") + b"PK\x03\x04" + bytes(50),
        "jpeg then script": encoded("JPEG") + b"<script>alert(1)</script>",
        "jpeg with page as comment": encoded("JPEG", comment=b"<html><script>alert(1)</script>"),
        "jpeg with damaged exif": encoded("JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f"),
        "jpeg with damaged profile": encoded("JPEG", icc_profile=b"nonsense" * 30),
        "mpo": of_two("MPO"),
        "png 16-bit": encoded("PNG", deep),
        "png 1-bit": encoded("PNG", image.convert("1")),
        "png palette": encoded("PNG", image.convert("P")),
        "png palette and alpha": encoded("PNG", image.convert("P"), transparency=bytes(range(256))),
        "png grey and alpha": encoded("PNG", image.convert("LA")),
        "png then executable": encoded("PNG") + b"MZ\x90\0" + bytes(60),
        "webp lossless": encoded("WEBP", lossless=True),
        "webp alpha": encoded("WEBP", image.convert("RGBA")),
        "tiff cmyk": encoded("TIFF", image.convert("CMYK")),
        "tiff 16-bit": encoded("TIFF", deep),
        "tiff packbits": encoded("TIFF", compression="packbits"),
        "bmp grey": encoded("BMP", image.convert("L")),
        "bmp upside down": upside_down(encoded("BMP")),
    }
    for turn in (3, 6, 8):
        exif = Image.Exif()
        exif[274] = turn
        good[f"jpeg turned {turn}"] = encoded("JPEG", exif=exif)
    bad = {
        "empty": b"",
        "one byte": b"\xff",
        "text": b"not an image\n",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        "pdf before png": b"%PDF-1.7\n" + encoded("PNG"),
        "gif before jpeg": b"GIF89a" + encoded("JPEG"),
        "gif animated": of_two("GIF"),
        "png animated": of_two("PNG"),
        "webp animated": of_two("WEBP"),
        "tiff of two pages": of_two("TIFF"),
        "tiff 32-bit": encoded("TIFF", Image.fromarray(np.ones((40, 60), np.float32))),
        "tiff 12 of 16 bits": encoded("TIFF", deep, tiffinfo={281: 4095}),
        "png invisible": encoded("PNG", clear),
        "1 x 1": encoded("PNG", Image.new("RGB", (1, 1))),
        "1 x 60000": encoded("PNG", Image.new("L", (1, 60000))),
        "60000 x 1": encoded("PNG", Image.new("L", (60000, 1))),
        "twenty to one": encoded("PNG", Image.new("L", (400, 20))),
        "jpeg 2000": jpeg_2000(np.asarray(image)),
        "jpeg headers alone": encoded("JPEG")[:200],
        "png without end": encoded("PNG")[:-12],
        "riff of sound": b"RIFF" + struct.pack("<I", 36) + b"WAVEfmt " + bytes(28),
    }
    made = {name: (content, True) for name, content in good.items()}
    return made | {name: (content, False) for name, content in bad.items()} | _dicoms(np.asarray(image))


def _dicoms(image: np.ndarray) -> dict[str, tuple[bytes, bool]]:
    raw, size = image.tobytes(), {"size": (96, 72)}
    grey = {"PhotometricInterpretation": "MONOCHROME2", "SamplesPerPixel": 1, "BitsAllocated": 16}
    return {
        "dicom": (dicom(raw, **size), True),
        "dicom in pieces": (dicom(run_lengths(image), uid.RLELossless, **size), True),
        "dicom of frames": (dicom(raw * 2, NumberOfFrames=2, **size), False),
        "dicom ct": (dicom(raw, SOPClassUID=uid.CTImageStorage, Modality="CT", **grey, **size), False),
        "dicom of another size": (dicom(raw, size=(97, 72)), False),
        "dicom head alone": (dicom(raw, **size)[:400], False),
        "jpeg that says dicom": (encoded("JPEG", comment=bytes(200).replace(b"\0", b"DICM")), False),
        "bmp that says dicom": (encoded("BMP")[:128] + b"DICM" + encoded("BMP")[132:], False),
    }


def upside_down(bmp: bytes) -> bytes:
    """Return a BMP whose rows are from top to bottom, which a negative height says."""
    (height,) = struct.unpack_from("<i", bmp, 22)
    return bmp[:22] + struct.pack("<i", -height) + bmp[26:]
