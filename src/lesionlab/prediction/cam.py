"""Heat maps of what speaks for a diagnosis, without torch where the model's graph gives its last feature map.

Where the logits are a weight W times the mean over that map, the gradient of logit k is W_k at every place of it, up
to a factor, so Grad-CAM (see `prediction.gradcam`) is ReLU(sum over channels of W_kc times map c): Zhou et al.,
"Learning Deep Features for Discriminative Localization", CVPR 2016. Other networks need torch.

A map is drawn where the cells look (`Cells`) and averaged over the views that the answer averages: trained weights are
not even-handed, and turned over, the same image has another map. docs/evaluation.md tells what that is worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from lesionlab.data.colour import recolour
from lesionlab.diagnoses import CODES
from lesionlab.errors import ModelError
from lesionlab.models.bundle import Bundle, Cells, even_cells
from lesionlab.models.composite import Composite
from lesionlab.models.probabilities import softmax
from lesionlab.prediction.network import chosen_views, dihedral, turned_back
from lesionlab.prediction.predictor import Predictor
from lesionlab.prediction.runtime import Session

Floats = npt.NDArray[np.float32]
Maps = npt.NDArray[np.float32]
Classes = npt.NDArray[np.int64]
Pixels = npt.NDArray[np.uint8]
_BATCH = 16


class Cam(Protocol):
    """What makes heat maps of a model."""

    def maps(self, pixels: Pixels, classes: list[int] | None = None) -> Maps:
        """Return one map per image, float32 (n, size, size) in 0..1, of uint8 RGB pixels (n, size, size, 3).

        `classes` gives the class number to explain for each image; the one the model prefers where None. Each map
        is scaled so that its largest value is 1; it is 0 all over where nothing speaks for the class.
        """

    def class_maps(self, pixels: Pixels) -> Maps:
        """Return the maps of all classes, float32 (n, 7, size, size) in 0..1, each scaled by itself; see `maps`."""


class Look(Protocol):
    """What a network makes of one view of a batch."""

    @property
    def logits(self) -> Floats:
        """(n, 7), before the prior offset."""

    def evidence(self, classes: Classes) -> Floats:
        """Return how much speaks for one class of each image (n,) in each cell of the last map, (n, h, w) >= 0."""


class ViewedCam:
    """Grad-CAM of one network: the mean of the maps of those views that its answer averages, each turned back.

    Parameters
    ----------
    views : how many are averaged, as in `Predictor`; the model's own number where None.
    cells : where the cells of the last map look, see `Bundle`.
    """

    def __init__(self, bundle: Bundle, views: int | None, cells: Cells | None) -> None:
        self.bundle, self.views = bundle, chosen_views(bundle, views)
        self._cells, self._offset = cells, np.array(bundle.prior_offset)

    def look(self, pixels: Pixels) -> Look:
        """Return what the network makes of one batch of uint8 RGB pixels (n, size, size, 3) in its own colours."""
        raise NotImplementedError

    def maps(self, pixels: Pixels, classes: list[int] | None = None) -> Maps:
        """Return one map per image, float32 (n, size, size) in 0..1; see `Cam.maps`."""
        if classes is not None and len(classes) != len(pixels):
            raise ValueError(f"{len(classes)} classes for {len(pixels)} images")
        found = np.empty((len(pixels), self.bundle.size, self.bundle.size), np.float32)
        for first in range(0, len(pixels), _BATCH):
            rows = slice(first, first + _BATCH)
            looks = self._looks(pixels[rows])
            found[rows] = self._mean(looks, self._preferred(looks) if classes is None else np.array(classes[rows]))
        return found

    def class_maps(self, pixels: Pixels) -> Maps:
        """Return the maps of all classes, float32 (n, 7, size, size) in 0..1, each scaled by itself."""
        found = np.empty((len(pixels), len(CODES), self.bundle.size, self.bundle.size), np.float32)
        for first in range(0, len(pixels), _BATCH):
            rows = slice(first, first + _BATCH)
            looks = self._looks(pixels[rows])
            for k in range(len(CODES)):
                found[rows, k] = self._mean(looks, np.full(len(looks[0].logits), k))
        return found

    def _looks(self, pixels: Pixels) -> list[Look]:
        seen = recolour(pixels, self.bundle.colour)
        return [self.look(np.ascontiguousarray(dihedral(seen, view))) for view in range(self.views)]

    def _preferred(self, looks: list[Look]) -> Classes:
        """Return the class (n,) of the largest mean probability."""
        preferred: Classes = np.mean([softmax(look.logits + self._offset) for look in looks], axis=0).argmax(1)
        return preferred

    def _mean(self, looks: list[Look], classes: Classes) -> Maps:
        """Return the maps of the classes (n,): the views' mean, divided by its largest."""
        each = [enlarge(look.evidence(classes), self.bundle.size, self._cells) for look in looks]
        return scale(np.mean([turned_back(one, view) for view, one in enumerate(each)], axis=0))


class FeatureCam(ViewedCam):
    """Maps of a model whose graph gives its last feature map; the same as `GradCam`'s, on onnxruntime.

    Raises `ModelError` for a model whose graph does not fit its head.
    """

    def __init__(self, bundle: Bundle, views: int | None = None) -> None:
        super().__init__(bundle, views, bundle.cells)
        self._session = Session(bundle)
        self._weight = bundle.head_weight()

    def look(self, pixels: Pixels) -> Look:
        """See `ViewedCam.look`."""
        logits, features = self._session.features(pixels)
        if features.shape[1] != self._weight.shape[1]:
            raise ModelError(
                f"{self.bundle.folder}: its head takes {self._weight.shape[1]} channels, its graph gives "
                f"{features.shape[1]}", "take the model anew",
            )  # fmt: skip
        return _FeatureLook(logits, features, self._weight)


@dataclass(frozen=True)
class _FeatureLook:
    """A `Look` at features (n, c, h, w) through a head of weight (7, c)."""

    logits: Floats
    features: Floats
    weight: Floats

    def evidence(self, classes: Classes) -> Floats:
        """See `Look.evidence`."""
        found: Floats = np.einsum("nc,nchw->nhw", self.weight[classes], self.features, optimize=True)
        return np.maximum(found, 0)


def enlarge(maps: Floats, side: int, cells: Cells | None = None) -> Maps:
    """Return maps (..., h, w) as (..., side, side), bilinear between the places where their cells look.

    Beyond the outermost cells a map stays as it is there. `cells` None divides the side evenly.
    """
    rows, columns = (_stretching(length, side, cells) for length in maps.shape[-2:])
    return cast(Maps, rows @ maps @ columns.T)


def _stretching(length: int, side: int, cells: Cells | None) -> Floats:
    """Return the matrix (side, length) that stretches a line of `length` values to `side` values."""
    first, step = cells or even_cells(length, side)
    place = np.clip((np.arange(side) - first) / step, 0, length - 1)
    low = np.floor(place).astype(int)
    share = place - low
    matrix = np.zeros((side, length), np.float32)
    matrix[np.arange(side), low] = 1 - share
    matrix[np.arange(side), np.minimum(low + 1, length - 1)] += share
    return matrix


def scale(maps: Floats) -> Maps:
    """Return maps (..., h, w), none negative, each divided by its largest value; 0 all over stays as it is."""
    top = maps.max(axis=(-2, -1), keepdims=True)
    return cast(Maps, np.divide(maps, top, out=np.zeros_like(maps), where=top > 0))


class CompositeCam:
    """Maps of several networks that answer as one.

    An ensemble's map is the mean of its members' maps, under the fitted weights where it has some. A Mix-Model's is
    that of the network that decided the image; the general one's for a diagnosis which the decider does not know.
    """

    def __init__(self, composite: Composite, views: int | None = None) -> None:
        self.composite = composite
        self._predictor = Predictor(composite, views)
        self._cams = [grad_cam(bundle, views) for bundle in composite.bundles.values()]

    def maps(self, pixels: Pixels, classes: list[int] | None = None) -> Maps:
        """Return one map per image, float32 (n, size, size) in 0..1; see `Cam.maps`."""
        if classes is not None and len(classes) != len(pixels):
            raise ValueError(f"{len(classes)} classes for {len(pixels)} images")
        tables = self._predictor.tables(pixels)
        wanted = self.composite.combine(tables).argmax(1) if classes is None else np.array(classes, np.int64)
        return self._mean(pixels, wanted, self.composite.shares(tables, wanted))

    def class_maps(self, pixels: Pixels) -> Maps:
        """Return the maps of all classes, float32 (n, 7, size, size) in 0..1, each scaled by itself."""
        tables = self._predictor.tables(pixels)
        each = [np.full(len(pixels), k) for k in range(len(CODES))]
        return np.stack([self._mean(pixels, k, self.composite.shares(tables, k)) for k in each], axis=1)

    def _mean(self, pixels: Pixels, classes: npt.NDArray[np.int64], shares: npt.NDArray[np.float64]) -> Maps:
        """Return the maps of the classes (n,), the members' averaged under the shares (members, n)."""
        mean = np.zeros((len(pixels), self.composite.size, self.composite.size), np.float32)
        for cam, share in zip(self._cams, shares.astype(np.float32), strict=True):
            rows = np.flatnonzero(share)
            mean[rows] += share[rows, None, None] * cam.maps(pixels[rows], classes[rows].tolist())
        return scale(mean)


def grad_cam(model: Bundle | Composite, views: int | None = None) -> Cam:
    """Return what makes Grad-CAM maps of a model of either kind; torch is needed where a graph gives no features.

    `views` : as in `Predictor`.
    """
    if isinstance(model, Composite):
        return CompositeCam(model, views)
    if model.features:
        return FeatureCam(model, views)
    from lesionlab.prediction.gradcam import GradCam

    return GradCam(model, views)
