"""The one door for archives, and the way a whole folder appears at once or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from lesionlab.errors import DataError
from lesionlab.files import PARTIAL, atomic, disk_error

BYTES_LIMIT = 20 * 2**30
"""Most bytes that an archive may unpack to, unless the caller says otherwise."""

ENTRIES_LIMIT = 200_000
RATIO_LIMIT = 1000
"""Most bytes out per byte in; photographs stay below 2, text below 100, zip bombs start above 1000."""

_CHUNK = 2**20
_REFUSED = (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


@contextlib.contextmanager
def staged_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside `target` that becomes `target` when the block ends well.

    Otherwise it vanishes, so nobody ever sees half a folder. `target` must not exist or be empty:
    `DataError` if it holds anything, or if the disk refuses.
    """
    target = target.absolute()
    staging = target.with_name(f".{target.name}.{os.getpid()}{PARTIAL}")
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise DataError(f"{target}: already exists and is not empty", "name a new folder, or remove this one")
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        staging.mkdir()
        yield staging
        os.sync()
        staging.rename(target)
    except OSError as error:
        raise disk_error(target, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _sweep(target: Path) -> None:
    """Delete what writers of `target` that were killed have left beside it."""
    for left in target.parent.glob(f".{target.name}.*{PARTIAL}"):
        owner = left.name.removesuffix(PARTIAL).rsplit(".", 1)[-1]
        if owner.isdecimal() and not Path(f"/proc/{owner}").exists() and Path("/proc/self").exists():
            shutil.rmtree(left, ignore_errors=True)


def unpack(
    archive: Path, target: Path, *, bytes_limit: int = BYTES_LIMIT, entries_limit: int = ENTRIES_LIMIT
) -> list[Path]:
    """Unpack a zip archive into the new folder `target` and return the files, sorted.

    Everything is checked before the first byte is written: absolute and climbing paths, links,
    encryption, names that clash (also by letter case or Unicode form), compression ratio, number of
    entries, total size, free disk space. `__MACOSX/` is skipped. Raises `DataError`, and leaves
    nothing behind, for an archive that is damaged or that breaks one of these rules.
    """
    with _opened(archive) as source:
        entries = _checked(source.infolist(), archive, bytes_limit, entries_limit)
        _check_space(target, sum(info.file_size for info, _ in entries))
        with staged_folder(target) as staging:
            for info, name in entries:
                _extract(source, info, staging / name)
    return sorted(target / name for info, name in entries if not info.is_dir())


def read_stored(archive: Path, *, bytes_limit: int, entries_limit: int = ENTRIES_LIMIT) -> dict[str, bytes]:
    """Return the files of a zip archive that holds them uncompressed, relative path -> content, all in memory.

    Checked as in `unpack`; besides, what is compressed is refused. Raises `DataError`.
    """
    with _opened(archive) as source:
        entries = _checked(source.infolist(), archive, bytes_limit, entries_limit)
        if any(info.compress_type != zipfile.ZIP_STORED for info, _ in entries):
            raise DataError(f"{archive}: holds compressed entries", "do not trust this file; fetch it anew")
        return {str(name): source.read(info) for info, name in entries if not info.is_dir()}


def write_stored(archive: Path, files: Mapping[str, bytes]) -> None:
    """Write a zip archive that holds `files`, relative path -> content, uncompressed: equal files, equal archive."""
    with atomic(archive) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as target:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name)  # dated 1980
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            target.writestr(entry, content)


@contextlib.contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    """Yield an archive open for reading; what goes wrong with it in the block is a `DataError`."""
    try:
        with zipfile.ZipFile(archive) as source:
            yield source
    except _REFUSED as error:
        raise DataError(f"{archive}: damaged or unsupported archive ({error})", "fetch the file again") from None
    except OSError as error:
        raise DataError(f"{archive}: cannot read: {error.strerror or error}", "check the path") from None


def _checked(
    infos: list[zipfile.ZipInfo], archive: Path, bytes_limit: int, entries_limit: int
) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """Return the entries to unpack with their safe relative names; `DataError` for the first bad one."""
    hint = "do not trust this archive; fetch it from its publisher"
    if len(infos) > entries_limit:
        raise DataError(f"{archive}: {len(infos)} entries, more than {entries_limit}", hint)
    total = sum(info.file_size for info in infos)
    if total > bytes_limit:
        raise DataError(f"{archive}: unpacks to {total:,} bytes, more than {bytes_limit:,}", hint)
    entries = [(info, PurePosixPath(info.filename)) for info in infos if not _is_mac_junk(info.filename)]
    for info, _ in entries:
        fault = _fault(info)
        if fault:
            raise DataError(f"{archive}: entry {info.filename[:80]!r} {fault}", hint)
    clash = _clash(entries)
    if clash:
        raise DataError(f"{archive}: two entries named {clash[:80]!r}", hint)
    return entries


def _is_mac_junk(name: str) -> bool:
    return name.split("/", 1)[0] == "__MACOSX"


def _fault(info: zipfile.ZipInfo) -> str:
    """Return what is wrong with one entry, or ""."""
    name = info.orig_filename
    parts = name.rstrip("/").split("/")
    if name.startswith("/") or "\\" in name or ":" in parts[0]:
        return "has an absolute or foreign path"
    if any(part in ("", ".", "..") or len(part.encode()) > 255 for part in parts):
        return "has a path that climbs or cannot be written"
    if not name.isprintable():
        return "has control characters in its name"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind and not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        return "is a link or a special file"
    if info.flag_bits & 0x1:
        return "is encrypted"
    if info.file_size > RATIO_LIMIT * max(info.compress_size, 1):
        return f"grows more than {RATIO_LIMIT} times when unpacked"
    return ""


def _clash(entries: list[tuple[zipfile.ZipInfo, PurePosixPath]]) -> str:
    """Return a name that two entries claim on some file system, or ""."""

    def key(name: PurePosixPath) -> str:
        return unicodedata.normalize("NFC", str(name)).casefold()

    files: set[str] = set()
    folders: dict[str, str] = {}
    for info, name in entries:
        if not info.is_dir() and key(name) in files:
            return str(name)
        if not info.is_dir():
            files.add(key(name))
        for folder in (*name.parents, *([name] if info.is_dir() else [])):
            if folders.setdefault(key(folder), str(folder)) != str(folder):
                return str(folder)
    return next(iter(sorted(files & folders.keys())), "")


def _check_space(target: Path, needed: int) -> None:
    """Raise `DataError` when the disk of `target` has fewer than `needed` bytes free."""
    folder = next(parent for parent in target.absolute().parents if parent.exists())
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DataError(f"{target}: needs {needed:,} bytes, the disk has {free:,}", "free some space")


def _extract(source: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> None:
    """Write one entry; zipfile checks its length and CRC as it reads."""
    if info.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with source.open(info) as packed, path.open("xb") as file:
        shutil.copyfileobj(packed, file, _CHUNK)
