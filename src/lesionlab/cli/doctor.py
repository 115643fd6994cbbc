"""What a machine has for this work, and one line of advice for each thing that it lacks."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

from lesionlab import __version__
from lesionlab.data.packs import default_cache

GIB = 2**30
SMALL_MEMORY, SMALL_DISK = 4 * GIB, 5 * GIB
HUB = "https://huggingface.co"

LIBRARIES: dict[str, str] = {
    "onnxruntime": "pip install --upgrade lesionlab",
    "torch": "to train: pip install 'lesionlab[train]'",
    "torchvision": "to train: pip install torch and torchvision in one command, with versions that belong together",
    "timm": "to train: pip install 'lesionlab[train]'",
    "accelerate": "to train: pip install 'lesionlab[train]'",
    "captum": "for heat maps: pip install 'lesionlab[train]'",
    "sklearn": "to evaluate: pip install 'lesionlab[train]'",
    "matplotlib": "for pictures: pip install 'lesionlab[train]'",
    "onnx": "to write models: pip install 'lesionlab[train]'",
    "pydicom": "to read DICOM: pip install 'lesionlab[dicom]'",
}
"""Library -> what to do where it cannot be imported."""

DISTRIBUTIONS = {"sklearn": "scikit-learn"}


@dataclass(frozen=True)
class Fact:
    """One thing about the machine; `advice` is empty where it is as it should be."""

    name: str
    value: str
    advice: str = ""


def examine(network: bool = False) -> list[Fact]:
    """Return the facts; with `network` also whether the hub with the ImageNet weights answers."""
    facts = [
        Fact("lesionlab", __version__),
        Fact("python", platform.python_version()),
        Fact("system", platform.platform()),
    ]
    facts += [_cores(), _memory(), *_cache(), *map(_library, LIBRARIES), *_arithmetic(), _encoding()]
    return [*facts, _hub()] if network else facts


def _cores() -> Fact:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Fact("processor cores", str(usable))


def _memory() -> Fact:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    advice = "train with smaller batches: --set batch_size=16" if total < SMALL_MEMORY else ""
    return Fact("memory", f"{total / GIB:.1f} GiB", advice)


def _cache() -> Iterator[Fact]:
    folder = default_cache()
    place = next(parent for parent in (folder, *folder.absolute().parents) if parent.is_dir())
    writable = os.access(place, os.W_OK)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0
    free = shutil.disk_usage(place).free
    elsewhere = "set LESIONLAB_CACHE to a folder on a larger disk"
    yield Fact("cache folder", str(folder), "" if writable else "set LESIONLAB_CACHE to a folder that can be written")
    yield Fact("cache size", f"{size / GIB:.2f} GiB; delete the folder to free it")
    yield Fact("free disk there", f"{free / GIB:.1f} GiB", elsewhere if free < SMALL_DISK else "")


def _library(name: str) -> Fact:
    """Import a library, which is the only test that counts."""
    try:
        if name in ("torchvision", "timm"):
            importlib.import_module("lesionlab.torch_setup")
        importlib.import_module(name)
        return Fact(name, importlib.metadata.version(DISTRIBUTIONS.get(name, name)))
    except Exception as error:  # a broken pairing of compiled libraries raises whatever it likes
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        return Fact(name, f"cannot be imported: {reason}", LIBRARIES[name])


def _arithmetic() -> Iterator[Fact]:
    """Tell whether there is a GPU, and what is computed fast."""
    if "torch" not in sys.modules:
        return
    import torch

    from lesionlab.training.precision import native_precision

    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none"
    yield Fact("gpu", gpu)
    yield Fact("precision of training", native_precision())


def _encoding() -> Fact:
    encoding = (getattr(sys.stdout, "encoding", None) or "unknown").lower()
    return Fact("terminal encoding", encoding, "" if "utf" in encoding else "names may show as ?: set PYTHONUTF8=1")


def _hub() -> Fact:
    advice = "offline, give weights as a file: --weights FILE.safetensors"
    try:
        with urllib.request.urlopen(urllib.request.Request(HUB, method="HEAD"), timeout=5) as answer:
            return Fact("hub", f"answers ({answer.status})")
    except (urllib.error.URLError, OSError) as error:
        return Fact("hub", f"cannot be reached: {getattr(error, 'reason', error)}", advice)
