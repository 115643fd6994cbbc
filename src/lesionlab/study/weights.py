"""What the networks of a study start from, and what it means for a model when that cannot be had."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from lesionlab.errors import ModelError
from lesionlab.models.backbones import timm_name


class NotRunError(Exception):
    """A model that cannot be made yet, or not here, which is nobody's fault; the message says why."""


def find_weights(start: str, architecture: str) -> str:
    """Return what `training.material.Job` takes for a network: "imagenet", "none", or its file in the folder `start`.

    Raises `NotRunError` where the folder lacks the file.
    """
    if start in ("imagenet", "none"):
        return start
    file = Path(start) / f"{timm_name(architecture)}.safetensors"
    if not file.is_file():
        raise NotRunError(f"ImageNet weights not reachable (file {file.name} is missing)")
    return str(file)


@contextlib.contextmanager
def reaching(weights: str, *runs: Path) -> Iterator[None]:
    """Turn a hub that does not answer into a `NotRunError`; once one of the runs has begun, it has answered."""
    try:
        yield
    except ModelError as error:
        if weights == "imagenet" and not any((run / "run.json").is_file() for run in runs):
            raise NotRunError(f"ImageNet weights not reachable ({error.message})") from None
        raise
