"""Backbones: presets, any timm name, sizes, heads and features."""

from __future__ import annotations

import pytest
import torch

from lesionlab.errors import UsageError
from lesionlab.models import backbones
from lesionlab.models.backbones import (
    PRESETS,
    create,
    features,
    freeze_layers,
    head_names,
    head_parameters,
    preprocessing,
)

SMALL = ["test_resnet", "test_vit", "test_convnext", "test_efficientnet", "test_mambaout"]


@pytest.mark.parametrize("name", SMALL)
def test_a_network_has_seven_outputs_a_head_and_features(name: str) -> None:
    model = create(name, size=64).eval()
    pixels = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        found = features(model, pixels)
        logits = model(pixels)
        head = model.get_classifier()
        again = head(found)
    assert logits.shape == (2, 7)
    torch.testing.assert_close(again, logits, msg="features are what the head sees")
    assert sorted(p.shape[0] for p in head_parameters(model)) == [7, 7]
    assert all(name in dict(model.named_parameters()) for name in head_names(model))


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_preset_is_a_timm_network(preset: str) -> None:
    import timm

    assert timm.is_model(PRESETS[preset].timm)
    assert backbones.timm_name(preset) == PRESETS[preset].timm


def test_the_papers_networks_have_their_presets() -> None:
    names = {"resnet50", "vgg19", "xception", "inception_resnet_v2", "vit_b32"}
    assert names <= set(PRESETS)
    assert PRESETS["xception"].timm == "legacy_xception"
    assert PRESETS["vit_b32"].timm == "vit_base_patch32_224"


@pytest.mark.parametrize(
    ("preset", "size", "mean"),
    [("xception", 299, 0.5), ("efficientnet_lite0", 224, 0.5), ("mobilenetv2", 224, 0.485)],
)
def test_preprocessing_comes_from_the_networks_own_configuration(preset: str, size: int, mean: float) -> None:
    found = preprocessing(create(preset))
    assert (found.size, found.mean[0]) == (size, mean)


@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_another_size_is_taken_and_recorded(name: str) -> None:
    model = create(name, size=96).eval()
    assert preprocessing(model).size == 96
    assert model(torch.zeros(1, 3, 96, 96)).shape == (1, 7)


def test_a_transformer_keeps_its_patches_when_its_plane_grows() -> None:
    torch.manual_seed(0)
    own = create("test_vit")
    torch.manual_seed(0)
    other = create("test_vit", size=64)
    assert other.pos_embed.shape[1] < own.pos_embed.shape[1]
    torch.testing.assert_close(other.patch_embed.proj.weight, own.patch_embed.proj.weight)


def test_the_callers_seed_decides_the_head() -> None:
    def head(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return next(head_parameters(create("tiny")))

    assert torch.equal(head(1), head(1))
    assert not torch.equal(head(1), head(2))


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("resnet5O", "resnet50"),
        ("xcepton", "xception"),
        ("hf-hub:someone/network", "presets are"),
        ("?", "presets are"),
    ],
)
def test_an_unknown_name_is_refused_with_a_suggestion(name: str, suggestion: str) -> None:
    with pytest.raises(UsageError) as caught:
        create(name)
    assert suggestion in caught.value.hint


def test_an_unknown_weights_tag_is_refused() -> None:
    with pytest.raises(UsageError, match="nonsense"):
        create("resnet18.nonsense")


def test_a_size_that_vggs_dense_layers_cannot_span_is_refused() -> None:
    with pytest.raises(UsageError, match=r"vgg11 cannot take 128 pixels.*at least 224"):
        create("vgg11", size=128)


@pytest.mark.parametrize("size", [16, 4096])
def test_an_absurd_size_is_refused(size: int) -> None:
    with pytest.raises(UsageError, match="outside"):
        create("tiny", size=size)


def test_dropout_reaches_the_head() -> None:
    assert create("tiny", drop_rate=0.25).drop_rate == 0.25


def test_frozen_layers_are_the_first_ones() -> None:
    model = create("tiny")
    freeze_layers(model, 2)
    still = {name.split(".")[0] for name, parameter in model.named_parameters() if not parameter.requires_grad}
    moving = {name.split(".")[0] for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert still == {"conv1", "bn1", "layer1"} and moving == {"layer2", "layer3", "layer4", "fc"}


def test_all_layers_but_the_head_cannot_be_frozen() -> None:
    with pytest.raises(UsageError, match="frozen_layers 5: the network has 6 layers"):
        freeze_layers(create("tiny"), 5)
    freeze_layers(create("tiny"), 4)
