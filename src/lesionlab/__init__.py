"""Lesionlab: dermoscopic lesion classification by transfer learning. A research tool, not a medical device."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lesionlab.model import Model, load

# From 1.29 on onnxruntime reports each model that it loads to its maker, and keeps an identifier of the machine, unless
# it finds this when it is first imported. Nothing may leave the machine unasked.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__version__ = "0.1.0"
__all__ = ["Model", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """Return `load` or `Model`, imported when they are first asked for, so that `import lesionlab` is quick."""
    if name not in ("Model", "load"):
        raise AttributeError(f"module 'lesionlab' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module("lesionlab.model"), name)
