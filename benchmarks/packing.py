"""Packing and the linear probe: seconds from a folder of images to packed pixels, and from there to a probe.

    python benchmarks/packing.py --data HAM10000 [--weights tf_efficientnet_lite0.safetensors]

Packing is set beside plain decoding in one thread (the named alternative: `PIL.Image.open(...).convert("RGB")`, no
checks, nothing written), on the same images in the same run. With --weights, features of all images are then extracted
by a frozen tf_efficientnet_lite0 and a linear head fitted on the training images of the grouped split, and scored on
its validation images.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lesionlab.data.packs import pack
from lesionlab.data.sources import load_source
from lesionlab.training.material import Job
from lesionlab.training.recipe import Recipe
from lesionlab.training.records import Silent
from lesionlab.training.run import train


def decode_plainly(paths: list[str]) -> float:
    """Return the seconds that decoding alone takes, one file after the other."""
    started = time.perf_counter()
    for path in paths:
        np.asarray(Image.open(path).convert("RGB"))
    return time.perf_counter() - started


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", default="")
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    cases = [case for case in load_source(options.data).cases if case.dx]
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache"
        started = time.perf_counter()
        packed = pack(cases, 224, cache)
        packing = time.perf_counter() - started
        decoding = decode_plainly([case.path for case in cases])
        result: dict[str, Any] = {
            "images": len(packed.cases),
            "packing_seconds": round(packing, 1),
            "plain_decoding_seconds": round(decoding, 1),
            "ratio": round(packing / decoding, 2),
        }
        if options.weights:
            recipe = Recipe(architecture="efficientnet_lite0", mode="frozen", augmentation="none", loss="weighted")
            started = time.perf_counter()
            job = Job(options.data, Path(folder) / "probe", recipe, weights=options.weights, cache=cache)
            validation = train(job, Silent())["validation"]
            result["probe_seconds"] = round(time.perf_counter() - started, 1)
            result["probe_validation"] = {key: round(validation[key], 3) for key in ("balanced_accuracy", "macro_f1")}
    print(json.dumps(result, indent=2))
    if options.out:
        options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
