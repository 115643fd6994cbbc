"""What in an image speaks for a class, by four methods and by two maps that never saw the model.

grad_cam : the project's own, see `prediction.cam`. The others are captum's:
integrated_gradients : Sundararajan et al., "Axiomatic Attribution for Deep Networks", ICML 2017; the gradient of the
    class' logit averaged along the straight way from the image with nothing in it (`erased`) to the image, times
    what differs between the two. What its mean over the colours has below 0 is cut.
occlusion : Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014; how far the logit
    falls where a square is replaced by what `erased` shows there. Rises are cut.
saliency : Simonyan et al., "Deep Inside Convolutional Networks", 2014; the size of the logit's gradient at a pixel, the
    largest of the three colours.
centre : a Gaussian in the middle of the frame, where photographers put the lesion.
random : noise, drawn by the image's name, in squares.

GuidedBackprop is not among them: captum's acts on plain ReLU layers only, which many networks have none of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from captum.attr import IntegratedGradients, Occlusion, Saliency

from lesionlab.data.colour import recolour
from lesionlab.models.bundle import WEIGHTS, Bundle, torch_model
from lesionlab.models.onnx_export import normalise
from lesionlab.prediction.cam import Maps, Pixels, grad_cam, scale

IG_STEPS = 16
"""Points on the way of integrated gradients, placed by Gauss and Legendre."""

WINDOW, STRIDE = 1 / 4, 1 / 8
"""Side of occlusion's square, and how far it moves, as shares of the image's side: the grain of most last maps."""

CENTRE_SIGMA = 1 / 6
"""Standard deviation of the centre Gaussian, as a share of the side: three of them reach the edge."""

BLUR = 1 / 8
"""Standard deviation of the blur of `erased`, as a share of the side."""

NOISE_CELLS = 16
"""Squares on a side of a random map."""

_BATCH = 16

Signed = npt.NDArray[np.float32]
_Method = Callable[[torch.nn.Module, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


class Attributions:
    """The maps of one model, by all methods; by Grad-CAM and the two blind ones where it has no weights for torch.

    captum's methods explain what the network says of the image as it is, Grad-CAM the mean of the model's views, as
    everywhere, or of so many as `views` tells. Raises `ModelError` for a model that keeps no plane of the image.
    """

    def __init__(self, bundle: Bundle, views: int | None = None) -> None:
        self.bundle = bundle
        self._network = torch_model(bundle).requires_grad_(False) if WEIGHTS in bundle.files else None
        self._cam = grad_cam(bundle, views)
        self._captum = tuple(CAPTUM) if self._network else ()

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of the maps, in the order of `maps`."""
        return ("grad_cam", *self._captum, "centre", "random")

    def maps(self, pixels: Pixels, classes: Sequence[int], image_ids: Sequence[str]) -> dict[str, Maps]:
        """Return method -> maps, float32 (n, size, size) in 0..1, of uint8 RGB pixels (n, size, size, 3).

        `classes` gives the class number to explain for each image. Each map is scaled so that its largest value is 1;
        it is 0 all over where nothing speaks for the class.
        """
        signed = {name: self.signed(name, pixels, classes) for name in self._captum}
        return {
            "grad_cam": self._cam.maps(pixels, list(classes)),
            **{name: scale(np.maximum(values, 0)) for name, values in signed.items()},
            "centre": np.repeat(centre(self.bundle.size)[None], len(pixels), axis=0),
            "random": np.stack([noise(image_id, self.bundle.size) for image_id in image_ids]),
        }

    def signed(self, method: str, pixels: Pixels, classes: Sequence[int]) -> Signed:
        """Return what one of `CAPTUM` finds, float32 (n, size, size), before negative values are cut."""
        assert self._network is not None
        images, nothing = (self._seen(one) for one in (pixels, erased(pixels)))
        found = CAPTUM[method](self._network, images, nothing, torch.tensor(list(classes)))
        values: Signed = found.detach().numpy().astype(np.float32)
        return values

    def _seen(self, pixels: Pixels) -> torch.Tensor:
        """Return what the network is given, float32 (n, 3, size, size)."""
        coloured = np.ascontiguousarray(recolour(pixels, self.bundle.colour))
        return normalise(torch.from_numpy(coloured), self.bundle.mean, self.bundle.std)


def erased(pixels: Pixels) -> Pixels:
    """Return images, uint8 (n, side, side, 3), blurred until nothing but colour is left, with edges mirrored."""
    from scipy.ndimage import gaussian_filter

    sigma = BLUR * pixels.shape[1]
    blurred = gaussian_filter(pixels.astype(np.float32), (0, sigma, sigma, 0), mode="reflect")
    return np.asarray(blurred.round().astype(np.uint8))


def centre(side: int) -> Maps:
    """Return a Gaussian about the middle of the frame, float32 (side, side), of largest value 1."""
    place = (np.arange(side) + 0.5) / side - 0.5
    line = np.exp(-0.5 * (place / CENTRE_SIGMA) ** 2)
    return scale(np.outer(line, line).astype(np.float32))


def noise(image_id: str, side: int) -> Maps:
    """Return even noise in squares, float32 (side, side) in 0..1, the same for one name on every machine."""
    digest = hashlib.sha256(image_id.encode()).digest()
    drawn = np.random.default_rng(int.from_bytes(digest[:8])).random((NOISE_CELLS, NOISE_CELLS), np.float32)
    cell = np.arange(side) * NOISE_CELLS // side
    return scale(drawn[cell][:, cell])


def _integrated_gradients(network: Any, images: Any, nothing: Any, classes: Any) -> torch.Tensor:
    found: torch.Tensor = IntegratedGradients(network, multiply_by_inputs=True).attribute(
        images, nothing, target=classes, n_steps=IG_STEPS, method="gausslegendre", internal_batch_size=_BATCH
    )
    return found.sum(1)


def _occlusion(network: Any, images: Any, nothing: Any, classes: Any) -> torch.Tensor:
    side = images.shape[-1]
    window, stride = round(WINDOW * side), round(STRIDE * side)
    with torch.no_grad():
        found: torch.Tensor = Occlusion(network).attribute(
            images,
            sliding_window_shapes=(images.shape[1], window, window),
            strides=(images.shape[1], stride, stride),
            baselines=nothing,
            target=classes,
            perturbations_per_eval=max(1, _BATCH // len(images)),
        )
    return found.mean(1)


def _saliency(network: Any, images: Any, nothing: Any, classes: Any) -> torch.Tensor:
    found: torch.Tensor = Saliency(network).attribute(images.requires_grad_(), target=classes, abs=True)
    return found.amax(1)


CAPTUM: dict[str, _Method] = {
    "integrated_gradients": _integrated_gradients,
    "occlusion": _occlusion,
    "saliency": _saliency,
}
"""Method -> function of the network, what it is given of images and of `erased` ones, and the classes (n,)."""
