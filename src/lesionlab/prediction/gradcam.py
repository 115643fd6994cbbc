"""Grad-CAM: which parts of an image speak for a class, for convolutional networks and transformers alike.

Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", ICCV 2017:
the channels of the last feature map are weighted by the mean gradient of the class' logit, summed, and what is
negative is cut. The gradient only has to go back from the logit to that map, so one pass through the network
serves all seven classes; captum's LayerGradCam, which gives the same maps, runs the network once for each.

This is for networks of any head, with torch; `prediction.cam` needs none where a model's graph gives its features.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from lesionlab.errors import ModelError
from lesionlab.models.bundle import Bundle, torch_model
from lesionlab.models.cells import feature_cells
from lesionlab.models.onnx_export import normalise
from lesionlab.prediction.cam import Classes, Floats, Look, Pixels, ViewedCam


class GradCam(ViewedCam):
    """Grad-CAM maps of one model.

    The layer is found, not named: the last feature map of a network that keeps the image's plane (channels first or
    last), or what enters the last attention of a transformer, whose later outputs mix into the class token only.
    Raises `ModelError` for a network with neither.
    """

    def __init__(self, bundle: Bundle, views: int | None = None) -> None:
        self._model: Any = torch_model(bundle).requires_grad_(False)
        self._attention = _last_attention_input(self._model)
        super().__init__(bundle, views, None if self._attention else feature_cells(self._model, bundle.size))

    def look(self, pixels: Pixels) -> Look:
        """See `ViewedCam.look`."""
        images = normalise(torch.from_numpy(pixels), self.bundle.mean, self.bundle.std)
        if self._attention is None:
            leaf = self._model.forward_features(images).detach().requires_grad_()
            # a copy, because a head may begin with an operation in place, which a leaf does not allow
            return _Slopes(leaf, self._model.forward_head(leaf.clone()), self._plane)
        leaves: list[torch.Tensor] = []

        def cut(module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
            leaves.append(output.detach().requires_grad_())
            return leaves[0]

        hook = self._attention.register_forward_hook(cut)
        try:
            logits = self._model(images)
        finally:
            hook.remove()
        return _Slopes(leaves[0], logits, self._plane)

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


class _Slopes:
    """A `Look` at a layer's output, `leaf`, which the logits (n, 7) depend on; `plane` lays it out, channels first."""

    def __init__(self, leaf: torch.Tensor, logits: torch.Tensor, plane: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._leaf, self._logits, self._plane = leaf, logits, plane
        self.logits = logits.detach().numpy()

    def evidence(self, classes: Classes) -> Floats:
        """See `Look.evidence`; raises `ModelError` where the layer keeps no plane."""
        chosen = self._logits.gather(1, torch.from_numpy(classes)[:, None]).sum()
        (gradient,) = torch.autograd.grad(chosen, self._leaf, retain_graph=True)
        plane, slope = self._plane(self._leaf.detach()), self._plane(gradient)
        return (plane * slope.mean((2, 3), keepdim=True)).sum(1).clamp_min(0).numpy()


def _last_attention_input(model: Any) -> torch.nn.Module | None:
    """Return the norm before a plain transformer's last attention, None for a network that is no such transformer."""
    if not hasattr(model, "num_prefix_tokens") or not hasattr(model, "blocks"):
        return None
    norm = getattr(model.blocks[-1], "norm1", None)
    return norm if isinstance(norm, torch.nn.Module) and hasattr(model.patch_embed, "grid_size") else None
