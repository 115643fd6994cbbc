"""From a torch network to an ONNX graph that takes bytes of pixels, compared with the network before it is used.

The graph does its own normalising, so preprocessing travels with the model and prediction needs neither
torch nor a second account of mean and deviation. torch's older (tracing) exporter is used: measured with
torch 2.13 on every preset, and on swin, maxvit, eva, mambaout and convnextv2, it exported all of them with
a free batch size in 0.2 to 16 s, where the newer one took 5 to 42 s and failed on maxvit. What either gets
wrong silently, `check_agreement` finds.
"""

from __future__ import annotations

import copy
import logging
import warnings
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from lesionlab.errors import ModelError

INPUT, OUTPUT = "pixels", "logits"
"""The graph's names: `pixels` uint8 (n, size, size, 3) RGB, `logits` float32 (n, classes)."""

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
    """A network with its normalising in front: uint8 (n, size, size, 3) RGB -> logits float32 (n, classes)."""

    def __init__(self, network: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).cpu().float()
        self.mean, self.std = mean, std
        self.eval()  # as a whole: the exporter puts it back into the mode that it finds

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the logits of normalised pixels."""
        return cast(torch.Tensor, self.network(normalise(pixels, self.mean, self.std)))


def export_onnx(classifier: PixelClassifier, path: Path, size: int) -> None:
    """Write the graph with a free batch size; `ModelError` when torch cannot express the network in ONNX."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
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
                output_names=[OUTPUT],
                dynamic_axes={INPUT: {0: "n"}, OUTPUT: {0: "n"}},
            )
    except (RuntimeError, ValueError, TypeError, torch.onnx.errors.OnnxExporterError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(f"this network cannot be exported to ONNX: {reason}", "choose another backbone") from error
    finally:
        logger.setLevel(level)


def check_agreement(classifier: PixelClassifier, path: Path, size: int) -> float:
    """Return the largest difference of torch's and ONNX's logits, as a share of the largest logit.

    Compared on noise and on smooth random images in batches of `BATCHES`. Raises `ModelError` above `TOLERANCE`,
    for another first answer, and for logits that are not finite.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for count in BATCHES:
        pixels = random_images(count, size, seed=count)
        with torch.no_grad():
            expected = classifier(torch.from_numpy(pixels)).numpy()
        found = session.run([OUTPUT], {INPUT: pixels})[0]
        if not np.isfinite(expected).all():
            raise ModelError("the network's answers are not finite numbers", "training diverged; lower its rate")
        scale = max(float(np.abs(expected).max()), float(np.finfo(np.float32).tiny))
        worst = max(worst, float(np.abs(expected - found).max()) / scale) if found.shape == expected.shape else np.inf
        if not worst <= TOLERANCE or (expected.argmax(1) != found.argmax(1)).any():
            raise ModelError(
                f"the exported model differs from the trained one by {worst:.1e} of its logits in a batch of {count}",
                "nothing was written; report this with the backbone's name and torch's version",
            )
    return worst


def random_images(count: int, size: int, seed: int) -> npt.NDArray[np.uint8]:
    """Return uint8 (count, size, size, 3): by turns plain noise and noise in patches an eighth of the side wide."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    place = np.arange(size) * 8 // size
    images[1::2] = images[1::2][:, place][:, :, place]
    return images
