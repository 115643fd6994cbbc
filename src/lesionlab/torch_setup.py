"""Import this before timm or torchvision: it mends one broken pairing of torch and torchvision.

A CUDA build of torchvision beside a CPU build of torch fails at import because its compiled
operators are missing (`operator torchvision::nms does not exist`). Declaring the schemas of the two
operators that torchvision registers at import is enough for its transforms, and for timm, to work.
"""

from __future__ import annotations

import sys

import torch

_library: torch.library.Library | None = None


def _declare_missing_operators() -> None:
    """Declare torchvision's nms and qnms schemas and forget the failed import."""
    global _library
    _library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    _library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    _library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]


try:
    import torchvision
except RuntimeError as error:
    if "torchvision::nms does not exist" not in str(error):
        raise
    _declare_missing_operators()
    import torchvision  # noqa: F401
