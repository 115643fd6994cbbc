"""Answers to any number of images in one table, at constant memory, each exactly once however often it is killed.

The images are listed once, to a file. Their rows come in that order and are kept in parts (`prediction.parts`); a run
begins behind the parts that it finds, and makes the table of them when all are there. Batches begin at the same images
in every run, so that the table is the same to the byte whether the run was killed or not.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import lesionlab
from lesionlab.errors import DataError, UsageError
from lesionlab.files import lock, sweep_partials
from lesionlab.models.composite import card_digest
from lesionlab.prediction.answers import row, text
from lesionlab.prediction.parts import Parts, Row, parts_folder
from lesionlab.prediction.paths import Entry
from lesionlab.prediction.predictor import BATCH, Answer, Predictor, Refusal
from lesionlab.prediction.runtime import processors
from lesionlab.prediction.tables import Tally, write_table

PART_ROWS = 2000
PART_SECONDS = 20.0
"""A part is written after so many rows or seconds, whichever comes first: what a kill may cost."""

Engine = Callable[[Iterable[Entry]], Iterator[Row]]
"""What answers images: a row for each, in their order."""


@dataclass(frozen=True)
class Shard:
    """One of several shares of the images; number counts from 1.

    An image belongs to the share that the SHA-256 of its path, as it is named, tells: it stays there whatever else is
    listed, and shares differ in size by chance.
    """

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, words: str) -> Shard:
        """Return the shard "i/n"; `UsageError` unless 1 <= i <= n."""
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", words)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise UsageError(f"--shard {words}: no share", "write i/n, as in 1/4, 2/4, 3/4 and 4/4")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def holds(self, path: Path) -> bool:
        """Return whether the image belongs here."""
        digest = hashlib.sha256(bytes(path)).digest()
        return int.from_bytes(digest[:8], "big") % self.of == self.number - 1


def settings_of(predictor: Predictor, views: int | None, shard: Shard) -> dict[str, Any]:
    """Return all that the rows depend on beside the images."""
    return {
        "lesionlab": lesionlab.__version__,
        "model": card_digest(predictor.model)[:16],
        "views": views,
        "point": predictor.point,
        "shard": str(shard),
    }


def score(
    out: Path,
    listed: Iterable[Entry],
    engine: Engine,
    settings: Mapping[str, Any],
    watch: Callable[[Row | None, int, int], None] = lambda row, done, count: None,
    stopping: Callable[[], bool] = lambda: False,
    as_listed: bool = False,
) -> Tally | None:
    """Write one table of the answers to all images, and return how many were answered and refused.

    Parameters
    ----------
    out : the table, .csv, .jsonl or .parquet; one that is there is replaced when all is done.
    settings, as_listed : see `Parts.open`.
    watch : told of each row, how many are done, and of how many; first of none, when the images are listed.
    stopping : asked after each row whether to stop; what is done is kept then, and None returned.

    Raises `BusyError` while another process writes the table, and `DataError` for a run begun with other images or
    settings, no image, none that could be read, and what the disk refuses.
    """
    folder = parts_folder(out)
    with lock(folder, f"{out.name}, which is to be written,"):
        sweep_partials(out.parent, out.name)
        parts = Parts(folder)
        parts.open(listed, settings, as_listed)
        watch(None, parts.done, parts.count)
        if parts.done < parts.count:
            _answer(parts, engine, watch, stopping)
        if parts.done < parts.count:
            return None
        tally = write_table(out, parts.rows)
        parts.remove()
    if tally.refused and not tally.answered:
        raise DataError(f"none of {tally.refused} images could be read", "each was refused with its reason")
    return tally


def _answer(
    parts: Parts,
    engine: Engine,
    watch: Callable[[Row | None, int, int], None],
    stopping: Callable[[], bool],
) -> None:
    """Answer the waiting images and keep their rows."""
    rows: list[Row] = []
    since = time.monotonic()
    for found in engine(parts.waiting()):
        rows.append(found)
        watch(found, parts.done + len(rows), parts.count)
        if len(rows) % BATCH == 0 and (len(rows) >= PART_ROWS or time.monotonic() - since >= PART_SECONDS):
            parts.keep(rows)
            rows, since = [], time.monotonic()
        if stopping():
            break
    whole = parts.done + len(rows) == parts.count
    parts.keep(rows if whole else rows[: len(rows) // BATCH * BATCH])


def answers(predictor: Predictor, entries: Sequence[Entry]) -> Iterator[Answer | Refusal]:
    """Yield what the model says of each image, called by its name in the listing, as `Predictor.predict` does."""
    return map(_named, entries, predictor.predict(entry.path for entry in entries))


def local_engine(predictor: Predictor, threads: int | None = None) -> Engine:
    """Return the engine that answers in this process.

    Parameters
    ----------
    predictor : best of one thread, because `threads` of them answer a batch each; one for each processor where None.
        So no thread waits for another, and decoding, which is uneven, delays none: on two processors a third more
        images a second than one network on both, with decoding beside it.
    """

    def answered(batch: list[Entry]) -> list[Row]:
        results = predictor.answer(entry.path for entry in batch)
        return [
            {"image_id": text(entry.image_id), **row(_named(entry, result))}
            for entry, result in zip(batch, results, strict=True)
        ]

    def rows(entries: Iterable[Entry]) -> Iterator[Row]:
        waiting, count = iter(entries), threads or processors()
        ahead: deque[Future[list[Row]]] = deque()
        pool = ThreadPoolExecutor(count, thread_name_prefix="answer")
        try:
            while batch := list(islice(waiting, BATCH)):
                ahead.append(pool.submit(answered, batch))
                if len(ahead) > 2 * count:
                    yield from ahead.popleft().result()
            while ahead:
                yield from ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    return rows


def _named(entry: Entry, result: Answer | Refusal) -> Answer | Refusal:
    return replace(result, image_id=entry.image_id) if isinstance(result, Answer) else result
