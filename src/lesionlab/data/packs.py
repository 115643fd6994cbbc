"""Packed pixels: every image decoded once into a memory-mapped file, so that an epoch decodes no JPEG."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lesionlab.data.cases import Case, Problem
from lesionlab.data.images import load_image, squash
from lesionlab.errors import DataError, ImageError
from lesionlab.files import PARTIAL, disk_error, lock, read_json, write_json

VERSION = 1
"""Part of a pack's key: a change in how pixels are made must change it."""


@dataclass(frozen=True)
class Pack:
    """Images as one array.

    `pixels` is a read-only memory map, uint8 (n, size, size, 3); `cases[i]` describes `pixels[i]`;
    `fingerprint` names the pixels and their ids in 16 hex digits; `left_out` lists unreadable images.
    """

    pixels: np.ndarray
    cases: tuple[Case, ...]
    fingerprint: str
    left_out: tuple[Problem, ...] = ()

    def rows(self, image_ids: set[str]) -> np.ndarray:
        """Return the row numbers, int64 ascending, of the images whose id is in `image_ids`."""
        return np.flatnonzero(np.fromiter((case.image_id in image_ids for case in self.cases), bool))

    def readable(self, cases: Sequence[Case]) -> list[Case]:
        """Return those of `cases` that could be read, in the order of the pack."""
        return [self.cases[row] for row in self.rows({case.image_id for case in cases})]


def default_cache() -> Path:
    """Return the folder for packs and features: $LESIONLAB_CACHE, else the user's cache folder."""
    if folder := os.environ.get("LESIONLAB_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lesionlab"


def pack(
    cases: Sequence[Case],
    size: int = 224,
    cache: Path | None = None,
    skip_bad: bool = False,
    progress: Callable[[int, int], None] | None = None,
    aspect: float = 1.0,
) -> Pack:
    """Return the packed pixels of `cases`, made now or taken from the cache.

    A pack is found again by the ids, paths, file sizes and change times of its images. Unreadable
    images are all named in one `DataError`, or left out (and listed) with `skip_bad`.

    Parameters
    ----------
    size, aspect : side in pixels to which frames of that width over height are squashed; see `images.squash`.
    progress : called with (images done, images in all).
    """
    folder = (cache or default_cache()) / "packs"
    target = folder / f"{_key(cases, size, aspect)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(folder, error) from error
    if not (target / "pack.json").is_file():
        partial = folder / f".{target.name}{PARTIAL}"
        with lock(partial, "the pack"):
            if not (target / "pack.json").is_file():  # another process may have made it by now
                _write(cases, size, aspect, partial, progress)
                shutil.rmtree(target, ignore_errors=True)
                partial.replace(target)
    return _open(target, cases, size, skip_bad)


def _key(cases: Sequence[Case], size: int, aspect: float) -> str:
    digest = hashlib.sha256((f"{VERSION} {size}" + (f" {aspect:.3f}" if aspect != 1 else "")).encode())
    for case in cases:
        try:
            status = Path(case.path).stat()
            mark = f"{status.st_size} {status.st_mtime_ns}"
        except OSError:
            mark = "missing"
        digest.update(f"\n{case.image_id}\t{Path(case.path).absolute()}\t{mark}".encode())
    return digest.hexdigest()[:16]


def _write(
    cases: Sequence[Case], size: int, aspect: float, folder: Path, progress: Callable[[int, int], None] | None
) -> None:
    """Decode all images into folder/pixels.npy and describe them in folder/pack.json."""
    needed = len(cases) * size * size * 3
    free = shutil.disk_usage(folder).free
    if free < needed + 2**20:
        raise DataError(
            f"{folder.parent}: {needed:,} bytes needed for the packed images, {free:,} free",
            "free some space, or set LESIONLAB_CACHE to a larger disk",
        )
    bad: dict[int, str] = {}
    digest = hashlib.sha256()
    try:
        pixels = np.lib.format.open_memmap(folder / "pixels.npy", "w+", np.uint8, (len(cases), size, size, 3))
        with (folder / "pixels.npy").open("r+b") as file:  # a disk that fills up later would kill the process
            os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)

        def decode(row: int) -> np.ndarray | str:
            try:
                return squash(load_image(Path(cases[row].path)), size, aspect)
            except ImageError as error:
                return error.message

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for row, result in enumerate(_decoded(pool, decode, len(cases))):
                if isinstance(result, str):
                    bad[row] = result
                else:
                    pixels[row] = result
                digest.update(cases[row].image_id.encode())
                digest.update(pixels[row].tobytes())
                if progress:
                    progress(row + 1, len(cases))
        pixels.flush()
    except OSError as error:
        raise disk_error(folder, error) from error
    write_json(
        folder / "pack.json",
        {"version": VERSION, "size": size, "fingerprint": digest.hexdigest()[:16], "bad": [[r, bad[r]] for r in bad]},
    )


def _decoded(
    pool: ThreadPoolExecutor, decode: Callable[[int], np.ndarray | str], count: int, ahead: int = 64
) -> Iterator[np.ndarray | str]:
    """Yield decode(0), decode(1), ... with at most `ahead` results waiting in memory."""
    waiting: deque[Future[np.ndarray | str]] = deque()
    for row in range(count):
        waiting.append(pool.submit(decode, row))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _open(folder: Path, cases: Sequence[Case], size: int, skip_bad: bool) -> Pack:
    described = read_json(folder / "pack.json")
    bad = {int(row): str(reason) for row, reason in described["bad"]}
    problems = tuple(Problem("unreadable image", cases[r].image_id, cases[r].path, bad[r]) for r in sorted(bad))
    if problems and not skip_bad:
        named = "; ".join(problem.detail for problem in problems[:5]) + ("; ..." if len(problems) > 5 else "")
        raise DataError(
            f"{len(problems)} of {len(cases)} images cannot be read: {named}",
            "mend or remove them, or leave them out with --skip-bad",
        )
    damaged = DataError(f"{folder}: the pack is damaged", "delete this folder; it is made again when needed")
    try:
        pixels = np.load(folder / "pixels.npy", mmap_mode="r")
    except (OSError, ValueError):
        raise damaged from None
    if pixels.shape != (len(cases), size, size, 3) or pixels.dtype != np.uint8:
        raise damaged
    keep = [row for row in range(len(cases)) if row not in bad]
    if bad:
        pixels = pixels[keep]
    if not keep:
        raise DataError("no image can be read", "see: lesionlab data check")
    return Pack(pixels, tuple(cases[row] for row in keep), described["fingerprint"], problems)
