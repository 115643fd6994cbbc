"""Embeddings: the last feature map's mean, of length 1, file by file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionlab.errors import ImageError, ModelError
from lesionlab.models.bundle import Bundle
from lesionlab.models.onnx_export import random_images
from lesionlab.prediction import embedding
from lesionlab.prediction.embedding import Embedder
from lesionlab.prediction.runtime import Session


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for path, pixels in zip(paths, random_images(5, 64, seed=3), strict=True):
        Image.fromarray(pixels).save(path)
    return paths


def test_they_are_the_maps_means(bundle: Bundle, files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "_BATCH", 2)
    told: list[tuple[int, int]] = []
    found = Embedder(bundle)(files, lambda *step: told.append(step))
    maps = Session(bundle).features(random_images(5, 64, seed=3))[1]
    means = maps.mean(axis=(2, 3))
    np.testing.assert_allclose(found, means / np.linalg.norm(means, axis=1, keepdims=True), atol=1e-5)
    assert found.dtype == np.float32 and told == [(2, 5), (4, 5), (5, 5)]


def test_the_models_colours_are_used(
    make_bundle: Callable[..., Bundle], bundle: Bundle, files: list[Path], tmp_path: Path
) -> None:
    grey = Embedder(make_bundle(tmp_path / "model", colour="gray"))(files)
    assert not np.allclose(grey, Embedder(bundle)(files), atol=1e-3)


def test_what_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no feature map"):
        Embedder(bundle.model_copy(update={"features": False}))
    with pytest.raises(ImageError, match="no such file"):
        Embedder(bundle)([tmp_path / "none.png"])
