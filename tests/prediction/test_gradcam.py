"""Grad-CAM agrees with captum and with a hand-written version, in every family, and finds what decides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lesionlab.errors import ModelError
from lesionlab.models import backbones
from lesionlab.models.bundle import Bundle, Cells, torch_model
from lesionlab.models.cells import feature_cells
from lesionlab.models.onnx_export import normalise, random_images
from lesionlab.prediction import gradcam
from lesionlab.prediction.cam import enlarge, scale
from lesionlab.prediction.gradcam import GradCam
from lesionlab.prediction.predictor import Predictor

PAPER = ["resnet50", "vgg19", "xception", "inception_resnet_v2", "vit_b32"]
FAMILIES = ["test_convnext", "test_efficientnet", "test_mambaout", "test_maxvit", "test_vit", "test_vit4"]


def scaled(maps: torch.Tensor, size: int, cells: Cells | None = None) -> np.ndarray:
    """Return maps (n, rows, columns), negative parts cut, stretched to size and each divided by its largest value."""
    return scale(enlarge(maps.detach().clamp_min(0).numpy(), size, cells))


def in_memory(name: str, size: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Bundle, Any]:
    """Return the description of a random network, which Grad-CAM is given without a detour over the disk."""
    torch.manual_seed(0)
    narrow = {"mlp_ratio": 0.02} if name == "vgg19" else {}  # its two wide layers take most of ten seconds to make
    network = backbones.timm_name(name)
    model: Any = backbones.timm.create_model(network, num_classes=7, **narrow).eval()
    if hasattr(model, "set_input_size"):
        model.set_input_size(img_size=size)
    with torch.no_grad():
        for parameter in backbones.head_parameters(model):
            parameter.normal_(0, 0.05)
    own = backbones.preprocessing(model)
    monkeypatch.setattr(gradcam, "torch_model", lambda bundle: model)
    described = Bundle.model_construct(
        architecture=name, size=size, mean=own.mean, std=own.std, colour="rgb", prior_offset=[0.0] * 7, views=1
    )
    return described, model


@pytest.mark.parametrize("name", [*PAPER, *FAMILIES])
def test_every_family_has_maps_of_every_class(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 128 if name == "inception_resnet_v2" else 96
    bundle, _ = in_memory(name, size, monkeypatch)
    found = GradCam(bundle).class_maps(random_images(2, size, seed=0))
    assert (found.dtype, found.shape) == (np.float32, (2, 7, size, size))
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() == 1
    assert len({maps.tobytes() for maps in found[0]}) > 2, "classes differ"


def test_convolutional_maps_are_captums(bundle: Bundle) -> None:
    from captum.attr import LayerGradCam

    pixels = random_images(3, 64, seed=5)
    model: Any = torch_model(bundle)
    images = normalise(torch.from_numpy(pixels), bundle.mean, bundle.std)
    found = GradCam(bundle).class_maps(pixels)
    for number in range(7):
        expected = LayerGradCam(model, model.layer4).attribute(images, target=number)[:, 0]
        np.testing.assert_allclose(found[:, number], scaled(expected, 64, bundle.cells), atol=1e-4)


@pytest.mark.parametrize("name", ["test_vit", "test_vit4"])
def test_transformer_maps_are_those_of_plain_hooks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle, model = in_memory(name, 96, monkeypatch)
    pixels = random_images(3, 96, seed=6)
    found = GradCam(bundle).class_maps(pixels)
    model.requires_grad_(True)
    seen: dict[str, torch.Tensor] = {}
    layer = model.blocks[-1].norm1
    layer.register_forward_hook(lambda module, inputs, output: seen.update(values=output))
    layer.register_full_backward_hook(lambda module, before, after: seen.update(slope=after[0]))
    images = normalise(torch.from_numpy(pixels), bundle.mean, bundle.std)
    side, prefix = model.patch_embed.grid_size[0], model.num_prefix_tokens
    for number in range(7):
        model.zero_grad()
        model(images)[:, number].sum().backward()
        values, slope = (seen[key][:, prefix:].detach() for key in ("values", "slope"))
        expected = (values * slope.mean(1, keepdim=True)).sum(2).reshape(3, side, side)
        np.testing.assert_allclose(found[:, number], scaled(expected, 96), atol=1e-4)


def test_swin_maps_follow_channels_last(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle, model = in_memory("test_mambaout", 96, monkeypatch)
    pixels = random_images(2, 96, seed=7)
    found = GradCam(bundle).maps(pixels, [2, 4])
    images = normalise(torch.from_numpy(pixels), bundle.mean, bundle.std)
    values = model.forward_features(images).detach().requires_grad_()
    assert values.shape[-1] == model.num_features
    logits = model.forward_head(values)
    (slope,) = torch.autograd.grad(logits[0, 2] + logits[1, 4], values)
    expected = (values * slope.mean((1, 2), keepdim=True)).sum(3)
    np.testing.assert_allclose(found, scaled(expected, 96, feature_cells(model, 96)), atol=1e-4)


def test_the_class_is_the_predictors_unless_named(make_bundle: Callable[..., Bundle], tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "model", colour="gray", prior_offset=[0.0, 0, 2, 0, 0, 0, 0])
    pixels = random_images(20, 64, seed=8)
    cam = GradCam(bundle)
    likeliest = Predictor(bundle, threads=1).probabilities(pixels).argmax(1)
    every = cam.class_maps(pixels)
    np.testing.assert_allclose(cam.maps(pixels), every[np.arange(20), likeliest], atol=1e-5)
    named = [number % 7 for number in range(20)]
    np.testing.assert_allclose(cam.maps(pixels, named), every[np.arange(20), named], atol=1e-5)
    with pytest.raises(ValueError, match="1 classes for 20 images"):
        cam.maps(pixels, [1])


def test_maps_find_the_quarter_that_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hand-made network whose class 3 is the brightness: its map lies on the one bright quarter."""
    bundle, _ = in_memory("tiny", 64, monkeypatch)

    class Brightness(torch.nn.Module):
        def forward_features(self, images: torch.Tensor) -> torch.Tensor:
            return F.avg_pool2d(images, 8).relu()

        def forward_head(self, values: torch.Tensor) -> torch.Tensor:
            return values.mean((1, 2, 3))[:, None] * torch.eye(7)[3]

    monkeypatch.setattr(gradcam, "torch_model", lambda bundle: Brightness())
    pixels = np.zeros((1, 64, 64, 3), np.uint8)
    pixels[0, :32, 32:] = 255
    found = GradCam(bundle).class_maps(pixels)[0]
    assert found[3, :24, 40:].min() == pytest.approx(1)
    assert found[3, 40:].max() == found[3, :, :24].max() == 0
    assert found[[0, 1, 2, 4, 5, 6]].max() == 0


def test_no_images_give_no_maps(bundle: Bundle) -> None:
    cam = GradCam(bundle)
    none = np.zeros((0, 64, 64, 3), np.uint8)
    assert cam.maps(none).shape == (0, 64, 64)
    assert cam.class_maps(none).shape == (0, 7, 64, 64)


def test_a_network_without_a_plane_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle, _ = in_memory("tiny", 64, monkeypatch)

    class Flat(torch.nn.Module):
        def forward_features(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean((2, 3))

        def forward_head(self, values: torch.Tensor) -> torch.Tensor:
            return values @ torch.ones(3, 7)

    monkeypatch.setattr(gradcam, "torch_model", lambda bundle: Flat())
    with pytest.raises(ModelError, match="no plane"):
        GradCam(bundle).maps(random_images(1, 64, seed=0))
