"""Heat maps of what speaks for a diagnosis, without torch where the model's graph gives its last feature map.

Where the logits are a weight W times the mean over that map, the gradient of logit k is W_k at every place of it, up
to a factor, so Grad-CAM (see `prediction.gradcam`) is ReLU(sum over channels of W_kc times map c): Zhou et al.,
"Learning Deep Features for Discriminative Localization", CVPR 2016. Other networks need torch.
"""

from __future__ import annotations

from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from lesionlab.data.colour import recolour
from lesionlab.diagnoses import CODES
from lesionlab.errors import ModelError
from lesionlab.models.bundle import Bundle
from lesionlab.models.composite import Composite
from lesionlab.prediction.predictor import Predictor
from lesionlab.prediction.runtime import Session

Floats = npt.NDArray[np.float32]
Maps = npt.NDArray[np.float32]
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


class FeatureCam:
    """Grad-CAM maps of a model whose graph gives its last feature map; the same as `GradCam`'s, on onnxruntime.

    Raises `ModelError` for a model whose graph does not fit its head.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._session = Session(bundle)
        self._weight = bundle.head_weight()
        self._offset = np.array(bundle.prior_offset)

    def maps(self, pixels: Pixels, classes: list[int] | None = None) -> Maps:
        """Return one map per image, float32 (n, size, size) in 0..1; see `Cam.maps`."""
        if classes is not None and len(classes) != len(pixels):
            raise ValueError(f"{len(classes)} classes for {len(pixels)} images")
        found = np.empty((len(pixels), self.bundle.size, self.bundle.size), np.float32)
        for first in range(0, len(pixels), _BATCH):
            rows = slice(first, first + _BATCH)
            logits, features = self._features(pixels[rows])
            wanted = (logits + self._offset).argmax(axis=1) if classes is None else classes[rows]
            found[rows] = self._scaled(np.einsum("nc,nchw->nhw", self._weight[wanted], features, optimize=True))
        return found

    def class_maps(self, pixels: Pixels) -> Maps:
        """Return the maps of all classes, float32 (n, 7, size, size) in 0..1, each scaled by itself."""
        found = np.empty((len(pixels), len(CODES), self.bundle.size, self.bundle.size), np.float32)
        for first in range(0, len(pixels), _BATCH):
            rows = slice(first, first + _BATCH)
            features = self._features(pixels[rows])[1]
            found[rows] = self._scaled(np.einsum("kc,nchw->nkhw", self._weight, features, optimize=True))
        return found

    def _features(self, pixels: Pixels) -> tuple[Floats, Floats]:
        logits, features = self._session.features(recolour(pixels, self.bundle.colour))
        if features.shape[1] != self._weight.shape[1]:
            raise ModelError(
                f"{self.bundle.folder}: its head takes {self._weight.shape[1]} channels, its graph gives "
                f"{features.shape[1]}", "take the model anew",
            )  # fmt: skip
        return logits, features

    def _scaled(self, evidence: Floats) -> Maps:
        """Return (..., h, w) with negative parts cut, stretched to the input's side, and divided by its largest."""
        return scale(enlarge(np.maximum(evidence, 0), self.bundle.size))


def enlarge(maps: Floats, side: int) -> Maps:
    """Return maps (..., h, w) stretched to (..., side, side) bilinearly, corners not aligned: as torch does it."""
    rows, columns = (_stretching(length, side) for length in maps.shape[-2:])
    return cast(Maps, rows @ maps @ columns.T)


def _stretching(length: int, side: int) -> Floats:
    """Return the matrix (side, length) that stretches a line of `length` values to `side` values."""
    place = np.clip((np.arange(side) + 0.5) * length / side - 0.5, 0, length - 1)
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

    def __init__(self, composite: Composite) -> None:
        self.composite = composite
        self._predictor = Predictor(composite)
        self._cams = [grad_cam(bundle) for bundle in composite.bundles.values()]

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


def grad_cam(model: Bundle | Composite) -> Cam:
    """Return what makes Grad-CAM maps of a model of either kind; torch is needed where a graph gives no features."""
    if isinstance(model, Composite):
        return CompositeCam(model)
    if model.features:
        return FeatureCam(model)
    from lesionlab.prediction.gradcam import GradCam

    return GradCam(model)
