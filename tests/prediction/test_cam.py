"""Maps from the graph's own features are Grad-CAM's, in torch and in captum, and need no torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lesionlab.errors import ModelError
from lesionlab.models.bundle import WEIGHTS, Bundle, torch_model
from lesionlab.models.composite import Ensemble, Mix
from lesionlab.models.onnx_export import normalise, random_images
from lesionlab.models.tensors import write_tensors
from lesionlab.models.writing import rewrite_bundle
from lesionlab.prediction.cam import CompositeCam, FeatureCam, ViewedCam, enlarge, grad_cam, scale
from lesionlab.prediction.gradcam import GradCam
from lesionlab.prediction.network import dihedral, turned_back
from lesionlab.prediction.predictor import Predictor


@pytest.mark.parametrize(("name", "colour"), [("tiny", "gray"), ("test_efficientnet", "rgb"), ("test_resnet", "rgb")])
def test_maps_are_those_of_torch(name: str, colour: str, make_bundle: Callable[..., Bundle], tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "model", name, colour=colour, prior_offset=[0.0, 0, 2, 0, 0, 0, 0])
    assert bundle.features
    pixels = random_images(19, 64, seed=5)  # more than a batch
    light, heavy = grad_cam(bundle), GradCam(bundle)
    assert isinstance(light, FeatureCam)
    every = light.class_maps(pixels)
    assert (every.dtype, every.shape, every.min(), every.max()) == (np.float32, (19, 7, 64, 64), 0, 1)
    np.testing.assert_allclose(every, heavy.class_maps(pixels), atol=1e-4)
    np.testing.assert_allclose(light.maps(pixels), heavy.maps(pixels), atol=1e-4)
    named = [number % 7 for number in range(19)]
    np.testing.assert_allclose(light.maps(pixels, named), every[np.arange(19), named], atol=1e-5)


def test_maps_are_captums(bundle: Bundle) -> None:
    from captum.attr import LayerGradCam

    pixels = random_images(3, 64, seed=5)
    model: Any = torch_model(bundle)
    images = normalise(torch.from_numpy(pixels), bundle.mean, bundle.std)
    found = FeatureCam(bundle).class_maps(pixels)
    for number in range(7):
        expected = LayerGradCam(model, model.layer4).attribute(images, target=number)[:, 0].detach().clamp_min(0)
        np.testing.assert_allclose(found[:, number], scale(enlarge(expected.numpy(), 64, bundle.cells)), atol=1e-4)


@pytest.mark.parametrize("shape", [(7, 7), (1, 1), (5, 9), (64, 64), (100, 3)])
def test_stretching_is_torchs(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(0).random((2, 3, *shape), dtype=np.float32)
    expected = F.interpolate(torch.from_numpy(values), size=(64, 64), mode="bilinear", align_corners=False).numpy()
    np.testing.assert_allclose(enlarge(values, 64), expected, atol=1e-6)


def test_a_map_is_drawn_where_its_cells_look() -> None:
    values = np.arange(4, dtype=np.float32)[None, None].repeat(4, axis=1)
    found = enlarge(values, 16, (3.0, 4.0))[0]
    np.testing.assert_allclose(found[0], np.clip((np.arange(16) - 3) / 4, 0, 3))
    np.testing.assert_allclose(enlarge(values.swapaxes(1, 2), 16, (3.0, 4.0))[0], found.T)


@pytest.mark.parametrize("kind", [FeatureCam, GradCam])
@pytest.mark.parametrize("views", [2, 4, 8])
def test_maps_of_all_views_turn_with_the_image(kind: type[ViewedCam], views: int, bundle: Bundle) -> None:
    """Any view of the image has that view of its map; with a single view it has not."""
    pixels, classes = random_images(3, 64, seed=2), [1, 4, 6]
    cam = kind(bundle, views)
    found = cam.maps(pixels, classes)
    for view in range(views):
        turned = cam.maps(dihedral(pixels, view), classes)
        np.testing.assert_allclose(turned_back(turned, view), found, atol=1e-3)
    one = kind(bundle, 1)
    np.testing.assert_allclose(one.maps(pixels, classes), kind(bundle).maps(pixels, classes))  # the bundle's own
    assert np.abs(one.maps(dihedral(pixels, 1), classes)[..., ::-1] - one.maps(pixels, classes)).max() > 0.05


def test_a_map_of_nothing_stays_nothing() -> None:
    maps = np.zeros((2, 4, 4), np.float32)
    maps[1, 0, 0] = 1e-20
    assert scale(maps)[0].max() == 0
    assert scale(maps)[1].max() == 1


def test_a_network_of_another_head_needs_torch(make_bundle: Callable[..., Bundle], tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "model", "test_convnext")
    assert not bundle.features
    assert isinstance(grad_cam(bundle), GradCam)


def test_a_head_that_does_not_fit_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    contents = {name: bundle.read(name) for name in bundle.files}
    tensors = bundle.tensors(WEIGHTS)
    for number, (change, words) in enumerate(
        [
            ({bundle.head: np.zeros((7, 3), np.float32)}, "its head takes 3 channels"),
            ({bundle.head: np.zeros((6, 3), np.float32)}, "has no weight 'fc.weight' of 7 rows"),
            ({bundle.head: np.zeros((7, 2, 1), np.float32)}, "has no weight 'fc.weight' of 7 rows"),
        ]
    ):
        changed = contents | {WEIGHTS: write_tensors(tensors | change)}
        odd = rewrite_bundle(tmp_path / f"model{number}", bundle, changed)
        with pytest.raises(ModelError, match=words):
            FeatureCam(odd).maps(random_images(1, 64, seed=0))


def test_odd_numbers_of_images_and_classes(bundle: Bundle) -> None:
    cam, none = FeatureCam(bundle), np.zeros((0, 64, 64, 3), np.uint8)
    assert cam.maps(none).shape == (0, 64, 64)
    assert cam.class_maps(none).shape == (0, 7, 64, 64)
    with pytest.raises(ValueError, match="1 classes for 0 images"):
        cam.maps(none, [1])


def test_explaining_imports_neither_torch_nor_matplotlib(bundle: Bundle, images: list[Path], tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from lesionlab.cli.main import main
code = main(["explain", {str(images[0])!r}, "--model", {str(bundle.folder)!r}, "--out", {str(tmp_path / "maps")!r}])
assert not {{"torch", "timm", "matplotlib", "sklearn", "scipy"}} & set(sys.modules)
sys.exit(code)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "maps").glob("lesion0_*.png"))) == 1


def test_an_ensembles_map_is_the_weighted_mean_of_its_members(ensemble: Ensemble) -> None:
    pixels, classes = random_images(3, 64, seed=3), [4, 0, 5]
    own = [GradCam(bundle).maps(pixels, classes) for bundle in ensemble.bundles.values()]
    mean = 0.3 * own[0] + 0.7 * own[1]
    cam = grad_cam(ensemble)
    assert isinstance(cam, CompositeCam)
    found = cam.maps(pixels, classes)
    np.testing.assert_allclose(found, mean / mean.max(axis=(1, 2), keepdims=True).clip(1e-30), atol=1e-4)
    np.testing.assert_allclose(cam.class_maps(pixels)[[0, 1, 2], classes], found, atol=1e-4)
    answered = Predictor(ensemble, threads=1).probabilities(pixels).argmax(1).tolist()
    np.testing.assert_allclose(cam.maps(pixels), cam.maps(pixels, answered), atol=1e-6)


def test_a_mix_models_map_is_that_of_the_network_that_decided(mix: Mix) -> None:
    pixels = random_images(64, 64, seed=11)
    predictor = Predictor(mix, threads=1)
    asked = mix.asked(predictor.tables(pixels))
    rows = np.array([np.flatnonzero(asked == number)[0] for number in np.unique(asked)])
    assert len(rows) >= 2, "the general member and a specialist decide"
    cams = [GradCam(bundle) for bundle in mix.bundles.values()]
    answered = predictor.probabilities(pixels)[rows].argmax(1).tolist()
    found = grad_cam(mix).maps(pixels[rows])
    for row, answer, heat in zip(rows, answered, found, strict=True):
        np.testing.assert_allclose(heat, cams[asked[row]].maps(pixels[row : row + 1], [answer])[0], atol=1e-4)
    vascular = grad_cam(mix).maps(pixels[rows], [6] * len(rows))
    np.testing.assert_allclose(vascular, cams[0].maps(pixels[rows], [6] * len(rows)), atol=1e-4)


def test_composites_take_no_images_and_no_odd_classes(mix: Mix) -> None:
    none = np.zeros((0, 64, 64, 3), np.uint8)
    assert grad_cam(mix).maps(none).shape == (0, 64, 64)
    assert grad_cam(mix).class_maps(none).shape == (0, 7, 64, 64)
    with pytest.raises(ValueError, match="2 classes for 0 images"):
        grad_cam(mix).maps(none, [1, 2])
