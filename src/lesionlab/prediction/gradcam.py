"""Grad-CAM: which parts of an image speak for a class, for convolutional networks and transformers alike.

Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", ICCV 2017:
the channels of the last feature map are weighted by the mean gradient of the class' logit, summed, and what is
negative is cut. The gradient only has to go back from the logit to that map, so one pass through the network
serves all seven classes; captum's LayerGradCam, which gives the same maps, runs the network once for each.

This is for networks of any head, with torch; `prediction.cam` needs none where a model's graph gives its features.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from lesionlab.data.colour import recolour
from lesionlab.diagnoses import CODES
from lesionlab.errors import ModelError
from lesionlab.models.bundle import Bundle, torch_model
from lesionlab.models.onnx_export import normalise
from lesionlab.prediction.cam import Maps, scale

_BATCH = 16


class GradCam:
    """Grad-CAM maps of one model.

    The layer is found, not named: the last feature map of a network that keeps the image's plane (channels first or
    last), or what enters the last attention of a transformer, whose later outputs mix into the class token only.
    Raises `ModelError` for a network with neither.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._model: Any = torch_model(bundle).requires_grad_(False)
        self._attention = _last_attention_input(self._model)

    def maps(self, pixels: npt.NDArray[np.uint8], classes: list[int] | None = None) -> Maps:
        """Return one map per image, float32 (n, size, size) in 0..1, of uint8 RGB pixels (n, size, size, 3).

        `classes` gives the class number to explain for each image; the one the model prefers where None. Each map
        is scaled so that its largest value is 1; it is 0 all over where nothing speaks for the class.
        """
        if classes is not None and len(classes) != len(pixels):
            raise ValueError(f"{len(classes)} classes for {len(pixels)} images")
        found = []
        for first in range(0, len(pixels), _BATCH):
            activations, logits = self._forward(pixels[first : first + _BATCH])
            if classes is None:
                wanted = (logits.detach() + torch.tensor(self.bundle.prior_offset)).argmax(1)
            else:
                wanted = torch.tensor(classes[first : first + _BATCH])
            found.append(self._map(activations, logits, wanted))
        return np.concatenate(found) if found else np.empty((0, self.bundle.size, self.bundle.size), np.float32)

    def class_maps(self, pixels: npt.NDArray[np.uint8]) -> Maps:
        """Return the maps of all classes, float32 (n, 7, size, size) in 0..1, each scaled by itself; see `maps`."""
        found = []
        for first in range(0, len(pixels), _BATCH):
            activations, logits = self._forward(pixels[first : first + _BATCH])
            each = [self._map(activations, logits, torch.full((len(logits),), k)) for k in range(len(CODES))]
            found.append(np.stack(each, axis=1))
        shape = (0, len(CODES), self.bundle.size, self.bundle.size)
        return np.concatenate(found) if found else np.empty(shape, np.float32)

    def _forward(self, pixels: npt.NDArray[np.uint8]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the layer's output, a leaf that the logits (n, 7) depend on, and the logits."""
        seen = recolour(pixels, self.bundle.colour)
        images = normalise(torch.from_numpy(np.ascontiguousarray(seen)), self.bundle.mean, self.bundle.std)
        if self._attention is None:
            leaf = self._model.forward_features(images).detach().requires_grad_()
            # a copy, because a head may begin with an operation in place, which a leaf does not allow
            return leaf, self._model.forward_head(leaf.clone())
        leaves: list[torch.Tensor] = []

        def cut(module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
            leaves.append(output.detach().requires_grad_())
            return leaves[0]

        hook = self._attention.register_forward_hook(cut)
        try:
            logits = self._model(images)
        finally:
            hook.remove()
        return leaves[0], logits

    def _map(self, activations: torch.Tensor, logits: torch.Tensor, classes: torch.Tensor) -> Maps:
        """Return float32 (n, size, size) maps of the classes (n,) from the layer's output and the logits."""
        chosen = logits.gather(1, classes[:, None]).sum()
        (gradient,) = torch.autograd.grad(chosen, activations, retain_graph=True)
        plane, slope = self._plane(activations.detach()), self._plane(gradient)
        speaks = F.relu((plane * slope.mean((2, 3), keepdim=True)).sum(1, keepdim=True))
        side = (self.bundle.size, self.bundle.size)
        return scale(F.interpolate(speaks, size=side, mode="bilinear", align_corners=False)[:, 0].numpy())

    def _plane(self, values: torch.Tensor) -> torch.Tensor:
        """Return a layer's values as (n, channels, rows, columns); `ModelError` where they have no plane."""
        grid = getattr(getattr(self._model, "patch_embed", None), "grid_size", None)
        if values.ndim == 3 and grid is not None and values.shape[1] >= grid[0] * grid[1]:
            tokens = values[:, -grid[0] * grid[1] :]  # class and register tokens come first
            return tokens.transpose(1, 2).reshape(len(values), -1, *grid)
        if values.ndim == 4:
            channels_last = getattr(self._model, "output_fmt", "NCHW") == "NHWC"
            return values.permute(0, 3, 1, 2) if channels_last else values
        raise ModelError(f"{self.bundle.architecture}: its features keep no plane of the image", "choose another model")


def _last_attention_input(model: Any) -> torch.nn.Module | None:
    """Return the norm before a plain transformer's last attention, None for a network that is no such transformer."""
    if not hasattr(model, "num_prefix_tokens") or not hasattr(model, "blocks"):
        return None
    norm = getattr(model.blocks[-1], "norm1", None)
    return norm if isinstance(norm, torch.nn.Module) and hasattr(model.patch_embed, "grid_size") else None
