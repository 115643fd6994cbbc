"""One network: its views, colour mode, prior offset and calibration."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lesionlab.data.colour import recolour
from lesionlab.errors import UsageError
from lesionlab.models.bundle import Bundle
from lesionlab.models.probabilities import softmax
from lesionlab.prediction.judging import Floats
from lesionlab.prediction.runtime import Session

VIEWS = (1, 2, 4, 8)
"""Numbers of views that can be averaged: the image; and mirrored; and upside down; and with x and y swapped."""

Pixels = npt.NDArray[np.uint8]


class Network:
    """One network's graph and what turns its logits into probabilities; see `Predictor` for the parameters."""

    def __init__(self, bundle: Bundle, views: int | None = None, threads: int | None = None) -> None:
        self.bundle = bundle
        self.views = chosen_views(bundle, views)
        self._session = Session(bundle, threads)
        self._offset = np.array(bundle.prior_offset, dtype=np.float64)

    def probabilities(self, pixels: Pixels) -> Floats:
        """Return calibrated probabilities, float64 (n, 7), of one batch of uint8 RGB pixels (n, size, size, 3)."""
        seen = recolour(pixels, self.bundle.colour)
        mean = np.mean([self._view(dihedral(seen, view)) for view in range(self.views)], axis=0)
        return self.bundle.decisions.calibrated(mean) if self.bundle.decisions else np.asarray(mean)

    def _view(self, pixels: Pixels) -> Floats:
        return softmax(self._session.logits(pixels) + self._offset)


def chosen_views(bundle: Bundle, views: int | None) -> int:
    """Return how many views are averaged, its own number where None; `UsageError` for one that cannot be."""
    if views is not None and views not in VIEWS:
        raise UsageError(f"{views} views cannot be averaged", f"take {', '.join(map(str, VIEWS))}")
    return views or bundle.views


def dihedral(pixels: Pixels, view: int) -> Pixels:
    """Return view 0 to 7 of square images (n, s, s, 3): bit 0 mirrors x, bit 1 mirrors y, bit 2 swaps x and y."""
    if view & 1:
        pixels = pixels[:, :, ::-1]
    if view & 2:
        pixels = pixels[:, ::-1]
    return pixels.swapaxes(1, 2) if view & 4 else pixels


def turned_back(maps: npt.NDArray[np.float32], view: int) -> npt.NDArray[np.float32]:
    """Return maps (..., s, s) of a view as maps of the image: what undoes `dihedral`."""
    if view & 4:
        maps = maps.swapaxes(-1, -2)
    if view & 2:
        maps = maps[..., ::-1, :]
    return maps[..., ::-1] if view & 1 else maps
