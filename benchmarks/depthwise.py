"""Training steps with quick depthwise convolutions beside plain torch's, in bfloat16 on a processor.

    python benchmarks/depthwise.py [--networks efficientnet_lite2 ...] [--out FILE.json]

Both sides run in one process on the same network, batch and input size, in turn, several times; the ratio of the
medians is printed and written as JSON. Weights are random and images fixed: only speed is measured.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from lesionlab.models.backbones import create, freeze_layers
from lesionlab.models.depthwise import quicken

NETWORKS = ("efficientnet_lite0", "efficientnet_lite2", "mobilenetv2", "xception")
BATCH = 32


def step(network: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor) -> None:
    """Forward and backward."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(images)
    F.cross_entropy(logits.float(), labels).backward()


def measure(name: str, size: int, frozen_layers: int, rounds: int) -> dict[str, Any]:
    """Return images/s of both sides and the ratio of their medians."""
    plain = create(name, "none", 7, size=size).to(memory_format=torch.channels_last)
    freeze_layers(plain, frozen_layers)
    quick = copy.deepcopy(plain)
    changed = quicken(quick)
    images = torch.randn(BATCH, 3, size, size).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(BATCH) % 7
    found: dict[str, list[float]] = {"plain": [], "quick": []}
    for turn in range(rounds + 1):
        for side, network in (("plain", plain.train()), ("quick", quick.train())):
            began = time.perf_counter()
            step(network, images, labels)
            if turn:  # the first round warms up
                found[side].append(BATCH / (time.perf_counter() - began))
    medians = {side: statistics.median(values) for side, values in found.items()}
    return {
        "network": name,
        "size": size,
        "frozen_layers": frozen_layers,
        "batch": BATCH,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "convolutions_changed": changed,
        "images_per_second": {side: round(value, 2) for side, value in medians.items()},
        "ratio": round(medians["quick"] / medians["plain"], 2),
    }


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--frozen-layers", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    results = [measure(name, options.size, options.frozen_layers, options.rounds) for name in options.networks]
    print(json.dumps(results, indent=2))
    if options.out:
        options.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
