"""The one door for writing and unpacking: atomic writes, checksums, locks."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from lesionlab.errors import BusyError, DataError

PARTIAL = ".partial"
"""Suffix of files that are being written; such a file left behind by a crash may be deleted."""

NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""What a file system answers that has no locks."""


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[IO[bytes]]:
    """Yield a binary file that becomes `path` when the block ends well, and vanishes otherwise.

    The content is on the disk before the name is (fsync, rename, fsync of the folder), so a crash
    leaves the old file or the new one. Raises `DataError` on a full or read-only disk.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise disk_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def disk_error(path: Path, error: OSError) -> DataError:
    """Return the `DataError` that tells a user what the disk said about `path`."""
    hints = {
        errno.ENOSPC: "free some space and run the command again",
        errno.EDQUOT: "free some space and run the command again",
        errno.EROFS: "choose a folder that can be written",
        errno.EACCES: "choose a folder that can be written",
        errno.EPERM: "choose a folder that can be written",
        errno.ENOTDIR: "a file stands where a folder is needed",
        errno.EEXIST: "a file stands where a folder is needed",
    }
    return DataError(f"{path}: cannot write: {error.strerror or error}", hints.get(error.errno or 0, ""))


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes atomically."""
    with atomic(path) as file:
        file.write(content)


def write_text(path: Path, content: str) -> None:
    """Write text atomically as UTF-8."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, indented; NaN is refused because it is not JSON."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON; `DataError` when the file is missing or damaged."""
    try:
        return json.loads(read_text(path))
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON ({error})", "the file is damaged; make it again") from None


def read_text(path: Path) -> str:
    """Read UTF-8 with or without BOM, or Latin-1; `DataError` when the file cannot be read."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot read: {error.strerror}", "check the path") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def checksum(path: Path, algorithm: str = "sha256") -> str:
    """Return the hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def is_partial(path: Path) -> bool:
    """Return whether a file or folder has the name of one that is, or was when its writer died, being written."""
    return path.name.startswith(".") and path.name.endswith(PARTIAL)


def sweep_partials(folder: Path, of: str = "") -> int:
    """Delete what crashed writers left in `folder` (not below it) and return how many files that were.

    `of` is the name of the one file whose writers are meant; all where empty.
    """
    left = [path for path in folder.glob("*") if is_partial(path) and path.is_file()]  # none where there is no folder
    left = [path for path in left if not of or path.name.startswith(f".{of}.")]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


@contextlib.contextmanager
def lock(folder: Path, what: str, wait: bool = False) -> Iterator[None]:
    """Hold `folder` for this process; when another holds it, `BusyError`, or `wait` until it is free.

    The kernel drops the lock when its holder dies, so a stale one never blocks. Raises `DataError` where the folder
    cannot be written, or lies on a file system without locks.
    """
    path = folder / ".lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
    except OSError as error:
        raise disk_error(path, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise BusyError(f"{folder}: {what} is in use by another process", "wait for it, or stop it") from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise disk_error(path, error) from error
            raise DataError(
                f"{folder}: its file system has no locks ({error.strerror})",
                "choose a folder on a local disk, or, to share one, on a file system that has flock",
            ) from None
        yield
