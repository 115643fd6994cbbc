"""A tiny model whose answers differ from image to image, and a few images to ask it about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionlab.models.bundle import Bundle, BundleDetails, write_bundle
from lesionlab.models.onnx_export import random_images

SIZE = 64


def _make_bundle(folder: Path, name: str = "tiny", **details: object) -> Bundle:
    """Write a bundle of a random network with a head that tells images apart."""
    import torch

    from lesionlab.models.backbones import create, features

    torch.manual_seed(0)
    model = create(name, size=SIZE).eval()
    with torch.no_grad():
        seen = features(model, torch.from_numpy(random_images(32, SIZE, seed=9)).permute(0, 3, 1, 2) / 127.5 - 1)
        head = model.get_classifier()
        head.weight.copy_(torch.randn_like(head.weight) / seen.std(0).clamp_min(1e-6) / len(head.weight[0]) ** 0.5)
        head.bias.copy_(-head.weight @ seen.mean(0))
    return write_bundle(folder, model, BundleDetails(architecture=name, size=SIZE, **details))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def make_bundle() -> Callable[..., Bundle]:
    """A function that writes a bundle of a random network into a folder: (folder, name="tiny", **details)."""
    return _make_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A convolutional model in colour, one view, no offset."""
    return _make_bundle(tmp_path_factory.mktemp("colour") / "model")


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Nine PNG images, not square, called lesion0 to lesion8."""
    folder = tmp_path_factory.mktemp("images")
    paths = [folder / f"lesion{number}.png" for number in range(9)]
    for path, pixels in zip(paths, random_images(9, 96, seed=4), strict=True):
        Image.fromarray(np.ascontiguousarray(pixels[:72])).save(path)
    return paths
