"""Training images/s of the whole loop beside the bare network's forward, backward and step.

    python benchmarks/training_throughput.py --data HAM10000 --weights-folder DIR [--networks mobilenetv2_100 ...]

Both sides run in one process on the same network, precision, batch and input size, in turn, several
times; the ratio of the medians is printed and written as JSON. The bare side trains on one fixed
random batch: no data, no augmentation, no averaging, no logging.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from lesionlab.data.packs import pack
from lesionlab.data.sources import load_source
from lesionlab.models.backbones import create, preprocessing
from lesionlab.models.depthwise import quicken
from lesionlab.training.loop import Trainer
from lesionlab.training.material import label_table
from lesionlab.training.optimisation import build_optimizer
from lesionlab.training.recipe import Recipe
from lesionlab.training.records import Silent


def bare_step(
    model: torch.nn.Module, optimizer: torch.optim.Optimizer, images: torch.Tensor, labels: torch.Tensor
) -> None:
    """One step of the network alone."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(images)
    optimizer.zero_grad()
    F.cross_entropy(logits.float(), labels).backward()
    optimizer.step()


def measure(network: str, data: Path, recipe: Recipe, steps: int, rounds: int) -> dict[str, Any]:
    """Return images/s of both sides, one figure a round, and the ratio of their medians."""
    cases = [case for case in load_source(data).cases if case.dx]
    packed = pack(cases, recipe.size)
    labels, possible = label_table(packed.cases)
    rows = np.arange(len(labels))
    torch.manual_seed(0)
    model = create(network, size=recipe.size)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model,
            preprocessing(model),
            packed.pixels,
            labels,
            possible,
            rows,
            rows[:64],
            recipe,
            Path(folder),
            Silent(),
        )
        bare = create(network, size=recipe.size).to(memory_format=torch.channels_last)
        quicken(bare)  # the loop's network has it too: only what the loop adds is measured
        optimizer = build_optimizer(bare, recipe)
        images = torch.randn(recipe.batch_size, 3, recipe.size, recipe.size).contiguous(
            memory_format=torch.channels_last
        )
        fixed = torch.from_numpy(labels[: recipe.batch_size])
        batches = trainer.batches.epoch(0)
        found: dict[str, list[float]] = {"loop": [], "bare": []}
        trainer.model.train()
        for turn in range(rounds + 1):
            started = time.perf_counter()
            for _ in range(steps):
                bare_step(bare, optimizer, images, fixed)
            middle = time.perf_counter()
            for _ in range(steps):
                trainer.train_step(next(batches))
            ended = time.perf_counter()
            if turn:  # the first round warms up
                found["bare"].append(steps * recipe.batch_size / (middle - started))
                found["loop"].append(steps * recipe.batch_size / (ended - middle))
    medians = {side: statistics.median(values) for side, values in found.items()}
    return {
        "network": network,
        "batch": recipe.batch_size,
        "size": recipe.size,
        "precision": recipe.precision,
        "threads": torch.get_num_threads(),
        "images_per_second": {side: round(value, 2) for side, value in medians.items()},
        "ratio": round(medians["loop"] / medians["bare"], 3),
        "rounds": {side: [round(value, 2) for value in values] for side, values in found.items()},
    }


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--networks", nargs="+", default=["mobilenetv2_100", "legacy_xception"])
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    recipe = Recipe(photo_aspect=4 / 3)
    results = [measure(network, options.data, recipe, options.steps, options.rounds) for network in options.networks]
    print(json.dumps(results, indent=2))
    if options.out:
        options.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
