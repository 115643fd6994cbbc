"""Where a network's numbers come from: timm's hub, or a safetensors file that is checked tensor by tensor."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, cast

import lesionlab.torch_setup  # noqa: F401  (before timm, which imports torchvision)

# ruff: isort: split
import timm
import torch
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.constants import ENDPOINT as HUB
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from lesionlab.errors import ModelError

SHOWN = 3
"""How many tensors that differ a message names."""


def load_weights(model: nn.Module, path: Path, head: Collection[str] = ()) -> None:
    """Load a .safetensors file into `model`.

    The tensors named in `head` are left as they are where the file has them not, or of another shape. Every
    other tensor must be there with the right shape and finite, and nothing else may be; otherwise `ModelError`
    names the file, the network and the first tensors that differ. Nothing is ever unpickled.
    """
    fill(model, read_tensors(path), str(path), head)


def fill(model: nn.Module, stored: dict[str, torch.Tensor], label: str, head: Collection[str] = ()) -> None:
    """Load tensors that were read from the file `label` into `model`; see `load_weights`."""
    own = model.state_dict()
    if any(key not in stored or stored[key].shape != own[key].shape for key in head):
        stored = {key: value for key, value in stored.items() if key not in head}
        optional = set(head)
    else:
        optional = set()
    faults = _differences(own, stored, optional)
    if faults:
        architecture = cast(Any, model).pretrained_cfg.get("architecture", type(model).__name__)
        more = f" and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise ModelError(
            f"{label}: not weights of {architecture}: {'; '.join(faults[:SHOWN])}{more}",
            "choose the backbone that the file was made for, or another file",
        )
    model.load_state_dict(stored, strict=False)


def _differences(own: dict[str, torch.Tensor], stored: dict[str, torch.Tensor], optional: Collection[str]) -> list[str]:
    """Return in words every tensor that is missing, of another shape or not known.

    Batch counters may be missing: old files have none, and no network here uses them.
    """
    wanted = [key for key in own if key not in optional and not key.endswith("num_batches_tracked")]
    missing = [f"{key} is missing" for key in wanted if key not in stored]
    misshapen = [
        f"{key} is {list(value.shape)} where {list(own[key].shape)} belongs"
        for key, value in stored.items()
        if key in own and value.shape != own[key].shape
    ]
    return missing + misshapen + [f"{key} is not known" for key in stored if key not in own]


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read a .safetensors file; `ModelError` when it is missing, of another kind, damaged or not finite."""
    if not path.is_file():
        raise ModelError(f"{path}: no such weights file", "--weights takes imagenet, none or a .safetensors file")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"{path}: not a readable safetensors file ({reason})",
            "give a .safetensors file; pickled .pt, .pth and .bin files are never opened",
        ) from None
    for key, value in tensors.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise ModelError(f"{path}: {key} holds values that are not finite", "the file is damaged; get it again")
    return tensors


def from_hub(network: str, build: Callable[[], nn.Module]) -> nn.Module:
    """Return what `build` makes with weights of timm's hub; `ModelError` when the hub does not give them."""
    reason = _hub_fault(network)
    try:
        if not reason:
            return build()
    except Exception as error:  # the hub's faults come from several HTTP libraries without a common class
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    raise ModelError(
        f"cannot get ImageNet weights of {network} from the hub: {reason}",
        "offline, give a file: --weights FILE.safetensors; or start from --weights none",
    )


def _hub_fault(network: str) -> str:
    """Return why the hub cannot give this network's weights, or "" when asking is worth while.

    One short question spares the user the hub library's own retries, which take most of a minute.
    """
    config = timm.get_pretrained_cfg(network)
    if config is None or not config.has_weights:
        return "timm has none"
    if not config.hf_hub_id or isinstance(try_to_load_from_cache(config.hf_hub_id, "model.safetensors"), str):
        return ""
    try:
        urllib.request.urlopen(urllib.request.Request(HUB, method="HEAD"), timeout=10).close()
    except urllib.error.HTTPError:
        return ""  # it answered, so it can be reached
    except OSError as error:
        return f"{HUB} cannot be reached ({getattr(error, 'reason', error)})"
    return ""
