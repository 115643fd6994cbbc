"""Quick depthwise convolutions give the answers and gradients of the slow ones."""

from __future__ import annotations

import copy

import lesionlab.torch_setup  # noqa: F401  (before timm, which may import torchvision)

# ruff: isort: split
import pytest
import torch
from timm.layers import Conv2dSame
from torch import Tensor, nn

from lesionlab.models.backbones import create
from lesionlab.models.depthwise import QuickConv2d, QuickConv2dSame, quicken


def gradients(layer: nn.Module, x: Tensor, slope: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        answer = layer(x)
    found = torch.autograd.grad(answer, (x, *layer.parameters()), slope.to(answer.dtype))
    return [value.float() for value in (answer.detach(), *found)]


@pytest.mark.parametrize("kind", [nn.Conv2d, Conv2dSame])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(5, 1, 2), (5, 2, 2), (3, 2, 1), (7, 1, 3), (5, 1, 0), (4, 1, 0), (3, 2, 0)]
)
@pytest.mark.parametrize("bias", [False, True])
def test_answers_and_gradients_are_those_of_float32(
    kind: type[nn.Conv2d], kernel: int, stride: int, padding: int, bias: bool
) -> None:
    torch.manual_seed(0)
    slow = kind(6, 6, kernel, stride=stride, padding=padding, groups=6, bias=bias)
    quick = copy.deepcopy(slow)
    assert quicken(quick) == 1 and isinstance(quick, (QuickConv2d, QuickConv2dSame))
    x = torch.randn(3, 6, 13, 11).contiguous(memory_format=torch.channels_last)
    slope = torch.randn_like(slow(x))
    x32 = x.clone().requires_grad_()
    expected = [slow(x32), *torch.autograd.grad(slow(x32), (x32, *slow.parameters()), slope)]
    for found, wanted in zip(gradients(quick, x, slope), expected, strict=True):
        assert found.shape == wanted.shape
        assert float((found - wanted).abs().max() / wanted.abs().max()) < 0.02
    assert torch.equal(quick(x), slow(x))  # without autocast nothing is changed


def test_what_is_fast_already_is_left_alone() -> None:
    others = nn.Sequential(
        nn.Conv2d(6, 6, 3, groups=6), nn.Conv2d(6, 6, 5), nn.Conv2d(6, 12, 5, groups=6),
        nn.Conv2d(6, 6, 5, groups=6, dilation=2), nn.Conv2d(6, 6, 5, groups=6, padding="same"),
    )  # fmt: skip
    assert quicken(others) == 0
    assert all(type(layer) is nn.Conv2d for layer in others)


def test_a_copy_has_weights_of_its_own() -> None:
    network = create("efficientnet_lite0", "none", 7, size=32)
    names = list(network.state_dict())
    assert quicken(network) > 5
    assert quicken(network) == 0  # once is enough
    twin = copy.deepcopy(network)
    assert list(twin.state_dict()) == names
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for module in (network.eval(), twin.eval()):
            assert torch.isfinite(module(x)).all()
        before = twin(x)
        for parameter in network.parameters():
            parameter.zero_()
        assert torch.equal(twin(x), before)
        assert not torch.equal(network(x), before)
