"""Photographs of several clients share a batch; what nobody waits for is dropped; no fault stops the rest."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from lesionlab.errors import ImageError
from lesionlab.models.bundle import Bundle
from lesionlab.prediction.predictor import BATCH, Predictor
from lesionlab.web.batching import Batcher
from lesionlab.web.faults import FaultError

Make = Callable[..., Any]


class Watched:
    """A batcher whose network waits at a gate; `sizes` are the batches that went through."""

    def __init__(self, model: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        self.gate, self.entered = threading.Event(), threading.Event()
        through = Predictor.probabilities

        def gated(predictor: Predictor, pixels: Any, *rest: Any) -> Any:
            self.entered.set()
            assert self.gate.wait(20)
            self.sizes.append(len(pixels))
            return through(predictor, pixels, *rest)

        monkeypatch.setattr(Predictor, "probabilities", gated)
        self.batcher = Batcher(model, 64, threads=1)
        self.batcher.start()


@pytest.fixture
def watched(model: Bundle, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    found = Watched(model, monkeypatch)
    yield found
    found.gate.set()
    found.batcher.stop()


def test_waiting_photographs_go_together(watched: Watched, model: Bundle, photograph: Make) -> None:
    contents = [photograph(seed=seed) for seed in range(20)]
    first = watched.batcher.submit(contents[0], "0")
    assert watched.entered.wait(20)
    rest = [watched.batcher.submit(content, "x") for content in contents[1:]]
    while watched.batcher._decoded.qsize() < len(rest):
        threading.Event().wait(0.01)
    watched.gate.set()
    found = [job.result(20) for job in (first, *rest)]
    assert watched.sizes == [1, BATCH, BATCH, 3]
    alone = [watched.batcher.submit(content, "x").result(20) for content in contents[:3]]
    for together, one in zip(found[:3], alone, strict=True):  # each its own answer, and rounding's share of the batch
        np.testing.assert_allclose(together.probabilities, one.probabilities, atol=1e-5)


def test_what_nobody_waits_for_is_dropped(watched: Watched, photograph: Make) -> None:
    first = watched.batcher.submit(photograph(), "0")
    assert watched.entered.wait(20)
    left = [watched.batcher.submit(photograph(), "x") for _ in range(5)]
    stays = watched.batcher.submit(photograph(), "y")
    assert all(job.cancel() for job in left)
    watched.gate.set()
    first.result(20), stays.result(20)
    assert watched.sizes == [1, 1]


def test_bad_files_and_faults_stop_nobody_else(
    model: Bundle, photograph: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    batcher = Batcher(model, 4, threads=1)
    batcher.start()
    with pytest.raises(ImageError, match="file 7: "):
        batcher.submit(b"\xff\xd8\xff", "file 7").result(20)
    with monkeypatch.context() as broken:
        broken.setattr(Predictor, "probabilities", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            batcher.submit(photograph(), "x").result(20)
    seen = batcher.submit(photograph(), "x", maps=True).result(20)
    assert seen.maps is not None and seen.maps.shape == (7, 64, 64) and seen.picture is None
    batcher.stop()


def test_places_are_counted_in_photographs(model: Bundle) -> None:
    batcher = Batcher(model, 4, threads=1)
    with batcher.places(3):
        with pytest.raises(FaultError) as found, batcher.places(2):
            pass
        assert (found.value.status, batcher.waiting) == (503, 3)
        with batcher.places(1):
            assert batcher.waiting == 4
    assert batcher.waiting == 0
