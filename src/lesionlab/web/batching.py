"""Photographs of several clients go through the network together.

A few threads decode; one thread for each processor takes batches through the network, so that none waits for another. A
photograph whose client has left is dropped at the next of these steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Lock, Thread

import numpy as np
from PIL import Image

from lesionlab.data.images import load_image, squash
from lesionlab.errors import ModelError
from lesionlab.models.bundle import Bundle
from lesionlab.models.composite import Composite
from lesionlab.prediction.cam import Cam, Maps, grad_cam
from lesionlab.prediction.judging import Floats
from lesionlab.prediction.network import Pixels
from lesionlab.prediction.predictor import BATCH, Predictor
from lesionlab.prediction.runtime import processors
from lesionlab.web.faults import busy
from lesionlab.web.pictures import Picture

WAIT = 0.003
"""Longest, in seconds, that a photograph waits for others to go through the network with."""

Draw = Callable[[Image.Image], Picture]


@dataclass(frozen=True, eq=False)
class Seen:
    """What the network says of one photograph.

    probabilities (7,) : calibrated. outlier : whether it is turned away, None where the model cannot tell. picture,
    maps (7, size, size) : None unless they were asked for.
    """

    probabilities: Floats
    outlier: bool | None
    picture: Picture | None
    maps: Maps | None


@dataclass(eq=False)
class _Job:
    """One photograph on its way; `pixels` (size, size, 3), `outlier` and `picture` are there once it is decoded."""

    content: bytes
    name: str
    draw: Draw | None
    maps: bool
    future: Future[Seen] = field(default_factory=Future)
    pixels: Pixels | None = None
    outlier: bool | None = None
    picture: Picture | None = None


class Batcher:
    """A model that answers many clients at once, a bounded number of photographs at a time.

    Parameters
    ----------
    capacity : most photographs that may wait or be looked at. threads : how many take batches through the network; one
        for each processor where None. views : as in `Predictor`.

    Raises `ModelError` for a model that cannot be loaded, and `UsageError` for another number of views.
    """

    def __init__(
        self, model: Bundle | Composite, capacity: int, threads: int | None = None, views: int | None = None
    ) -> None:
        self.model, self.capacity, self.waiting = model, capacity, 0
        self._predictor = Predictor(model, views, threads=1)
        self._cam, self._drawing = _cam(model, views), Lock()
        self._decoded: SimpleQueue[_Job | None] = SimpleQueue()
        self.pool = ThreadPoolExecutor(min(4, processors()), thread_name_prefix="decode")
        count = threads or processors()
        self._threads = [Thread(target=self._run, name="network", daemon=True) for _ in range(count)]

    @property
    def has_maps(self) -> bool:
        """Whether heat maps can be made here."""
        return self._cam is not None

    def start(self) -> None:
        """Begin to answer."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop when what is being looked at is done; what waits is dropped."""
        self.pool.shutdown(cancel_futures=True)
        self._decoded.put(None)
        for thread in self._threads:
            thread.join()

    def check_places(self, photographs: int) -> None:
        """Raise a `FaultError` (503) where the queue has not so many places."""
        if self.waiting + photographs > self.capacity:
            raise busy(f"{self.waiting} images are waiting already")

    @contextmanager
    def places(self, photographs: int) -> Iterator[None]:
        """Hold places in the queue, from one thread only; raises a `FaultError` as `check_places` does."""
        self.check_places(photographs)
        self.waiting += photographs
        try:
            yield
        finally:
            self.waiting -= photographs

    def submit(self, content: bytes, name: str, draw: Draw | None = None, maps: bool = False) -> Future[Seen]:
        """Return the coming answer to one file's content; `name` is what messages call it.

        `draw` makes the picture that the answer brings. The future raises `ImageError` for a file that is refused;
        cancel it when nobody waits any longer.
        """
        job = _Job(content, name, draw, maps)
        self.pool.submit(self._decode, job)
        return job.future

    def _decode(self, job: _Job) -> None:
        """Open the photograph and hand it on, or tell why not."""
        if job.future.cancelled():
            return
        try:
            photograph = load_image(job.content, job.name)
            job.content = b""
            job.pixels = squash(photograph, self.model.size, self.model.frame_aspect)
            decisions = self.model.decisions
            if decisions and decisions.outlier:
                job.outlier = bool(decisions.outlier.outliers([job.pixels])[0])
            job.picture = job.draw(photograph) if job.draw else None
        except Exception as error:  # whatever it is, its client must hear of it
            if job.future.set_running_or_notify_cancel():
                job.future.set_exception(error)
        else:
            self._decoded.put(job)

    def _run(self) -> None:
        """Answer batch after batch until told to stop."""
        while (first := self._decoded.get()) is not None:
            batch = [job for job in self._gather(first) if job.future.set_running_or_notify_cancel()]
            if batch:
                self._answer(batch)
        self._decoded.put(None)  # for the other threads

    def _gather(self, first: _Job) -> list[_Job]:
        """Return a batch: what is decoded already, or comes within `WAIT`."""
        batch, until = [first], time.monotonic() + WAIT
        while len(batch) < BATCH:
            try:
                job = self._decoded.get(timeout=max(0.0, until - time.monotonic()))
            except Empty:
                break
            if job is None:
                self._decoded.put(None)
                break
            batch.append(job)
        return batch

    def _answer(self, batch: list[_Job]) -> None:
        try:
            pixels = np.stack([job.pixels for job in batch if job.pixels is not None])
            probabilities = self._predictor.probabilities(pixels)
            for number, job in enumerate(batch):
                maps = self._maps(pixels[number : number + 1]) if job.maps else None
                job.future.set_result(Seen(probabilities[number], job.outlier, job.picture, maps))
        except Exception as error:  # this thread must outlive any fault
            for job in batch:
                if not job.future.done():
                    job.future.set_exception(error)

    def _maps(self, pixels: Pixels) -> Maps | None:
        """Return one photograph's heat maps (7, size, size); torch makes them for one thread at a time."""
        with self._drawing:
            return self._cam.class_maps(pixels)[0] if self._cam else None


def _cam(model: Bundle | Composite, views: int | None) -> Cam | None:
    """Return what makes heat maps; None where that takes torch, and there is none, or the network keeps no plane."""
    try:
        return grad_cam(model, views)
    except (ModuleNotFoundError, ModelError):
        return None
