"""Where the cells of the last feature map look: by hand, and where the picture moves a cell most."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from torch import nn

from lesionlab.models.cells import feature_cells


class Planes(nn.Sequential):
    """Layers that make planes, as timm's networks have them."""

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        return self(images)


class Halving(nn.Module):
    """Every other pixel, by no layer that is known."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images[..., ::2, ::2]


@pytest.mark.parametrize(
    ("layers", "cells"),
    [
        ([nn.Conv2d(3, 1, 3, stride=2, padding=1)], (0.0, 2.0)),
        ([nn.Conv2d(3, 1, 3, stride=2)], (1.0, 2.0)),
        ([nn.Conv2d(3, 1, 2, stride=2)], None),  # evenly
        ([nn.Conv2d(3, 1, 5, padding="same"), nn.MaxPool2d(4)], None),
        ([nn.Conv2d(3, 1, 3, dilation=3)], (3.0, 1.0)),
        ([nn.Conv2d(3, 1, 7, stride=2, padding=3), nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(2)], (2.0, 8.0)),
        ([nn.Conv2d(3, 1, 3, stride=2, padding=1), Halving()], (1.0, 4.0)),  # the unknown half evenly
    ],
)
def test_cells_by_hand(layers: list[nn.Module], cells: tuple[float, float] | None) -> None:
    assert feature_cells(Planes(*layers), 64) == cells


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("resnet18", (0.0, 32.0)),
        ("tf_efficientnet_lite0", (31.0, 32.0)),
        ("legacy_xception", (3.0, 32.0)),
        ("convnext_atto", None),
        ("vit_tiny_patch16_224", None),
        ("swin_tiny_patch4_window7_224", None),
    ],
)
def test_cells_of_networks(name: str, cells: tuple[float, float] | None) -> None:
    assert feature_cells(timm.create_model(name).eval(), 224) == cells


@pytest.mark.parametrize(
    ("architecture", "side"), [("resnet18", 224), ("tf_efficientnet_lite0", 224), ("legacy_xception", 235)]
)
def test_cells_look_where_the_slope_is(architecture: str, side: int) -> None:
    """Where all kernels are even about their middle, so is a cell's slope about the place that it looks at."""
    network: Any = timm.create_model(architecture).eval()
    for module in list(network.modules()):
        for name, pool in module.named_children():
            if isinstance(pool, nn.MaxPool2d):  # takes one of several that are alike, not the middle one
                setattr(module, name, nn.AvgPool2d(pool.kernel_size, pool.stride, pool.padding))
        if isinstance(module, nn.Conv2d):
            middle = torch.arange(module.kernel_size[0]) == module.kernel_size[0] // 2
            line = torch.where(middle, 1.0, 0.05)  # steep, so that little of it is cut by the picture's edges
            module.weight.data[:] = torch.outer(line, line) / (line.sum() ** 2 * module.weight.shape[1])
    images = torch.full((1, 3, side, side), 0.01, requires_grad=True)
    features = network.forward_features(images)
    cell = features.shape[-1] // 2
    (slope,) = torch.autograd.grad(features[0, :, cell, cell].sum(), images)
    weight = slope.abs().sum((0, 1))
    found = (weight.sum(0) @ torch.arange(side).float() / weight.sum()).item()
    cells = feature_cells(network, side)
    assert cells is not None
    assert found == pytest.approx(cells[0] + cell * cells[1], abs=2)
