"""The Python door: any kind of photograph, one or several, and the same answers as the command line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lesionlab
from lesionlab.diagnoses import CODES
from lesionlab.errors import ImageError, ModelError, UsageError
from lesionlab.models import shipped
from lesionlab.models.composite import read_model
from lesionlab.models.onnx_export import random_images
from lesionlab.prediction.judging import Verdict
from lesionlab.prediction.predictor import Answer, Predictor


@pytest.fixture(scope="module")
def folder(make_member: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_member(tmp_path_factory.mktemp("api") / "model", frame_aspect=4 / 3)


@pytest.fixture(scope="module")
def model(folder: Path) -> lesionlab.Model:
    return lesionlab.load(folder, threads=1)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three PNG photographs, not square."""
    paths = [tmp_path_factory.mktemp("photographs") / f"lesion{number}.png" for number in range(3)]
    for path, pixels in zip(paths, random_images(3, 96, seed=4), strict=True):
        Image.fromarray(np.ascontiguousarray(pixels[:80])).save(path)
    return paths


@pytest.fixture(scope="module")
def expected(folder: Path, photographs: list[Path]) -> list[Verdict]:
    """What the command line's predictor says."""
    found = Predictor(read_model(folder), threads=1).predict(photographs)
    return [answer.verdict for answer in found if isinstance(answer, Answer)]


def close(found: list[Verdict], expected: list[Verdict]) -> None:
    assert [verdict.diagnosis for verdict in found] == [verdict.diagnosis for verdict in expected]
    np.testing.assert_allclose([v.probabilities for v in found], [v.probabilities for v in expected], atol=1e-5)


def test_every_kind_of_photograph(model: lesionlab.Model, photographs: list[Path], expected: list[Verdict]) -> None:
    first = photographs[0]
    image = Image.open(first)
    for photograph in (first, str(first), image, np.asarray(image)):
        verdict = model.predict(photograph)
        assert isinstance(verdict, Verdict)
        close([verdict], expected[:1])


def test_several_photographs(model: lesionlab.Model, photographs: list[Path], expected: list[Verdict]) -> None:
    close(model.predict(photographs), expected)
    close(model.predict(path for path in photographs), expected)
    close(model.predict([str(photographs[0]), Image.open(photographs[1]), photographs[2]]), expected)
    close(model.predict(np.stack([np.asarray(Image.open(path)) for path in photographs])), expected)
    assert model.predict([]) == []


def test_probabilities_as_scikit_learn_has_them(
    model: lesionlab.Model, photographs: list[Path], expected: list[Verdict]
) -> None:
    found = model.predict_proba(photographs)
    assert (found.shape, found.dtype) == ((3, 7), np.float64)
    np.testing.assert_allclose(found, [verdict.probabilities for verdict in expected], atol=1e-5)
    np.testing.assert_allclose(model.predict_proba(photographs[0]), found[:1], atol=1e-5)
    assert model.predict_proba([]).shape == (0, 7)
    assert model.classes_.tolist() == list(CODES)
    assert model.classes_[found.argmax(1)].tolist() == [verdict.diagnosis for verdict in expected]


def test_more_than_a_batch(model: lesionlab.Model) -> None:
    pixels = random_images(70, 64, seed=1)
    found = model.predict_proba(pixels)
    np.testing.assert_allclose(found, Predictor(model.description, threads=1).probabilities(pixels), atol=1e-5)


def test_what_is_no_photograph_is_named(model: lesionlab.Model, photographs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"gone\.jpg: no such file"):
        model.predict(tmp_path / "gone.jpg")
    with pytest.raises(ImageError, match="photograph 1: pixels float64"):
        model.predict([photographs[0], np.zeros((64, 64, 3))])  # type: ignore[list-item]
    with pytest.raises(ImageError, match="photograph 0: a int"):
        model.predict([5])  # type: ignore[list-item]


def test_loading(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped.resources, "files", lambda package: tmp_path)
    with pytest.raises(ModelError, match="no model comes with"):
        lesionlab.load()
    (tmp_path / "shipped").symlink_to(folder)
    assert lesionlab.load().description.size == 64
    with pytest.raises(ModelError, match="no model here"):
        lesionlab.load(tmp_path)
    with pytest.raises(UsageError, match="3 views"):
        lesionlab.load(folder, views=3)
    with pytest.raises(AttributeError, match="unload"):
        lesionlab.unload  # noqa: B018


def test_the_package_is_imported_at_once_and_predicts_without_torch(folder: Path, photographs: list[Path]) -> None:
    code = f"""
import sys, time
began = time.perf_counter()
import lesionlab
assert time.perf_counter() - began < 0.5 and "numpy" not in sys.modules
print(lesionlab.load({str(folder)!r}).predict({str(photographs[0])!r}).diagnosis)
heavy = {{"torch", "scipy", "sklearn", "matplotlib", "timm"}} & set(sys.modules)
assert not heavy, heavy
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.strip() in CODES
