"""From a torch network to an ONNX graph that takes bytes of pixels, compared with the network before it is used.

The graph does its own normalising, so preprocessing travels with the model and prediction needs neither
torch nor a second account of mean and deviation. torch's older (tracing) exporter is used: measured with
torch 2.13 on every preset, and on swin, maxvit, eva, mambaout and convnextv2, it exported all of them with
a free batch size in 0.2 to 16 s, where the newer one took 5 to 42 s and failed on maxvit. What either gets
wrong silently, `check_agreement` finds.

Where the logits are a weight times the mean over the last feature map, the graph gives that map too: Grad-CAM is
then exact without torch (Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016), and it
costs nothing, as the map is computed anyway.
"""

from __future__ import annotations

import copy
import logging
import warnings
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from lesionlab.errors import ModelError
from lesionlab.models.backbones import head_names
from lesionlab.models.graphs import FEATURES, INPUT, OUTPUT

OPSET = 17
BATCHES = (1, 2, 7)
TOLERANCE = 1e-4
"""Largest difference allowed between torch and ONNX, as a share of the largest logit."""


def normalise(pixels: torch.Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
    """Return (pixels / 255 - mean) / std, float32 (n, 3, h, w), of uint8 pixels (n, h, w, 3)."""
    scale = torch.tensor([1 / (255 * s) for s in std]).view(1, 3, 1, 1)
    shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)]).view(1, 3, 1, 1)
    return pixels.permute(0, 3, 1, 2).float() * scale + shift


class PixelClassifier(nn.Module):
    """A network with its normalising in front: uint8 (n, size, size, 3) RGB -> logits float32 (n, classes).

    Where `head`, see `pooled_head`, is not empty, the last feature map, float32 (n, c, h, w), comes second.
    """

    def __init__(self, network: nn.Module, mean: tuple[float, ...], std: tuple[float, ...], size: int) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).cpu().float()
        self.mean, self.std = mean, std
        self.eval()  # as a whole: the exporter puts it back into the mode that it finds
        self.head = pooled_head(self.network, size)

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the logits of normalised pixels, and the feature map of a network with a pooled linear head."""
        network = cast(Any, self.network)
        images = normalise(pixels, self.mean, self.std)
        if not self.head:
            return (network(images),)
        maps = network.forward_features(images)
        return network.forward_head(maps), _channels_first(network, maps)


@torch.no_grad()
def pooled_head(network: nn.Module, size: int) -> str:
    """Return the name of the weight (k, c) that, times the mean of the last feature map (n, c, h, w), is the logits.

    "" where the head does more than that, or something else; tried on random images, in evaluation mode.
    """
    if not hasattr(network, "forward_features") or not hasattr(network, "get_classifier"):
        return ""
    state = network.state_dict()
    weights = [name for name in head_names(network) if state[name].ndim == 2]
    if len(weights) != 1:
        return ""
    images = torch.randn(4, 3, size, size, generator=torch.Generator().manual_seed(0))
    expected, maps = network(images), _channels_first(network, cast(Any, network).forward_features(images))
    weight, bias = state[weights[0]], state.get(weights[0].removesuffix("weight") + "bias", torch.zeros(()))
    if maps.ndim != 4 or maps.shape[1] != weight.shape[1]:
        return ""
    found = maps.mean((2, 3)) @ weight.T + bias
    return weights[0] if (found - expected).abs().max() <= TOLERANCE * expected.abs().max() else ""


def _channels_first(network: nn.Module, maps: torch.Tensor) -> torch.Tensor:
    return maps.permute(0, 3, 1, 2) if maps.ndim == 4 and getattr(network, "output_fmt", "NCHW") == "NHWC" else maps


def export_onnx(classifier: PixelClassifier, path: Path, size: int) -> None:
    """Write the graph with a free batch size; `ModelError` when torch cannot express the network in ONNX."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    outputs = [OUTPUT, FEATURES] if classifier.head else [OUTPUT]
    try:
        logger.setLevel(logging.ERROR)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # tracing warns of every shape check inside timm
            torch.onnx.export(
                classifier,
                (torch.zeros(2, size, size, 3, dtype=torch.uint8),),
                str(path),
                dynamo=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=outputs,
                dynamic_axes={name: {0: "n"} for name in (INPUT, *outputs)},
            )
    except (RuntimeError, ValueError, TypeError, torch.onnx.errors.OnnxExporterError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(f"this network cannot be exported to ONNX: {reason}", "choose another backbone") from error
    finally:
        logger.setLevel(level)
    if classifier.head:
        _state_plane(classifier, path, size)


def _state_plane(classifier: PixelClassifier, path: Path, size: int) -> None:
    """Write the feature map's sides into the graph, where padding worked out in the graph has left them open."""
    import onnx

    with torch.no_grad():
        maps = classifier(torch.zeros(1, size, size, 3, dtype=torch.uint8))[1]
    model = onnx.load(str(path))
    (output,) = (output for output in model.graph.output if output.name == FEATURES)
    for dimension, side in zip(output.type.tensor_type.shape.dim[1:], maps.shape[1:], strict=True):
        dimension.dim_value = side
    onnx.save(model, str(path))


def check_agreement(classifier: PixelClassifier, path: Path, size: int) -> float:
    """Return the largest difference of torch's and ONNX's answers, as a share of the largest logit.

    Compared on noise and on smooth random images in batches of `BATCHES`; a feature map counts as a share of its own
    largest value. Raises `ModelError` above `TOLERANCE`, for another first answer, and for what is not finite.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for count in BATCHES:
        pixels = random_images(count, size, seed=count)
        with torch.no_grad():
            expected = [values.numpy() for values in classifier(torch.from_numpy(pixels))]
        found = session.run(None, {INPUT: pixels})
        if not np.isfinite(expected[0]).all():
            raise ModelError("the network's answers are not finite numbers", "training diverged; lower its rate")
        worst = max(worst, *(difference(*pair) for pair in zip(expected, found, strict=True)))
        if not worst <= TOLERANCE or (expected[0].argmax(1) != found[0].argmax(1)).any():
            raise ModelError(
                f"the exported model differs from the trained one by {worst:.1e} of its logits in a batch of {count}",
                "nothing was written; report this with the backbone's name and torch's version",
            )
    return worst


def difference(expected: npt.NDArray[np.float32], found: npt.NDArray[np.float32]) -> float:
    """Return the largest difference of two arrays as a share of the largest value expected; infinite for two shapes."""
    scale = max(float(np.abs(expected).max()), float(np.finfo(np.float32).tiny))
    return float(np.abs(expected - found).max()) / scale if found.shape == expected.shape else float("inf")


def random_images(count: int, size: int, seed: int) -> npt.NDArray[np.uint8]:
    """Return uint8 (count, size, size, 3): by turns plain noise and noise in patches an eighth of the side wide."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    place = np.arange(size) * 8 // size
    images[1::2] = images[1::2][:, place][:, :, place]
    return images
