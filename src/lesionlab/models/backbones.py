"""Any timm network as a seven-class lesion classifier; the paper's networks and some small ones as presets."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import lesionlab.torch_setup  # noqa: F401  (before timm, which imports torchvision)

# ruff: isort: split
import timm
import torch
from timm.data import resolve_model_data_config
from timm.models import group_parameters
from torch import nn

from lesionlab.diagnoses import CODES
from lesionlab.errors import UsageError
from lesionlab.models.weights import from_hub, load_weights


@dataclass(frozen=True)
class Preset:
    """A short name for one timm network: timm's name and what it is good for."""

    timm: str
    note: str


PRESETS: dict[str, Preset] = {
    "resnet50": Preset("resnet50", "the paper's best single network"),
    "vgg19": Preset("vgg19", "the paper's VGG19, 140 M parameters"),
    "xception": Preset("legacy_xception", "the paper's Xception, with Keras' weights"),
    "inception_resnet_v2": Preset("inception_resnet_v2", "the paper's InceptionResNetV2"),
    "vit_b32": Preset("vit_base_patch32_224", "the paper's vision transformer, patches of 32 px"),
    "mobilenetv2": Preset("mobilenetv2_100", "2.2 M parameters, fast on a processor"),
    "efficientnet_lite0": Preset("tf_efficientnet_lite0", "3.4 M parameters, fast on a processor"),
    "efficientnet_lite1": Preset("tf_efficientnet_lite1", "4.1 M parameters, 240 px"),
    "efficientnet_lite2": Preset("tf_efficientnet_lite2", "4.8 M parameters, 260 px"),
    "resnet18": Preset("resnet18", "11 M parameters, a plain baseline"),
    "tiny": Preset("test_resnet", "0.4 M parameters, for tests and the demo"),
}
"""Preset name -> network. Every other name is taken for a timm name."""


@dataclass(frozen=True)
class Preprocessing:
    """What a network expects: square side in pixels, and mean and standard deviation on the 0..1 scale."""

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def timm_name(name: str) -> str:
    """Return the timm name of a preset or of a timm network, with its weights tag if it has one.

    Raises `UsageError`, with the closest known names, for a name that is neither.
    """
    if name in PRESETS:
        return PRESETS[name].timm
    if ":" not in name and timm.is_model(name):
        _check_tag(name)
        return name
    close = difflib.get_close_matches(name, dict.fromkeys([*PRESETS, *timm.list_models()]), n=4, cutoff=0.5)
    hint = f"did you mean {', '.join(close)}?" if close else f"presets are {', '.join(PRESETS)}"
    raise UsageError(f"unknown backbone {name!r}", f"{hint}; any timm name of an image classifier will do")


def _check_tag(name: str) -> None:
    """Raise `UsageError` where timm knows the network but not the weights tag after the dot."""
    try:
        timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        raise UsageError(f"{name}: {error}", f"leave the tag away: {name.split('.')[0]}") from None


def create(
    name: str,
    weights: str = "none",
    classes: int = len(CODES),
    drop_rate: float = 0.0,
    size: int | None = None,
) -> nn.Module:
    """Return a network with a head of `classes` outputs, float32, on the processor, in training mode.

    Parameters
    ----------
    name : preset or timm name.
    weights : "none" (random), "imagenet" (timm's hub) or the path of a .safetensors file for this network,
        whose head is used when it has `classes` outputs and is otherwise left at its random start. Call
        `torch.manual_seed` before for the same head every time.
    drop_rate : dropout before the head.
    size : side of the square input in pixels where it differs from the network's own. Transformers have
        their position embedding resampled to it, after the weights are loaded.

    Raises `UsageError` for an unknown name, size or dropout, and `ModelError` for weights that cannot be had.
    """
    network = timm_name(name)
    options: dict[str, Any] = {"num_classes": classes, **({"drop_rate": drop_rate} if drop_rate else {})}
    if weights == "imagenet":
        model = from_hub(network, lambda: _build(network, options, pretrained=True))
    else:
        model = _build(network, options)
        if weights != "none":
            load_weights(model, Path(weights), head_names(model))
    if size is not None and size != preprocessing(model).size:
        _set_size(model, network, size)
    return model


def preprocessing(model: nn.Module) -> Preprocessing:
    """Return the input size, mean and standard deviation of timm's configuration of this network."""
    config = resolve_model_data_config(model)
    mean, std = (tuple(float(value) for value in config[key]) for key in ("mean", "std"))
    return Preprocessing(int(config["input_size"][-1]), cast(Any, mean), cast(Any, std))


def head_parameters(model: nn.Module) -> Iterator[nn.Parameter]:
    """Yield the parameters of the classifying layer (or layers, for distilled transformers)."""
    names = set(head_names(model))
    yield from (parameter for name, parameter in model.named_parameters() if name in names)


def head_names(model: nn.Module) -> list[str]:
    """Return the state-dict names of the classifying layer's tensors, such as `fc.weight` and `fc.bias`."""
    classifier = cast(Any, model).get_classifier()
    layers = classifier if isinstance(classifier, list | tuple) else [classifier]
    heads = [name for name, module in model.named_modules() if any(module is layer for layer in layers)]
    return [key for key in model.state_dict() if any(key.startswith(f"{head}.") for head in heads)]


def freeze_layers(model: nn.Module, count: int) -> None:
    """Take the weights of the first `count` layers at the input end out of training; their norms still see batches.

    Layers are timm's coarse groups: the stem is the first, then one per stage or block.
    Raises `UsageError` where that would leave nothing but the head.
    """
    groups = group_parameters(model, cast(Any, model).group_matcher(coarse=True))
    if count > len(groups) - 2:
        raise UsageError(f"frozen_layers {count}: the network has {len(groups)} layers", "freeze fewer")
    parameters = dict(model.named_parameters())
    for layer in sorted(groups)[:count]:
        for name in groups[layer]:
            parameters[name].requires_grad_(False)


def features(model: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """Return the pooled features (n, d) that the classifying layer sees, for normalised input (n, 3, h, w)."""
    network = cast(Any, model)
    return cast(torch.Tensor, network.forward_head(network.forward_features(pixels), pre_logits=True))


def _build(network: str, options: dict[str, Any], pretrained: bool = False) -> nn.Module:
    """Call timm, and tell a dropout that the network does not take from our own faults."""
    try:
        return cast(nn.Module, timm.create_model(network, pretrained=pretrained, **options))
    except TypeError as error:
        if "drop_rate" not in options or "drop_rate" not in str(error):
            raise
        raise UsageError(f"{network} takes no dropout before its head", "set drop_rate to 0") from None


def _set_size(model: nn.Module, network: str, size: int) -> None:
    """Let the network take `size` px square, and record it where `preprocessing` finds it."""
    own = preprocessing(model).size
    if size < 32 or size > 2048:
        raise UsageError(f"input size {size} is outside 32 to 2048 pixels", f"{network} was made for {own}")
    if size < (least := _least_size(model)):
        raise UsageError(f"{network} cannot take {size} pixels", f"its dense layers need at least {least}")
    if hasattr(model, "set_input_size"):
        try:
            cast(Any, model).set_input_size(img_size=(size, size))
        except (AssertionError, ValueError, RuntimeError) as error:
            raise UsageError(f"{network} cannot take {size} pixels: {error}", f"it was made for {own}") from None
    config = cast(Any, model).pretrained_cfg
    cast(Any, model).pretrained_cfg = {**config, "input_size": (3, size, size)}


def _least_size(model: nn.Module) -> int:
    """Return the smallest side in pixels of a network of VGG's kind, whose first dense layer spans 7 x 7; else 0.

    In torch it would stretch a smaller map, which ONNX cannot.
    """
    kernel = getattr(getattr(model, "pre_logits", None), "input_kernel_size", 0)
    return int(kernel) * 32
