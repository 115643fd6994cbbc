"""Tensors of a safetensors file without torch, checked before they are used."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lesionlab.errors import ModelError

Tensors = dict[str, npt.NDArray[Any]]


def read_tensors(content: bytes, label: str) -> Tensors:
    """Return the tensors, name -> array, of a safetensors file's bytes.

    Raises `ModelError`, one line that begins with `label`, for another kind of file, a header that is wrong about
    its data, a number format that numpy lacks, and values that are not finite. Nothing is ever unpickled.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(content)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(f"{label}: not a readable safetensors file ({reason})", "take the model anew") from None
    for name, values in tensors.items():
        if np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
            raise ModelError(f"{label}: {name[:80]!r} holds values that are not finite", "take the model anew")
    return tensors


def write_tensors(tensors: Tensors) -> bytes:
    """Return the bytes of a safetensors file."""
    from safetensors.numpy import save

    return save({name: np.array(values, order="C") for name, values in tensors.items()})
