"""Whether this machine computes in bfloat16 itself: where it does not, torch does in software, many times slower."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

Precision = Literal["bf16", "fp32"]

INSTRUCTIONS = ("avx512_bf16", "amx_bf16", " bf16")
"""Words for them in Linux's /proc/cpuinfo, the last one on ARM."""


DRIVERS = ("/dev/nvidia0", "/dev/kfd", "/dev/dxg")
"""Where Linux shows a GPU that torch may use: torch is imported to ask only where one of these is."""


@cache
def native_precision() -> Precision:
    """Return "bf16" where the GPU, or without one the processor, computes in bfloat16 itself, otherwise "fp32"."""
    if any(Path(driver).exists() for driver in DRIVERS):
        import torch

        if torch.cuda.is_available():
            return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    flags = Path("/proc/cpuinfo")
    return "bf16" if flags.is_file() and any(word in flags.read_text() for word in INSTRUCTIONS) else "fp32"
