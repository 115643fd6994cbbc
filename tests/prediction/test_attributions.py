"""Attribution maps: they find what decides, keep their method's own law, and the two blind ones do not move."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from lesionlab.data.colour import recolour
from lesionlab.evaluation.faithfulness import METHODS
from lesionlab.models.bundle import HEAD, ONNX, Bundle, torch_model
from lesionlab.models.onnx_export import normalise, random_images
from lesionlab.models.tensors import write_tensors
from lesionlab.models.writing import rewrite_bundle
from lesionlab.prediction import attributions
from lesionlab.prediction.attributions import CAPTUM, Attributions, centre, erased, noise
from lesionlab.prediction.cam import grad_cam

SIDE = 64


class Corner(torch.nn.Module):
    """Logit k is the brightness of the upper left corner, times k."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, :, : SIDE // 4, : SIDE // 4].mean((1, 2, 3))[:, None] * torch.arange(7.0)


@pytest.fixture
def on_a_corner(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> Attributions:
    monkeypatch.setattr(attributions, "torch_model", lambda bundle: Corner())
    return Attributions(bundle)


@pytest.mark.parametrize("method", CAPTUM)
def test_what_decides_is_found(on_a_corner: Attributions, method: str) -> None:
    pixels = np.full((3, SIDE, SIDE, 3), 40, np.uint8)
    pixels[:, : SIDE // 4, : SIDE // 4] = 200
    maps = on_a_corner.maps(pixels, [6, 6, 1], ["a", "b", "c"])[method]
    inside = maps[:, : SIDE // 4, : SIDE // 4].sum(axis=(1, 2)) / maps.sum(axis=(1, 2))
    assert inside.min() > (0.4 if method == "occlusion" else 0.999)  # its squares reach over the corner's edge
    np.testing.assert_allclose(maps[0], maps[2], atol=1e-5)


def test_what_speaks_against_the_class_is_cut(on_a_corner: Attributions) -> None:
    """A corner that is darker than what stands in its place makes the logit smaller."""
    pixels = np.full((1, SIDE, SIDE, 3), 200, np.uint8)
    pixels[:, : SIDE // 4, : SIDE // 4] = 40
    maps = on_a_corner.maps(pixels, [6], ["a"])
    assert not maps["occlusion"][0, : SIDE // 8, : SIDE // 8].any()
    assert not maps["integrated_gradients"].any()
    assert on_a_corner.signed("integrated_gradients", pixels, [6]).min() < 0


def test_every_method_is_scaled_and_depends_on_the_class(bundle: Bundle) -> None:
    pixels = random_images(3, SIDE, seed=0)
    made = Attributions(bundle)
    maps, others = (made.maps(pixels, classes, ["a", "b", "c"]) for classes in ([0, 1, 2], [3, 4, 5]))
    assert list(maps) == list(METHODS)
    for name, each in maps.items():
        assert (each.shape, each.dtype) == ((3, SIDE, SIDE), np.float32)
        assert np.isfinite(each).all() and each.min() >= 0
        np.testing.assert_allclose(each.max(axis=(1, 2)), 1)
        assert np.array_equal(each, others[name]) == (name in ("centre", "random"))
    np.testing.assert_array_equal(maps["grad_cam"], grad_cam(bundle).maps(pixels, [0, 1, 2]))


def test_integrated_gradients_add_up_to_what_the_logit_gains(bundle: Bundle) -> None:
    """Sundararajan's axiom of completeness, as far as so few steps go."""
    pixels, classes = random_images(4, SIDE, seed=1), [0, 2, 4, 6]
    network = torch_model(bundle)
    with torch.no_grad():
        whole, nothing = (
            network(normalise(torch.from_numpy(np.array(one)), bundle.mean, bundle.std)).numpy()
            for one in (pixels, erased(pixels))
        )
    gained = (whole - nothing)[range(4), classes]
    added = Attributions(bundle).signed("integrated_gradients", pixels, classes).sum(axis=(1, 2))
    assert np.abs(added - gained).max() < 0.05 * np.abs(gained).max()


def test_a_model_that_sees_grey_is_explained_in_grey(make_bundle: Callable[..., Bundle], tmp_path: Path) -> None:
    pixels = random_images(1, SIDE, seed=2)
    gray = Attributions(make_bundle(tmp_path / "gray", colour="gray"))
    found, same = (gray.signed("saliency", one, [1]) for one in (pixels, recolour(pixels, "gray")))
    np.testing.assert_allclose(found, same, rtol=1e-5)


def test_the_blind_maps() -> None:
    middle = centre(33)
    assert np.unravel_index(middle.argmax(), middle.shape) == (16, 16)
    np.testing.assert_allclose(middle, middle[::-1].T, atol=1e-6)
    assert middle[0, 16] == pytest.approx(np.exp(-0.5 * (6 * 16 / 33) ** 2), rel=1e-4)
    np.testing.assert_array_equal(noise("a", 64), noise("a", 64))
    assert not np.array_equal(noise("a", 64), noise("b", 64))
    assert np.mean([noise(str(name), 64).mean() for name in range(50)]) == pytest.approx(0.5, abs=0.03)


def test_nothing_but_colour_is_left_of_an_erased_image() -> None:
    pixels = np.full((1, SIDE, SIDE, 3), (200, 150, 140), np.uint8)
    np.testing.assert_array_equal(erased(pixels), pixels)
    pixels[:, ::2] = 0
    found = erased(pixels).astype(float)
    assert np.ptp(found[..., 0]) < 12 and found.mean() == pytest.approx(pixels.mean(), abs=1)


def test_a_model_without_weights_for_torch_has_grad_cam_alone(bundle: Bundle, tmp_path: Path) -> None:
    contents = {ONNX: bundle.read(ONNX), HEAD: write_tensors({bundle.head: bundle.head_weight()})}
    light = Attributions(rewrite_bundle(tmp_path / "light", bundle, contents, precision="fp16"))
    pixels = random_images(2, SIDE, seed=0)
    whole, maps = (made.maps(pixels, [1, 2], ["a", "b"]) for made in (Attributions(bundle), light))
    assert light.methods == tuple(maps) == ("grad_cam", "centre", "random")
    for name, each in maps.items():
        np.testing.assert_array_equal(each, whole[name])


def test_views_are_those_of_grad_cam_alone(bundle: Bundle) -> None:
    pixels = random_images(2, SIDE, seed=0)
    one, four = (Attributions(bundle, views).maps(pixels, [1, 2], ["a", "b"]) for views in (1, 4))
    np.testing.assert_array_equal(four["grad_cam"], grad_cam(bundle, 4).maps(pixels, [1, 2]))
    assert [name for name in one if not np.array_equal(one[name], four[name])] == ["grad_cam"]
