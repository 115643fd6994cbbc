"""Shared fixtures: the real images where they lie beside the repository, and a small synthetic source."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(os.environ.get("LESIONLAB_SHARED", Path(__file__).resolve().parents[1].parent / "shared"))


@pytest.fixture(scope="session")
def ham10000() -> Path:
    """The folder of real HAM10000 images; the test is skipped where it is missing."""
    folder = SHARED / "ham10000"
    if not (folder / "HAM10000_metadata.csv").is_file():
        pytest.skip(f"the real HAM10000 images are not at {folder} (set LESIONLAB_SHARED)")
    return folder


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic source of 42 lesions, small images."""
    from lesionlab.data.sources.synthetic import generate

    return generate(tmp_path_factory.mktemp("synthetic") / "source", lesions=42, seed=7, size=(96, 72))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keeps packed pixels out of the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LESIONLAB_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def one_thread() -> Iterator[None]:
    """Computes with one thread: networks this small gain nothing from more, and lose much on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def make_network() -> Callable[..., Any]:
    """A function that makes a random network with a head that tells images apart: (name="tiny", size=64)."""

    def make(name: str = "tiny", size: int = 64) -> Any:
        import torch

        from lesionlab.models.backbones import create, features
        from lesionlab.models.onnx_export import random_images

        torch.manual_seed(0)
        model = create(name, size=size).eval()
        with torch.no_grad():
            seen = features(model, torch.from_numpy(random_images(32, size, seed=9)).permute(0, 3, 1, 2) / 127.5 - 1)
            head = model.get_classifier()
            head.weight.copy_(torch.randn_like(head.weight) / seen.std(0).clamp_min(1e-6) / len(head.weight[0]) ** 0.5)
            head.bias.copy_(-head.weight @ seen.mean(0))
        return model

    return make


@pytest.fixture(scope="session")
def make_member(tmp_path_factory: pytest.TempPathFactory, make_network: Callable[..., Any]) -> Callable[..., Path]:
    """A function that copies one tiny model at 64 px into a folder and changes its card: (folder, **card).

    A prior offset or a colour makes such members disagree.
    """
    from lesionlab.models.bundle import BundleDetails
    from lesionlab.models.writing import write_bundle

    details = BundleDetails(architecture="tiny", size=64, training={"split": {"fingerprint": "one"}})
    first = write_bundle(tmp_path_factory.mktemp("member") / "model", make_network(), details).folder

    def make(folder: Path, **card: Any) -> Path:
        shutil.copytree(first, folder)
        content = json.loads((folder / "bundle.json").read_text())
        (folder / "bundle.json").write_text(json.dumps(content | card))
        return folder

    return make
