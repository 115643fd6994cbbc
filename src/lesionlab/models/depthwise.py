"""Depthwise convolutions that train at a sensible speed in bfloat16 on a processor.

oneDNN (in torch 2.13) takes the weight gradient of a depthwise convolution in bfloat16 on a fast path for 3 x 3
kernels of stride 1 only; for 5 x 5 kernels and for strides it falls back to a loop that is 4 to 13 times slower and
dominates a training step of every EfficientNet. So here a larger kernel's gradient is put together from 3 x 3 ones,
which together cover it, and a strided convolution is computed in float32. `benchmarks/depthwise.py` measures both.
"""

from __future__ import annotations

from typing import Any

import lesionlab.torch_setup  # noqa: F401  (before timm, which may import torchvision)

# ruff: isort: split
import torch
import torch.nn.functional as F
from timm.layers import Conv2dSame
from timm.layers.padding import pad_same
from torch import Tensor, nn

WINDOW = 3
"""Side of the kernels whose weight gradient is fast."""


def quicken(network: nn.Module) -> int:
    """Make the slow depthwise convolutions of a network fast under bfloat16 autocast, and return how many there are.

    Their class is changed in place; weights, state dict and answers stay as they are, copies of the network too.
    """
    kinds: dict[type[nn.Module], type[nn.Module]] = {nn.Conv2d: QuickConv2d, Conv2dSame: QuickConv2dSame}
    slow = [module for module in network.modules() if type(module) in kinds and _is_slow(module)]
    for module in slow:
        module.__class__ = kinds[type(module)]
    return len(slow)


def _is_slow(module: Any) -> bool:
    plain = module.dilation == (1, 1) and module.padding_mode == "zeros" and not isinstance(module.padding, str)
    depthwise = module.groups == module.in_channels == module.out_channels > 1
    large = min(module.kernel_size) >= WINDOW and max(module.kernel_size) > WINDOW
    return bool(plain and depthwise and (large or max(module.stride) > 1))


class QuickConv2d(nn.Conv2d):
    """A depthwise `Conv2d`; see `depthwise`."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolution of (n, c, h, w)."""
        if not torch.is_autocast_enabled("cpu"):
            return super().forward(input)
        return depthwise(input, self.weight, self.bias, self.stride, self.padding)


class QuickConv2dSame(Conv2dSame):  # type: ignore[misc]
    """A depthwise `Conv2dSame`, which pads as TensorFlow does; see `depthwise`."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of (n, c, h, w)."""
        if not torch.is_autocast_enabled("cpu"):
            return super().forward(x)  # type: ignore[no-any-return]
        padded = pad_same(x, self.kernel_size, self.stride, self.dilation)
        return depthwise(padded, self.weight, self.bias, self.stride, (0, 0))


def depthwise(x: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any) -> Tensor:
    """Return the depthwise convolution of (n, c, h, w) with (c, 1, k, l) in bfloat16."""
    with torch.autocast("cpu", enabled=False):
        if max(stride) > 1:
            wide = None if bias is None else bias.float()
            return F.conv2d(x.float(), weight.float(), wide, stride, padding, groups=x.shape[1]).bfloat16()
        found: Tensor = _Depthwise.apply(x.bfloat16(), weight.bfloat16(), tuple(padding))  # type: ignore[no-untyped-call]
        return found if bias is None else found + bias.bfloat16().view(-1, 1, 1)


class _Depthwise(torch.autograd.Function):
    """A depthwise convolution of stride 1 whose weight gradient is made of 3 x 3 ones."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, padding: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.padding = padding
        return F.conv2d(x, weight, None, 1, padding, 1, x.shape[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (slope,) = gradients
        x, weight = ctx.saved_tensors
        for_x = _backward(slope, x, weight, ctx.padding, 0) if ctx.needs_input_grad[0] else None
        for_weight = _weight_gradient(slope, x, weight, ctx.padding) if ctx.needs_input_grad[1] else None
        return for_x, for_weight, None


def _weight_gradient(slope: Tensor, x: Tensor, weight: Tensor, padding: tuple[int, int]) -> Tensor:
    """Return the gradient of the weight (c, 1, k, l), window by window; windows that overlap agree."""
    down, across = padding
    padded = F.pad(x, (across, across, down, down))
    rows, columns = slope.shape[2] + WINDOW - 1, slope.shape[3] + WINDOW - 1
    small = weight[:, :, :WINDOW, :WINDOW].contiguous()
    found = torch.empty_like(weight)
    for i in _starts(weight.shape[2]):
        for j in _starts(weight.shape[3]):
            part = padded[:, :, i : i + rows, j : j + columns].contiguous(memory_format=torch.channels_last)
            found[:, :, i : i + WINDOW, j : j + WINDOW] = _backward(slope, part, small, (0, 0), 1)
    return found


def _starts(side: int) -> list[int]:
    """Return where windows begin that cover a kernel of `side`."""
    return sorted({*range(0, side - WINDOW, WINDOW), side - WINDOW})


def _backward(slope: Tensor, x: Tensor, weight: Tensor, padding: tuple[int, int], which: int) -> Tensor:
    """Return the gradient of x (`which` 0) or of the weight (1) of a depthwise convolution of stride 1."""
    wanted = [which == 0, which == 1, False]
    found = torch.ops.aten.convolution_backward(
        slope, x, weight, None, [1, 1], list(padding), [1, 1], False, [0, 0], x.shape[1], wanted
    )
    gradient: Tensor = found[which]
    return gradient
