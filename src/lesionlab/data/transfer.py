"""Brings one file over HTTP: resumed where it stopped, retried when the line breaks, checked when whole."""

from __future__ import annotations

import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import lesionlab
from lesionlab.errors import DataError
from lesionlab.files import PARTIAL, checksum, disk_error

Progress = Callable[[str, int, int | None], None]
"""Called with file name, bytes here, and bytes in all (None where unknown)."""

CHUNK = 1 << 18
PASSING = frozenset((408, 425, 429, 500, 502, 503, 504))
"""HTTP answers after which trying again makes sense."""


@dataclass(frozen=True)
class Remote:
    """A file on a server: name here, URL, MD5 in hex, and length in bytes where it is known."""

    name: str
    url: str
    md5: str
    size: int | None


@dataclass(frozen=True)
class Patience:
    """How long to wait: seconds without a byte, tries without headway, first pause between tries (then doubled)."""

    timeout: float = 30.0
    attempts: int = 5
    pause: float = 1.0


class _BrokenError(Exception):
    """The transfer broke in a way that may pass."""


def partial_path(folder: Path, name: str) -> Path:
    """Return where the part of a file that has arrived is kept."""
    return folder / f"{name}{PARTIAL}"


def fetch(remote: Remote, folder: Path, progress: Progress | None = None, patience: Patience | None = None) -> Path:
    """Return the file in `folder`, fetched unless it is there and whole.

    What has arrived is kept as `<name>.partial`, and the next call goes on from there where the
    server can. Each try that brings new bytes renews the patience. Raises `DataError` when the
    server cannot be reached or refuses, when the length is another than expected, and when the
    content has another MD5 even after a second fetch from the start.
    """
    target, partial = folder / remote.name, partial_path(folder, remote.name)
    patience = patience or Patience()
    if target.is_file() and remote.size in (None, target.stat().st_size) and checksum(target, "md5") == remote.md5:
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for _ in range(2):
            _bring(remote, partial, progress, patience)
            if checksum(partial, "md5") == remote.md5:
                partial.replace(target)
                return target
            partial.unlink()
    except OSError as error:
        raise disk_error(partial, error) from error
    raise DataError(
        f"{remote.url}: the content is not {remote.name} (its MD5 is not {remote.md5})",
        "the server or something on the way changed it; try again later or from another network",
    )


def _bring(remote: Remote, partial: Path, progress: Progress | None, patience: Patience) -> None:
    """Fetch until `partial` is whole; `DataError` after too many tries without headway."""
    best, failures = _length(partial), 0
    while True:
        try:
            return _request(remote, partial, progress, patience.timeout)
        except _BrokenError as error:
            reason = str(error)
        failures = 0 if _length(partial) > best else failures + 1
        best = max(best, _length(partial))
        if failures >= patience.attempts:
            raise DataError(
                f"{remote.url}: cannot be fetched: {reason}",
                "check the network and run the command again; it goes on where it stopped",
            )
        time.sleep(min(patience.pause * 2**failures, 60))


def _request(remote: Remote, partial: Path, progress: Progress | None, timeout: float) -> None:
    """Make one request for what is missing and append it; `_BrokenError` when it does not all arrive."""
    have = _length(partial)
    if remote.size is not None and have > remote.size:
        partial.unlink()
        have = 0
    if have and have == remote.size:
        return
    request = urllib.request.Request(remote.url, headers={"User-Agent": f"lesionlab/{lesionlab.__version__}"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        answer = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            _refused(error, remote, partial)
        return
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenError(_reason(error)) from None
    with answer:
        start = _range_start(answer)
        if start not in (0, have):
            raise _BrokenError(f"asked for byte {have}, got byte {start}")
        total = _total(answer, start, remote)
        with partial.open("ab" if start else "wb") as file:
            _receive(answer, file, remote.name, start, total, progress)
    if _length(partial) != total and total is not None:
        raise _BrokenError(f"{_length(partial):,} of {total:,} bytes arrived")


def _receive(
    answer: http.client.HTTPResponse,
    file: IO[bytes],
    name: str,
    done: int,
    total: int | None,
    progress: Progress | None,
) -> None:
    """Write what arrives, as it arrives; a write error is the disk's, a read error the network's."""
    while True:
        try:
            chunk = answer.read1(CHUNK)  # `read` would wait for a full chunk, and lose it when the line stalls
        except (OSError, http.client.HTTPException) as error:
            raise _BrokenError(_reason(error)) from None
        if not chunk:
            return
        done += len(chunk)
        if total is not None and done > total:
            raise DataError(f"{name}: the server sends more than {total:,} bytes", "it is not the file wanted")
        file.write(chunk)
        if progress:
            progress(name, done, total)


def _refused(error: urllib.error.HTTPError, remote: Remote, partial: Path) -> None:
    """Raise what an HTTP error means: try again, start again, or give up."""
    if (
        error.code == 416
        and remote.size is None
        and error.headers.get("Content-Range") == f"bytes */{_length(partial)}"
    ):
        return  # the part that is here is the whole
    if error.code == 416:
        partial.unlink(missing_ok=True)
        raise _BrokenError("the server cannot go on where the transfer stopped")
    if error.code in PASSING:
        raise _BrokenError(f"HTTP {error.code} {error.reason}")
    raise DataError(
        f"{remote.url}: the server answers {error.code} {error.reason}", "the file may have moved; check the address"
    )


def _range_start(answer: http.client.HTTPResponse) -> int:
    """Return the first byte's position: 0 for a whole file, -1 for a partial answer that does not tell."""
    if answer.status != 206:
        return 0
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(found[1]) if found else -1


def _total(answer: http.client.HTTPResponse, start: int, remote: Remote) -> int | None:
    """Return the whole file's length; `DataError` when the server announces another than expected."""
    length = answer.headers.get("Content-Length", "")
    announced = start + int(length) if length.isdecimal() else None
    if remote.size is not None and announced not in (None, remote.size):
        raise DataError(
            f"{remote.url}: {announced:,} bytes are offered where {remote.name} has {remote.size:,}",
            "it is not the file wanted; is there a log-in page between you and the server?",
        )
    return remote.size if remote.size is not None else announced


def _reason(error: Exception) -> str:
    """Return what went wrong in a few words."""
    cause = getattr(error, "reason", None) or error
    return "no answer in time" if isinstance(cause, TimeoutError) else str(cause) or type(cause).__name__


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
