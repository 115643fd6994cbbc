"""Writing survives exceptions, kills and full disks; a lock is held by one process and never goes stale."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lesionlab import files
from lesionlab.errors import EXIT_DATA, DataError


def left_overs(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.endswith(files.PARTIAL)]


def python(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a Python that prints a line when it is where the test wants it."""
    return subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)


def first_line(child: subprocess.Popen[str]) -> str:
    assert child.stdout
    return child.stdout.readline().strip()


def kill(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.communicate()


def test_written_content_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "note.txt"
    files.write_text(path, "naevus, Nävus")
    assert files.read_text(path) == "naevus, Nävus"
    assert path.read_bytes() == "naevus, Nävus".encode()
    assert left_overs(path.parent) == []


def test_an_exception_in_the_block_keeps_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    files.write_bytes(path, b"old")
    with pytest.raises(ZeroDivisionError), files.atomic(path) as file:
        file.write(b"half of the new")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert left_overs(tmp_path) == []


def test_an_exception_in_the_block_leaves_no_new_file(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), files.atomic(tmp_path / "model.bin") as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_readers_see_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    files.write_bytes(path, b"old")
    with files.atomic(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_kill_in_mid_write_leaves_the_old_file_and_a_sweepable_partial(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    files.write_bytes(path, b"old")
    code = """
import sys, time
from pathlib import Path
from lesionlab.files import atomic
with atomic(Path(sys.argv[1])) as file:
    file.write(b"new" * 100_000)
    file.flush()
    print("writing", flush=True)
    time.sleep(60)
"""
    writer = python(code, str(path))
    assert first_line(writer) == "writing"
    kill(writer)
    assert path.read_bytes() == b"old"
    assert len(left_overs(tmp_path)) == 1
    assert files.sweep_partials(tmp_path) == 1
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_disk_that_fails_at_fsync_is_a_data_error_and_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path = tmp_path / "model.bin"
    files.write_bytes(path, b"old")

    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DataError) as caught:
        files.write_bytes(path, b"new")
    assert caught.value.exit_code == EXIT_DATA
    assert str(path) in caught.value.message and os.strerror(number) in caught.value.message
    assert path.read_bytes() == b"old"
    assert left_overs(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB; the test is skipped where it cannot be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_a_data_error_and_keeps_the_old_file(small_disk: Path) -> None:
    path = small_disk / "model.bin"
    files.write_bytes(path, b"old")
    with pytest.raises(DataError, match="cannot write: No space left") as caught:
        files.write_bytes(path, b"x" * 2**20)
    assert caught.value.exit_code == EXIT_DATA
    assert caught.value.hint == "free some space and run the command again"
    assert path.read_bytes() == b"old"
    assert left_overs(small_disk) == []


def test_a_read_only_disk_is_a_data_error(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(DataError, match="cannot write: Read-only") as caught:
        files.write_text(small_disk / "run.json", "{}")
    assert caught.value.hint == "choose a folder that can be written"


def test_a_file_where_a_folder_is_needed_is_a_data_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(DataError, match="cannot write") as caught:
        files.write_text(tmp_path / "out" / "run.json", "{}")
    assert "folder is needed" in caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_write_permission_is_a_data_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(DataError, match="cannot write"):
            files.write_text(tmp_path / "run.json", "{}")
    finally:
        tmp_path.chmod(0o700)


def test_json_round_trip_and_refusals(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    value = {"name": "Nävus", "figures": [0.1, None, True]}
    files.write_json(path, value)
    assert files.read_json(path) == value
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(path, {"loss": float("nan")})
    assert files.read_json(path) == value
    path.write_text('{"name": ')
    with pytest.raises(DataError, match=r"run\.json: not valid JSON"):
        files.read_json(path)
    with pytest.raises(DataError, match="cannot read"):
        files.read_json(tmp_path / "none.json")


@pytest.mark.parametrize("content", ["Nävus".encode(), b"\xef\xbb\xbf" + "Nävus".encode(), "Nävus".encode("latin-1")])
def test_text_is_read_as_utf8_with_or_without_bom_or_latin1(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "note.txt").write_bytes(content)
    assert files.read_text(tmp_path / "note.txt") == "Nävus"


def test_checksum_is_sha256_or_what_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert files.checksum(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert files.checksum(tmp_path / "abc", "md5") == "900150983cd24fb0d6963f7d28e17f72"


def test_only_names_of_our_own_are_swept(tmp_path: Path) -> None:
    for name in (".run.json.12.partial", "mine.partial", ".hidden"):
        (tmp_path / name).touch()
    (tmp_path / ".model.12.partial").mkdir()
    assert files.sweep_partials(tmp_path) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"mine.partial", ".hidden", ".model.12.partial"}
