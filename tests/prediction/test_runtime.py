"""The graph gives torch's logits, without torch, and a graph that is not what the bundle says is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from lesionlab.errors import ModelError
from lesionlab.files import checksum
from lesionlab.models.bundle import CARD, ONNX, Bundle, read_bundle, torch_model
from lesionlab.models.onnx_export import normalise, random_images
from lesionlab.prediction.runtime import Session


def test_logits_are_torchs(bundle: Bundle) -> None:
    pixels = random_images(5, 64, seed=1)
    with torch.no_grad():
        expected = torch_model(bundle)(normalise(torch.from_numpy(pixels), bundle.mean, bundle.std)).numpy()
    found = Session(bundle, threads=1).logits(pixels)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    assert len(np.unique(expected.argmax(1))) > 1, "the model tells these images apart"


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((1, 64, 64, 3), np.float32), np.zeros((1, 32, 32, 3), np.uint8), np.zeros((64, 64, 3), np.uint8)],
)
def test_other_pixels_are_a_bug_of_the_caller(bundle: Bundle, pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="are not uint8"):
        Session(bundle, threads=1).logits(pixels)


def test_features_are_torchs(bundle: Bundle) -> None:
    pixels = random_images(5, 64, seed=1)
    with torch.no_grad():
        images = normalise(torch.from_numpy(pixels), bundle.mean, bundle.std)
        expected = torch_model(bundle).forward_features(images).numpy()  # type: ignore[operator]
    session = Session(bundle, threads=1)
    logits, maps = session.features(pixels)
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    np.testing.assert_array_equal(logits, session.logits(pixels))


def test_a_model_without_features_gives_none(make_bundle: Callable[..., Bundle], tmp_path: Path) -> None:
    session = Session(make_bundle(tmp_path / "model", "test_vit"), threads=1)
    assert session.logits(random_images(1, 64, seed=1)).shape == (1, 7)
    with pytest.raises(ValueError, match="gives no feature map"):
        session.features(random_images(1, 64, seed=1))


def test_features_that_the_card_denies_are_refused(damaged: Path) -> None:
    with pytest.raises(ModelError, match="takes and gives"):
        Session(rewrite_card(damaged, features=False))


@pytest.fixture
def damaged(bundle: Bundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle.folder, tmp_path / "model"))


def rewrite_card(folder: Path, **changes: object) -> Bundle:
    """Make the card say what the damaged files are, as somebody with bad intentions would."""
    card = json.loads((folder / CARD).read_text()) | changes
    card["files"] = {name: checksum(folder / name) for name in card["files"]}
    (folder / CARD).write_text(json.dumps(card))
    return read_bundle(folder)


def test_a_graph_that_is_none_is_refused(damaged: Path) -> None:
    (damaged / ONNX).write_bytes(b"no graph at all")
    with pytest.raises(ModelError, match="cannot be loaded"):
        Session(rewrite_card(damaged))


def test_a_graph_of_another_size_is_refused(damaged: Path) -> None:
    with pytest.raises(ModelError, match="takes and gives"):
        Session(rewrite_card(damaged, size=96))


def test_answers_that_are_no_numbers_are_refused(damaged: Path) -> None:
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(damaged / ONNX)
    bias = next(tensor for tensor in graph.graph.initializer if list(tensor.dims) == [7])
    bias.CopyFrom(numpy_helper.from_array(np.full(7, np.nan, np.float32), bias.name))
    onnx.save(graph, damaged / ONNX)
    with pytest.raises(ModelError, match="not finite"):
        Session(rewrite_card(damaged), threads=1).logits(random_images(1, 64, seed=0))


def test_prediction_imports_no_torch(bundle: Bundle, images: list[Path]) -> None:
    program = f"""
import sys
from pathlib import Path
from lesionlab.models.bundle import read_bundle
from lesionlab.prediction.predictor import Predictor
print(next(Predictor(read_bundle(Path({str(bundle.folder)!r}))).predict([Path({str(images[0])!r})])).image_id)
assert not {{"torch", "timm", "matplotlib", "sklearn"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
