"""Trial P1: what photographs tell of a person or a place reaches no output, report, log or temporary file."""

from __future__ import annotations

import base64
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pydicom")
pytest.importorskip("rle")

from dicom_files import dicom, run_lengths, with_identifiers
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydicom import uid
from trial_files import encoded, photograph

SECRET = "Quixote^Dulcinea"
COORDINATE = (47.0, 22.0, 8.25)
TRACES = [SECRET.encode(), SECRET.encode("utf-16-le"), base64.b64encode(SECRET.encode())[:20], b"GPS", b"<x:xmpmeta"]
"""What must not be found: the name in several spellings, and the blocks that tell a place."""


def telling() -> dict[str, bytes]:
    """Return photographs that tell a name and a place in every block that their format has, whole and cut short."""
    exif, xmp = Image.Exif(), f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{SECRET}</x:xmpmeta>".encode()
    for tag in (270, 271, 272, 305, 315, 316, 33432):
        exif[tag] = SECRET
    exif.get_ifd(34853).update({1: "N", 2: COORDINATE, 3: "E", 4: COORDINATE, 27: SECRET.encode()})
    exif.get_ifd(34665).update({37510: SECRET.encode(), 42016: SECRET, 42032: SECRET})
    text = PngInfo()
    text.add_text("Author", SECRET)
    text.add_text("Comment", SECRET, zip=True)
    text.add_itxt("XML:com.adobe.xmp", xmp.decode())
    pixels = np.asarray(photograph())
    size = {"size": (96, 72)}
    whole = {
        "a.jpg": encoded("JPEG", exif=exif, xmp=xmp, comment=SECRET.encode(), icc_profile=SECRET.encode() * 20),
        "b.png": encoded("PNG", exif=exif, pnginfo=text, icc_profile=SECRET.encode() * 20),
        "c.webp": encoded("WEBP", exif=exif, xmp=xmp),
        "d.tif": encoded("TIFF", exif=exif, tiffinfo={700: xmp, 315: SECRET}),
        "e.dcm": with_identifiers(dicom(pixels.tobytes(), **size), SECRET),
        "f.dcm": with_identifiers(dicom(run_lengths(pixels), uid.RLELossless, **size), SECRET),
    }
    assert all(SECRET.encode() in content for content in whole.values())
    return whole | {f"cut_{name}": content[: len(content) * 2 // 3] for name, content in whole.items()}


def found(content: bytes) -> bool:
    """Return whether a trace of the person is in a file, or in a picture within a page."""
    inner = [base64.b64decode(part) for part in re.findall(rb"base64,([A-Za-z0-9+/=]+)", content)]
    return any(trace in part for part in (content, *inner) for trace in TRACES)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for number, (name, content) in enumerate(telling().items()):
        folder = tmp_path / "source" / ("mel", "nv")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return tmp_path / "source"


COMMANDS = [
    ("predict", "{source}"),
    ("predict", "{source}", "--json"),
    ("predict", "{source}", "--out", "{out}/answers.csv"),
    ("predict", "{source}", "--out", "{out}/answers.parquet"),
    ("predict", "{source}", "--out", "{out}/answers.jsonl", "--by", "lesion"),
    ("explain", "{source}", "--out", "{out}/maps", "--panel"),
    ("data", "check", "{source}", "--out", "{out}/check.json"),
    ("data", "pack", "{source}", "--skip-bad"),
]


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_commands_tell_nothing_of_the_person(command: tuple[str, ...], source: Path, tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("out", "home", "temporary", "cache")]
    for place in places:
        place.mkdir()
    out, home, temporary, cache = map(str, places)
    environment = {**os.environ, "HOME": home, "TMPDIR": temporary, "LESIONLAB_CACHE": cache, "XDG_CACHE_HOME": cache}
    given = [word.format(source=source, out=out) for word in command]
    done = subprocess.run(
        [sys.executable, "-W", "always", "-m", "lesionlab", *given], env=environment, capture_output=True, timeout=300
    )
    assert done.returncode in (0, 3) and b"Traceback" not in done.stderr, done.stderr
    assert not found(done.stdout) and not found(done.stderr)
    written = [path for place in places for path in place.rglob("*") if path.is_file()]
    assert written or "--out" not in command
    assert not list(Path(home).rglob("*")) and not list(Path(temporary).rglob("*"))
    assert not [path for path in written if found(path.read_bytes())]
    print(f"\nP1 {' '.join(command)}: {len(telling())} photographs, {len(written)} files left, none with a trace")


def test_the_search_finds_what_it_looks_for() -> None:
    """A search that finds nothing must be one that could."""
    assert all(found(content) for name, content in telling().items() if not name.startswith("cut_"))
    page = b'<img src="data:image/jpeg;base64,' + base64.b64encode(telling()["a.jpg"]) + b'">'
    assert found(page)
    assert not found(b"base64,AAAA") and not found(encoded("JPEG"))


def test_the_server_tells_nothing_of_the_person(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("fastapi")
    pytest.importorskip("httpx2")
    from starlette.testclient import TestClient

    from lesionlab.models.composite import read_model
    from lesionlab.models.shipped import shipped_model
    from lesionlab.web.app import make_app
    from lesionlab.web.monitoring import log_to_stderr

    log_to_stderr()
    files = [("files", (f"{SECRET} {name}", content)) for name, content in telling().items()]
    with TestClient(make_app(read_model(shipped_model())), base_url="http://localhost") as client:
        told = client.post("/v1/predict", files=files, data={"pictures": "true", "combine": "true"})
        maps = [client.post("/v1/explain", files=[one]) for one in files[3:8]]
        refused = client.post("/v1/predict", files=[("files", (SECRET, b""))], data={SECRET: SECRET})
        figures = client.get("/metrics")
    assert told.status_code == 200 and sum("verdict" in one for one in told.json()["answers"]) >= 6
    assert {one.status_code for one in maps} == {200, 422} and refused.status_code == 422
    for response in (told, *maps, refused, figures):
        assert not found(response.content) and not found(str(response.headers).encode())
    logged = capfd.readouterr()
    assert "/v1/predict" in logged.err
    print(f"\nP1 server: {len(files)} photographs, {len(maps) + 3} answers and the log, none with a trace")
    assert not found(logged.err.encode()) and not found(logged.out.encode())


def test_pictures_are_drawn_without_metadata() -> None:
    """What the door gives is pixels alone, whatever it is saved as."""
    from lesionlab.data.images import load_image

    for name, content in telling().items():
        if not name.startswith("cut_"):
            buffer = io.BytesIO()
            load_image(content, name).save(buffer, "PNG")
            assert not found(buffer.getvalue())
