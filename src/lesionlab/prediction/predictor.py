"""From image files to answers: decode ahead, squash, average views, one bad image never stopping the rest."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lesionlab.data.images import grayscale, load_image, squash
from lesionlab.diagnoses import CODES
from lesionlab.errors import ImageError, UsageError
from lesionlab.models.bundle import Bundle
from lesionlab.models.composite import Composite
from lesionlab.prediction.runtime import Session, processors

VIEWS = (1, 2, 4, 8)
"""Numbers of views that can be averaged: the image; and mirrored; and upside down; and with x and y swapped."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Answer:
    """What a model says of one image: the likeliest diagnosis' code, and seven probabilities in order of `CODES`."""

    image_id: str
    path: Path
    diagnosis: str
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class Refusal:
    """An image that was not answered, and why, in one line."""

    path: Path
    reason: str


class Network:
    """One network's graph with its views, colour mode and prior offset; see `Predictor` for the parameters."""

    def __init__(self, bundle: Bundle, views: int | None = None, threads: int | None = None) -> None:
        self.bundle = bundle
        self.views = bundle.views if views is None else views
        if self.views not in VIEWS:
            raise UsageError(f"{self.views} views cannot be averaged", f"take {', '.join(map(str, VIEWS))}")
        self._session = Session(bundle, threads)
        self._offset = np.array(bundle.prior_offset, dtype=np.float64)

    def probabilities(self, pixels: Pixels) -> npt.NDArray[np.float64]:
        """Return probabilities, float64 (n, 7), of one batch of uint8 RGB pixels (n, size, size, 3)."""
        seen = grayscale(pixels) if self.bundle.colour == "gray" else pixels
        return np.asarray(np.mean([self._view(dihedral(seen, view)) for view in range(self.views)], axis=0))

    def _view(self, pixels: Pixels) -> npt.NDArray[np.float64]:
        return softmax(self._session.logits(pixels) + self._offset)


class Predictor:
    """A model ready to answer.

    Parameters
    ----------
    model : one network, or several that answer as one.
    views : 1, 2, 4 or 8 flipped and turned views to average; each network's own number where None.
    threads : see `Session`.

    Raises `UsageError` for another number of views, and `ModelError` for a model that cannot be loaded.
    """

    def __init__(self, model: Bundle | Composite, views: int | None = None, threads: int | None = None) -> None:
        self.model = model
        bundles = model.bundles.values() if isinstance(model, Composite) else [model]
        self._networks = [Network(bundle, views, threads) for bundle in bundles]

    def probabilities(self, pixels: Pixels, batch_size: int = 32) -> npt.NDArray[np.float64]:
        """Return probabilities, float64 (n, 7), rows summing to 1, of uint8 RGB pixels (n, size, size, 3).

        Each view's logits get the network's prior offset and go through softmax; the views' probabilities are
        averaged, and those of several networks combined as the model says. The batch size bounds the memory and
        does not change the answer beyond rounding.
        """
        tables = self.tables(pixels, batch_size)
        return self.model.combine(tables) if isinstance(self.model, Composite) else tables[0]

    def tables(self, pixels: Pixels, batch_size: int = 32) -> list[npt.NDArray[np.float64]]:
        """Return each network's own probabilities, float64 (n, 7), in the order of the model's members."""
        found = [np.empty((len(pixels), len(CODES)), dtype=np.float64) for _ in self._networks]
        for first in range(0, len(pixels), batch_size):
            part = pixels[first : first + batch_size]
            for table, network in zip(found, self._networks, strict=True):
                table[first : first + batch_size] = network.probabilities(part)
        return found

    def predict(self, paths: Iterable[Path], batch_size: int = 32) -> Iterator[Answer | Refusal]:
        """Yield an `Answer` or a `Refusal` for each path, in the order of `paths`, as they are done.

        Files are decoded by a few threads, at most two batches ahead, so memory does not grow with their number.
        """
        decoded = self._decoded(paths, 2 * batch_size)
        while batch := list(islice(decoded, batch_size)):
            good = [pixels for _, pixels in batch if not isinstance(pixels, Refusal)]
            rows = iter(self.probabilities(np.stack(good), batch_size) if good else ())
            for path, pixels in batch:
                yield pixels if isinstance(pixels, Refusal) else answer(path, next(rows))

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
            return squash(load_image(path), self.model.size)
        except ImageError as error:
            return Refusal(path, error.message)


def answer(path: Path, probabilities: npt.NDArray[np.float64]) -> Answer:
    """Return the answer that probabilities (7,) make; the image is called by its file's name without suffix."""
    return Answer(path.stem, path, CODES[int(probabilities.argmax())], tuple(float(p) for p in probabilities))


def softmax(logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return exp(logits) / sum over the last axis, float64, without overflow."""
    odds = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=-1, keepdims=True))


def dihedral(pixels: Pixels, view: int) -> Pixels:
    """Return view 0 to 7 of square images (n, s, s, 3): bit 0 mirrors x, bit 1 mirrors y, bit 2 swaps x and y."""
    if view & 1:
        pixels = pixels[:, :, ::-1]
    if view & 2:
        pixels = pixels[:, ::-1]
    return pixels.swapaxes(1, 2) if view & 4 else pixels
