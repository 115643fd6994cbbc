"""Where the cells of a network's last feature map look.

A network whose convolutions halve the picture five times, padded by a row on either side, looks with its first cell at
the picture's very corner; padded as TensorFlow does, at a place 31 pixels inside. Neither is the middle of the first
seventh, where a map is drawn that is just stretched over the picture. See Araujo et al., "Computing Receptive Fields
of Convolutional Neural Networks", Distill 2019, for the sum that is made here.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import nn

from lesionlab.models.bundle import Cells, even_cells


@torch.no_grad()
def feature_cells(network: nn.Module, side: int) -> Cells | None:
    """Return where the cells of the last feature map look in a square picture; None where they divide it evenly.

    Each plane's place follows from the first convolution or pooling that makes one of its size; a plane that something
    else makes divides the one before it evenly, and so do the tokens of a transformer.
    """
    known: dict[int, Cells] = {side: (0.0, 1.0)}

    def look(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        before, after = inputs[0].shape[-1], output.shape[-1]
        if before in known and after < before and after not in known:
            known[after] = _next(known[before], cast(Any, module), before, after)

    kinds = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
    hooks = [module.register_forward_hook(look) for module in network.modules() if isinstance(module, kinds)]
    try:
        features = cast(Any, network).forward_features(torch.zeros(1, 3, side, side))
    finally:
        for hook in hooks:
            hook.remove()
    if features.ndim != 4:
        return None
    length = features.shape[2]
    plane = min(one for one in known if one >= length)
    (first, step), inside = known[plane], even_cells(length, plane)
    found = (first + step * inside[0], step * inside[1])
    return None if found == even_cells(length, side) else found


def _next(cells: Cells, module: Any, before: int, after: int) -> Cells:
    """Return the cells of the plane that a convolution or pooling makes of one with these cells."""
    kernel, stride, padding, dilation = (
        _one(getattr(module, name, 1)) for name in ("kernel_size", "stride", "padding", "dilation")
    )
    window = dilation * (kernel - 1) + 1
    if (before + 2 * padding - window) // stride + 1 != after:  # padded by its input's size, the odd row at the end
        padding = max((after - 1) * stride + window - before, 0) // 2
    return cells[0] + cells[1] * ((window - 1) / 2 - padding), cells[1] * stride


def _one(value: Any) -> int:
    """Return the number for one side; 0 for padding that is told in words."""
    return 0 if isinstance(value, str) else int(value[0] if isinstance(value, tuple | list) else value)
