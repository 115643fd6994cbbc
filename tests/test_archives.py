"""Hostile, damaged and ordinary zip archives."""

from __future__ import annotations

import io
import os
import stat
import struct
import subprocess
import sys
import zipfile
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from lesionlab import archives
from lesionlab.archives import staged_folder, unpack
from lesionlab.errors import DataError


def make_zip(path: Path, entries: list[tuple[str | zipfile.ZipInfo, bytes]], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in entries:
            file.writestr(name, content)
    return path


def linked(name: str, kind: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (kind | 0o777) << 16
    return info


def flip_encrypted(content: bytes) -> bytes:
    """Set the 'encrypted' flag bit of every header."""
    data = bytearray(content)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = data.find(mark)
        while start >= 0:
            data[start + offset] |= 1
            start = data.find(mark, start + 4)
    return bytes(data)


def assert_nothing_left(folder: Path, *kept: str) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted(kept)


def test_unpacks_files_and_skips_mac_junk(tmp_path: Path) -> None:
    archive = make_zip(
        tmp_path / "a.zip",
        [("sub/", b""), ("sub/b.png", b"bb"), ("a.jpg", b"a"), ("__MACOSX/sub/._b.png", b"junk"), ("leer/", b"")],
    )
    files = unpack(archive, tmp_path / "out")
    assert [path.relative_to(tmp_path / "out").as_posix() for path in files] == ["a.jpg", "sub/b.png"]
    assert files[1].read_bytes() == b"bb"
    assert (tmp_path / "out/leer").is_dir()
    assert not (tmp_path / "out/__MACOSX").exists()
    assert_nothing_left(tmp_path, "a.zip", "out")
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) & 0o500 == 0o500


HOSTILE: list[tuple[str, list[tuple[str | zipfile.ZipInfo, bytes]], str]] = [
    ("absolute", [("/etc/x", b"1")], "absolute"),
    ("drive", [("C:/x", b"1")], "absolute"),
    ("backslash", [("..\\x", b"1")], "absolute"),
    ("climbing", [("a/../../x", b"1")], "climbs"),
    ("dot", [("./x", b"1")], "climbs"),
    ("double slash", [("a//x", b"1")], "climbs"),
    ("too long", [("a" * 256, b"1")], "climbs"),
    ("newline", [("a\nb", b"1")], "control"),
    ("symlink", [(linked("x", stat.S_IFLNK), b"/etc/passwd")], "link"),
    ("device", [(linked("x", stat.S_IFCHR), b"")], "link"),
    ("fifo", [(linked("x", stat.S_IFIFO), b"")], "link"),
    ("same name", [("x", b"1"), ("x", b"2")], "two entries"),
    ("letter case", [("X.jpg", b"1"), ("x.JPG", b"2")], "two entries"),
    ("folder case", [("A/x", b"1"), ("a/y", b"2")], "two entries"),
    ("unicode form", [("\u00e9", b"1"), ("e\u0301", b"2")], "two entries"),
    ("file as folder", [("x", b"1"), ("x/y", b"2")], "two entries"),
]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(("entries", "reason"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
def test_refuses_hostile_entries(
    tmp_path: Path, entries: list[tuple[str | zipfile.ZipInfo, bytes]], reason: str
) -> None:
    archive = make_zip(tmp_path / "a.zip", [("good.jpg", b"good"), *entries])
    with pytest.raises(DataError, match=reason) as caught:
        unpack(archive, tmp_path / "out")
    assert "a.zip" in caught.value.message
    assert_nothing_left(tmp_path, "a.zip")


def test_refuses_name_with_nul(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", [("goodXjpg", b"1")])
    archive.write_bytes(archive.read_bytes().replace(b"goodXjpg", b"good\0jpg"))
    with pytest.raises(DataError, match=r"a\.zip"):
        unpack(archive, tmp_path / "out")
    assert_nothing_left(tmp_path, "a.zip")


def test_refuses_encrypted(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", [("x", b"1")])
    archive.write_bytes(flip_encrypted(archive.read_bytes()))
    with pytest.raises(DataError, match="encrypted"):
        unpack(archive, tmp_path / "out")


def test_refuses_bomb_by_ratio_and_by_total(tmp_path: Path) -> None:
    bomb = make_zip(tmp_path / "bomb.zip", [("x", bytes(5_000_000))], zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match="1000 times"):
        unpack(bomb, tmp_path / "out")
    big = make_zip(tmp_path / "big.zip", [(f"{i}", b"x" * 100) for i in range(11)])
    with pytest.raises(DataError, match="1,100 bytes"):
        unpack(big, tmp_path / "out", bytes_limit=1000)
    with pytest.raises(DataError, match="11 entries"):
        unpack(big, tmp_path / "out", entries_limit=10)
    assert_nothing_left(tmp_path, "bomb.zip", "big.zip")


def test_refuses_declared_size_that_lies(tmp_path: Path) -> None:
    """The central directory promises 10 bytes, the stream holds a megabyte."""
    archive = make_zip(tmp_path / "a.zip", [("x", os.urandom(1000) * 1000)], zipfile.ZIP_DEFLATED)
    data = bytearray(archive.read_bytes())
    central = data.rfind(b"PK\x01\x02")
    data[central + 24 : central + 28] = struct.pack("<I", 10)
    archive.write_bytes(data)
    with pytest.raises(DataError, match="damaged"):
        unpack(archive, tmp_path / "out")
    assert_nothing_left(tmp_path, "a.zip")


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.99])
def test_refuses_truncated(tmp_path: Path, keep: float) -> None:
    archive = make_zip(tmp_path / "a.zip", [(f"{i}.jpg", os.urandom(500)) for i in range(20)])
    content = archive.read_bytes()
    archive.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(DataError, match="damaged"):
        unpack(archive, tmp_path / "out")
    assert_nothing_left(tmp_path, "a.zip")


def test_damaged_content_leaves_nothing(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", [("first.jpg", b"f" * 100), ("second.jpg", b"s" * 100)])
    archive.write_bytes(archive.read_bytes().replace(b"s" * 100, b"t" * 100))
    with pytest.raises(DataError, match="CRC"):
        unpack(archive, tmp_path / "out")
    assert_nothing_left(tmp_path, "a.zip")


def test_no_mutant_escapes_or_raises_anything_but_data_error(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a/b.jpg", bytes(range(256)))
        file.writestr("c.csv", "image,MEL\n" * 20)
    good = buffer.getvalue()
    archive = tmp_path / "box" / "a.zip"
    archive.parent.mkdir()
    refused = 0
    for position in range(0, len(good), 3):
        for value in {0x00, 0xFF, good[position] ^ 0x40}:
            archive.write_bytes(good[:position] + bytes([value]) + good[position + 1 :])
            target = tmp_path / "box" / f"out{position}-{value}"
            try:
                unpack(archive, target)
            except DataError:
                refused += 1
                assert not target.exists()
    assert refused > len(good) / 3
    assert_nothing_left(tmp_path, "box")


def test_missing_archive_and_occupied_target(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.zip"):
        unpack(tmp_path / "none.zip", tmp_path / "out")
    archive = make_zip(tmp_path / "a.zip", [("x", b"1")])
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    with pytest.raises(DataError, match="not empty"):
        unpack(archive, tmp_path / "out")
    assert (tmp_path / "out/mine.txt").read_text() == "mine"


def test_checks_disk_space_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    archive = make_zip(tmp_path / "a.zip", [("x", b"12345")])
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: usage(10, 6, 4))
    with pytest.raises(DataError, match="needs 5 bytes, the disk has 4"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError])
def test_staged_folder_vanishes_when_the_block_fails(tmp_path: Path, fault: Callable[[], BaseException]) -> None:
    with pytest.raises((KeyboardInterrupt, DataError)), staged_folder(tmp_path / "out") as staging:
        (staging / "half").write_text("half")
        raise fault()
    assert_nothing_left(tmp_path)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="dead writers are recognised through /proc")
def test_staged_folder_sweeps_what_a_killed_writer_left(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, signal, sys; from lesionlab.archives import staged_folder\n"
        "with staged_folder(pathlib.Path(sys.argv[1])) as s:\n"
        "    (s / 'half').write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "out")], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    with staged_folder(tmp_path / "out") as staging:
        (staging / "whole").write_text("whole")
    assert_nothing_left(tmp_path, "out")


def test_what_is_stored_is_read_into_memory(tmp_path: Path) -> None:
    files = {"b/c.onnx": b"\x00" * 5000, "a.json": b"{}", "empty": b""}
    archives.write_stored(tmp_path / "a.lesion", files)
    assert archives.read_stored(tmp_path / "a.lesion", bytes_limit=10**4) == files
    first = (tmp_path / "a.lesion").read_bytes()
    archives.write_stored(tmp_path / "a.lesion", dict(reversed(files.items())))
    assert (tmp_path / "a.lesion").read_bytes() == first
    assert_nothing_left(tmp_path, "a.lesion")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: make_zip(path, [("a", b"x" * 100)], zipfile.ZIP_DEFLATED), "compressed"),
        (lambda path: make_zip(path, [("a", b"x" * 2000)]), "more than 1,000"),
        (lambda path: make_zip(path, [("../a", b"x")]), "climbs"),
        (lambda path: make_zip(path, [(linked("a", stat.S_IFLNK), b"b")]), "link"),
        (lambda path: make_zip(path, [(str(number), b"") for number in range(11)]), "11 entries"),
        (lambda path: path.write_bytes(b"PK"), "damaged"),
        (lambda path: None, "cannot read"),
    ],
)
def test_what_is_not_plainly_stored_is_refused(tmp_path: Path, make: Callable[[Path], object], words: str) -> None:
    make(tmp_path / "a.lesion")
    with pytest.raises(DataError, match=words):
        archives.read_stored(tmp_path / "a.lesion", bytes_limit=1000, entries_limit=10)
