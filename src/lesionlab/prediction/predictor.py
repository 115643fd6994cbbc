"""From image files to answers: decode ahead, squash, average views, one bad image never stopping the rest."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from lesionlab.data.images import load_image, squash
from lesionlab.diagnoses import CODES
from lesionlab.errors import ImageError
from lesionlab.models.bundle import Bundle
from lesionlab.models.composite import Composite
from lesionlab.prediction.judging import Floats, Verdict, judge
from lesionlab.prediction.network import Network, Pixels
from lesionlab.prediction.runtime import processors

BATCH = 8
"""Images that go through a network together; more take more memory and are no faster on processors."""


@dataclass(frozen=True)
class Answer:
    """What a model says of one image; the image is called by its file's name without suffix."""

    image_id: str
    path: Path
    verdict: Verdict


@dataclass(frozen=True)
class Refusal:
    """An image that was not answered, and why, in one line."""

    path: Path
    reason: str


def combined(model: Composite, tables: Sequence[Floats]) -> Floats:
    """Return a combined model's probabilities (n, 7), made of its members', each (n, 7), in their order."""
    together = model.combine(tables)
    return model.decisions.calibrated(together) if model.decisions else together


class Predictor:
    """A model ready to answer.

    Parameters
    ----------
    model : one network, or several that answer as one.
    views : 1, 2, 4 or 8 flipped and turned views to average; each network's own number where None.
    threads : see `Session`.
    point : aim of the operating point for malignant, "sensitivity 0.95"; the model's own where None.

    Raises `UsageError` for another number of views or a point that the model lacks, and `ModelError` for a model that
    cannot be loaded.
    """

    def __init__(
        self,
        model: Bundle | Composite,
        views: int | None = None,
        threads: int | None = None,
        point: str | None = None,
    ) -> None:
        self.model, self.point = model, point
        judge(np.full((1, len(CODES)), 1 / len(CODES)), model.decisions, None, point)  # a wrong point is told now
        bundles = model.bundles.values() if isinstance(model, Composite) else [model]
        self._networks = [Network(bundle, views, threads) for bundle in bundles]

    def probabilities(self, pixels: Pixels, batch_size: int = BATCH) -> Floats:
        """Return probabilities, float64 (n, 7), rows summing to 1, of uint8 RGB pixels (n, size, size, 3).

        Each view's logits get the network's prior offset and go through softmax; the views' probabilities are
        averaged and calibrated, those of several networks combined as the model says and calibrated again where it
        says how. The batch size bounds the memory and does not change the answer beyond rounding.
        """
        tables = self.tables(pixels, batch_size)
        return combined(self.model, tables) if isinstance(self.model, Composite) else tables[0]

    def tables(self, pixels: Pixels, batch_size: int = BATCH) -> list[Floats]:
        """Return each network's own probabilities, float64 (n, 7), in the order of the model's members."""
        found = [np.empty((len(pixels), len(CODES)), dtype=np.float64) for _ in self._networks]
        for first in range(0, len(pixels), batch_size):
            part = pixels[first : first + batch_size]
            for table, network in zip(found, self._networks, strict=True):
                table[first : first + batch_size] = network.probabilities(part)
        return found

    def verdicts(self, pixels: Pixels) -> list[Verdict]:
        """Return what the model says of one batch of uint8 RGB pixels (n, size, size, 3)."""
        decisions = self.model.decisions
        outliers = decisions.outlier.outliers(pixels) if decisions and decisions.outlier else None
        return judge(self.probabilities(pixels), decisions, outliers, self.point)

    def predict(self, paths: Iterable[Path], batch_size: int = BATCH) -> Iterator[Answer | Refusal]:
        """Yield an `Answer` or a `Refusal` for each path, in the order of `paths`, as they are done.

        Files are decoded by a few threads, at most two batches ahead, so memory does not grow with their number.
        """
        decoded = self._decoded(paths, 2 * batch_size)
        while batch := list(islice(decoded, batch_size)):
            yield from self._answered(batch)

    def answer(self, paths: Iterable[Path]) -> list[Answer | Refusal]:
        """Return an `Answer` or a `Refusal` for each path of one batch, decoded in this thread.

        Several threads may ask at once. With `threads` of 1 that answers more images a second than `predict` does.
        """
        return self._answered([(path, self._decode(path)) for path in paths])

    def _answered(self, batch: Sequence[tuple[Path, Pixels | Refusal]]) -> list[Answer | Refusal]:
        """Return what the model says of one decoded batch."""
        good = [pixels for _, pixels in batch if not isinstance(pixels, Refusal)]
        verdicts = iter(self.verdicts(np.stack(good)) if good else ())
        return [
            pixels if isinstance(pixels, Refusal) else Answer(path.stem, path, next(verdicts)) for path, pixels in batch
        ]

    def _decoded(self, paths: Iterable[Path], ahead: int) -> Iterator[tuple[Path, Pixels | Refusal]]:
        """Yield each path with its pixels (size, size, 3) or its refusal, in order, decoding up to `ahead` more."""
        waiting: deque[tuple[Path, Future[Pixels | Refusal]]] = deque()
        pool = ThreadPoolExecutor(min(4, processors()), thread_name_prefix="decode")
        try:
            for path in paths:
                waiting.append((path, pool.submit(self._decode, path)))
                if len(waiting) > ahead:
                    first, pixels = waiting.popleft()
                    yield first, pixels.result()
            for first, pixels in waiting:
                yield first, pixels.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _decode(self, path: Path) -> Pixels | Refusal:
        try:
            return squash(load_image(path), self.model.size, self.model.frame_aspect)
        except ImageError as error:
            return Refusal(path, error.message)
