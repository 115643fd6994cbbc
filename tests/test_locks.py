"""A lock is held by one process, never goes stale, and does not mistake a file system without locks for a process."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lesionlab import files
from lesionlab.errors import EXIT_DATA, BusyError, DataError

HOLD = """
import sys, time
from pathlib import Path
from lesionlab.files import lock
with lock(Path(sys.argv[1]), "the run folder"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the folder "run"."""
    words = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_lock_refuses_a_second_process_and_ends_with_its_holder(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    with (
        pytest.raises(DataError, match="the run folder is in use") as caught,
        files.lock(tmp_path / "run", "the run folder"),
    ):
        pytest.fail("two processes hold one lock")
    assert caught.value.exit_code == EXIT_DATA
    holder.kill()
    holder.wait()
    with files.lock(tmp_path / "run", "the run folder"):
        assert (tmp_path / "run").is_dir()


def test_a_lock_can_be_taken_again_after_an_exception(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), files.lock(tmp_path, "the run folder"):
        raise ZeroDivisionError
    with files.lock(tmp_path, "the run folder"):
        assert (tmp_path / ".lock").is_file()


def test_a_lock_where_no_folder_can_be_is_a_data_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(DataError, match="cannot write"), files.lock(tmp_path / "out", "the run folder"):
        pytest.fail("a file was locked as a folder")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS])
@pytest.mark.parametrize("wait", [False, True])
def test_a_file_system_without_locks_is_named(
    number: int, wait: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not told as another process, for which one would wait for ever."""
    refuse(monkeypatch, number)
    with pytest.raises(DataError, match="no locks") as caught, files.lock(tmp_path, "the pack", wait):
        pytest.fail("held nothing")
    assert not isinstance(caught.value, BusyError) and "flock" in caught.value.hint


def test_a_lock_on_a_broken_disk_is_a_data_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, errno.EIO)
    with pytest.raises(DataError, match="Input/output error") as caught, files.lock(tmp_path, "the pack"):
        pytest.fail("held nothing")
    assert not isinstance(caught.value, BusyError)


def refuse(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let every lock fail in this way."""

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", fail)


def test_a_lock_can_be_waited_for(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    ended: list[float] = []

    def end() -> None:
        ended.append(time.monotonic())
        holder.kill()

    threading.Timer(0.3, end).start()
    with files.lock(tmp_path / "run", "the run folder", wait=True):
        assert ended and time.monotonic() >= ended[0]
