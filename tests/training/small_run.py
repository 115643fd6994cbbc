"""A training run of seconds on pixels that are easy to tell apart; also a script, for tests that kill or share it.

As a script: small_run.py FOLDER [key=value ...] takes up the checkpoint in FOLDER, trains to the end, prints
"step EPOCH POSITION" after each step and, from the main process, the weights' digest at the end.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from torch import nn

from lesionlab.models.backbones import create, preprocessing
from lesionlab.training.loop import Trainer
from lesionlab.training.recipe import Recipe, load_recipe
from lesionlab.training.run import part
from lesionlab.training.signals import StopRequest

SETTINGS = {
    "architecture": "tiny", "size": "32", "epochs": "3", "batch_size": "8", "ema": "0.9", "learning_rate": "3e-3",
    "drop_rate": "0.1", "mixup": "0.2", "precision": "fp32", "augmentation": "strong",
}  # fmt: skip
"""With dropout, mixing and averaged weights, so that a lost random state or average would show."""


def recipe(**settings: object) -> Recipe:
    """Return the small recipe with some settings replaced."""
    return load_recipe("tiny", [f"{key}={value}" for key, value in (SETTINGS | settings).items()])


def material() -> tuple[np.ndarray, np.ndarray]:
    """Return pixels uint8 (70, 32, 32, 3) and labels int64 (70,): each class has its colour, under noise."""
    rng = np.random.default_rng(0)
    labels = np.arange(70) % 7
    colours = rng.integers(60, 196, (7, 3))
    pixels = colours[labels][:, None, None, :] + rng.normal(0, 30, (70, 32, 32, 3))
    return pixels.clip(0, 255).astype(np.uint8), labels


def write_step(epoch: int, position: int) -> None:
    """Say that a step is done, in one write: two processes may share the pipe."""
    os.write(1, f"step {epoch} {position}\n".encode())


@dataclass
class Log:
    """A reporter that remembers, and calls `after` after each step."""

    after: Callable[[int, int], None] = lambda epoch, position: None
    losses: list[float] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def step(self, epoch: int, position: int, steps: int, figures: dict[str, float]) -> None:
        self.losses.append(figures["loss"])
        self.after(epoch, position)

    def epoch(self, row: dict[str, Any]) -> None:
        self.rows.append(row)


def trainer(folder: Path, settings: Recipe, log: Log | None = None) -> Trainer:
    """Return a trainer on the first 49 images, validated on the other 21."""
    torch.manual_seed(settings.seed)
    model = create(settings.architecture, "none", 7, settings.drop_rate, settings.size)
    pixels, labels = material()
    rows = np.arange(70)
    return Trainer(
        model, preprocessing(model), pixels, labels, np.eye(7), rows[:49], rows[49:], settings, folder, log or Log()
    )


def digest(model: nn.Module) -> str:
    """Return a hash of every tensor of the network."""
    found = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        found.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def main() -> None:
    """Run as a script."""
    torch.set_num_threads(1)
    folder, settings = Path(sys.argv[1]), dict(item.split("=", 1) for item in sys.argv[2:])
    log = Log(after=write_step)
    running = trainer(folder, recipe(**settings), log)
    running.resume()
    running.fit(StopRequest())
    if running.accelerator.is_main_process:
        print(digest(running.best_model()))
    part(PartialState())


if __name__ == "__main__":
    main()
