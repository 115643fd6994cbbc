"""The run folder: who may write into it, and what it says of itself before the first step."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import platform
import sys
from pathlib import Path
from typing import Any

import torch

from lesionlab.data import splits
from lesionlab.data.cases import fingerprint, write_cases
from lesionlab.errors import DataError, UsageError
from lesionlab.files import checksum, read_json, write_json
from lesionlab.training.material import Job, Material
from lesionlab.training.recipe import write_recipe


def check_folder(job: Job) -> dict[str, Any] | None:
    """Return run.json of a finished run that is resumed; raise when the folder belongs to something else."""
    if not (job.out / "run.json").is_file():
        if any(path.name != ".lock" for path in job.out.iterdir()):
            raise UsageError(f"{job.out}: the folder is not empty and holds no run", "choose another --out")
        return None
    described: dict[str, Any] = read_json(job.out / "run.json")
    if not job.resume:
        raise UsageError(f"{job.out}: a run is here already", "continue it with --resume, or choose another --out")
    if described["recipe"] != job.recipe.model_dump(mode="json"):
        changed = [k for k, v in job.recipe.model_dump(mode="json").items() if described["recipe"].get(k) != v]
        raise UsageError(f"{job.out}: the run has other settings ({', '.join(changed)})", "repeat its recipe and --set")
    return described if described["status"] == "finished" else None


def begin_folder(job: Job, material: Material) -> None:
    """Write recipe.yaml, split.csv, cases.csv and run.json before the first step."""
    described = describe(job, material)
    if job.resume and (job.out / "run.json").is_file():
        before = read_json(job.out / "run.json")["data"]
        if any(before[name] != described["data"][name] for name in ("cases", "pixels")):
            raise DataError(f"{job.data}: not the images that the run began with", "train anew into another --out")
        return
    write_recipe(job.out / "recipe.yaml", job.recipe)
    splits.write_split(job.out / "split.csv", material.split)
    write_cases(job.out / "cases.csv", material.pack.cases)
    write_json(job.out / "run.json", described)


def describe(job: Job, material: Material) -> dict[str, Any]:
    """Return what run.json says before training: command, versions, data, split, weights, settings."""
    parts = list(material.split.parts.values())
    weights: Any = job.weights
    if job.weights not in ("imagenet", "none"):
        weights = {"file": Path(job.weights).name, "sha256": checksum(Path(job.weights))}
    return {
        "status": "training",
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": " ".join(sys.argv),
        "versions": versions(),
        "machine": {
            "system": platform.platform(),
            "threads": torch.get_num_threads(),
            "cuda": torch.cuda.is_available(),
        },
        "data": {
            "source": material.kind,
            "images": len(material.pack.cases),
            "left_out": [problem.image_id for problem in material.pack.left_out],
            "cases": fingerprint(material.pack.cases),
            "pixels": material.pack.fingerprint,
        },
        "split": {
            "protocol": material.split.protocol,
            "seed": material.split.seed,
            "fingerprint": material.split.fingerprint,
            "images": {part: parts.count(part) for part in sorted(set(parts))},
        },
        "weights": weights,
        "recipe": job.recipe.model_dump(mode="json"),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python, lesionlab and the libraries that shape a result."""
    names = (
        "lesionlab",
        "torch",
        "torchvision",
        "timm",
        "accelerate",
        "numpy",
        "pillow",
        "scikit-learn",
        "onnxruntime",
    )
    found = {"python": platform.python_version()}
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
