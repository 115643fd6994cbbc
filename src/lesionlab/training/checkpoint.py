"""Checkpoints: everything that a run needs to go on as if it had never stopped."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from lesionlab.errors import ModelError
from lesionlab.files import atomic, sweep_partials

FILE = "checkpoint.pt"


def save(folder: Path, state: dict[str, Any]) -> None:
    """Write folder/checkpoint.pt atomically: after a crash the old one or the new one is there, whole."""
    with atomic(folder / FILE) as file:
        torch.save(state, file)


def load(folder: Path) -> dict[str, Any] | None:
    """Return the state in folder/checkpoint.pt, or None where there is none yet.

    Only tensors and plain values are read (`weights_only`). Left-overs of crashed writers are swept.
    """
    sweep_partials(folder)
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(io.BytesIO(path.read_bytes()), map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{path}: not a usable checkpoint ({reason})", "train anew into another folder") from None
    return state
