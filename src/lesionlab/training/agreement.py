"""Whether a model's graph, its torch network and what was written of it give the same answers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from lesionlab.errors import ModelError
from lesionlab.models.bundle import Bundle, torch_model
from lesionlab.models.composite import Composite
from lesionlab.models.onnx_export import BATCHES, TOLERANCE, difference, normalise
from lesionlab.prediction.runtime import Session
from lesionlab.report.parts import Counted

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def compare(
    model: Bundle | Composite, written: Bundle | Composite, pixels: Pixels, progress: Counted | None = None
) -> float:
    """Return how far the graphs of `written` are from the torch networks of `model`: see `Exported.difference`.

    Every network is asked about `pixels` in batches of `BATCHES`. Raises `ModelError` above `TOLERANCE` and where a
    diagnosis changes.
    """
    worst = 0.0
    for one, other in zip(_networks(model), _networks(written), strict=True):
        expected = _torch_logits(one, pixels)
        if difference(expected, _torch_logits(other, pixels)) > 0:
            raise ModelError(f"{other.folder}: its weights are not those of the model", "report this fault")
        session, offset = Session(other), np.array(one.prior_offset)
        for count in BATCHES:
            found = in_batches(session.logits, pixels, count)
            worst = max(worst, difference(expected, found))
            changed = int(((expected + offset).argmax(axis=1) != (found + offset).argmax(axis=1)).sum())
            if not worst <= TOLERANCE or changed:
                raise ModelError(
                    f"{one.folder}: graph and torch differ by {worst:.1e} of the logits and in {changed} of "
                    f"{len(pixels)} diagnoses in batches of {count}",
                    "nothing was written; report this with the backbone's name and torch's version",
                )
            if progress:
                progress("comparing with torch", BATCHES.index(count) + 1, len(BATCHES))
    return worst


def _networks(model: Bundle | Composite) -> list[Bundle]:
    return list(model.bundles.values()) if isinstance(model, Composite) else [model]


def _torch_logits(bundle: Bundle, pixels: Pixels) -> Floats:
    network = torch_model(bundle)

    def logits(batch: Pixels) -> Floats:
        with torch.no_grad():
            found: Floats = network(normalise(torch.from_numpy(batch), bundle.mean, bundle.std)).numpy()
        return found

    return in_batches(logits, pixels, BATCHES[-1])


def in_batches(logits: Callable[[Pixels], Floats], pixels: Pixels, count: int) -> Floats:
    """Return the logits (n, 7) of images (n, size, size, 3) that are asked about `count` at a time."""
    return np.concatenate([logits(pixels[first : first + count]) for first in range(0, len(pixels), count)])
