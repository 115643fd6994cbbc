"""The exported graph agrees with torch, and one that does not is caught."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lesionlab.errors import ModelError
from lesionlab.models.backbones import create, head_parameters
from lesionlab.models.onnx_export import (
    TOLERANCE,
    PixelClassifier,
    check_agreement,
    export_onnx,
    normalise,
    pooled_head,
    random_images,
)

HALF = (0.5, 0.5, 0.5)


def test_normalising_is_the_fields_own() -> None:
    pixels = torch.from_numpy(random_images(2, 8, seed=0))
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    expected = (pixels.permute(0, 3, 1, 2) / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(normalise(pixels, mean, std), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext", "test_efficientnet"])
@pytest.mark.parametrize("training", [True, False])
def test_the_graph_agrees_in_either_mode(tmp_path: Path, name: str, training: bool) -> None:
    torch.manual_seed(0)
    network = create(name, size=64).train(training)
    classifier = PixelClassifier(network, HALF, HALF, 64)
    export_onnx(classifier, tmp_path / "model.onnx", 64)
    assert check_agreement(classifier, tmp_path / "model.onnx", 64) <= TOLERANCE
    assert network.training is training, "the caller's network is left alone"


def test_a_graph_of_other_weights_is_caught(tmp_path: Path) -> None:
    torch.manual_seed(0)
    export_onnx(PixelClassifier(create("tiny", size=64), HALF, HALF, 64), tmp_path / "model.onnx", 64)
    with pytest.raises(ModelError, match="differs from the trained one"):
        check_agreement(PixelClassifier(create("tiny", size=64), HALF, HALF, 64), tmp_path / "model.onnx", 64)


def test_a_network_that_onnx_cannot_express_is_refused(tmp_path: Path) -> None:
    class Odd(nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return torch.linalg.eigvals(pixels[:, 0]).real[:, :7]

    with pytest.raises(ModelError, match="cannot be exported"):
        export_onnx(PixelClassifier(Odd(), HALF, HALF, 64), tmp_path / "model.onnx", 64)


def test_random_images_are_noise_and_patches() -> None:
    images = random_images(4, 64, seed=0)
    assert (images.dtype, images.shape) == (np.uint8, (4, 64, 64, 3))
    steps = np.abs(np.diff(images.astype(int), axis=2)).mean((1, 2, 3))
    assert (steps[1::2] < steps[::2] / 3).all()


POOLED = {
    "test_resnet": "fc.weight",
    "test_efficientnet": "classifier.weight",
    "mobilenetv2": "classifier.weight",
    "efficientnet_lite0": "classifier.weight",
    "xception": "fc.weight",
    "test_vit": "",
    "test_convnext": "",
    "test_mambaout": "",
    "mobilenetv3_small_050": "",
}


@pytest.mark.parametrize(("name", "head"), POOLED.items())
def test_a_pooled_linear_head_is_recognised(name: str, head: str) -> None:
    torch.manual_seed(0)
    network = create(name, size=64).eval()
    with torch.no_grad():
        for parameter in head_parameters(network):
            parameter.normal_(0, 0.1)
    assert pooled_head(network, 64) == head


def test_a_network_with_max_pooling_has_no_such_head() -> None:
    import timm

    assert pooled_head(timm.create_model("test_resnet", num_classes=7, global_pool="max").eval(), 64) == ""
    assert pooled_head(nn.Conv2d(3, 7, 1), 64) == ""


def test_the_graph_gives_the_map_that_the_head_sees(tmp_path: Path) -> None:
    import onnxruntime

    torch.manual_seed(0)
    classifier = PixelClassifier(create("tiny", size=64), HALF, HALF, 64)
    export_onnx(classifier, tmp_path / "model.onnx", 64)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    logits, maps = session.run(["logits", "features"], {"pixels": random_images(3, 64, seed=1)})
    state = {name: values.numpy() for name, values in classifier.network.state_dict().items()}
    np.testing.assert_allclose(maps.mean((2, 3)) @ state["fc.weight"].T + state["fc.bias"], logits, atol=1e-5)
