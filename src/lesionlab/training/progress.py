"""How far a run is: what its checkpoint keeps of that, and where it is told."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Protocol


class Reporter(Protocol):
    """Where live progress goes."""

    def step(self, epoch: int, position: int, steps: int, figures: dict[str, float]) -> None:
        """One step is done; `figures` holds loss, learning_rate and images_per_second."""

    def epoch(self, row: dict[str, Any]) -> None:
        """One epoch is done and validated; `row` is its line of the history."""


@dataclass
class Progress:
    """Where a run stands; everything here goes into the checkpoint."""

    epoch: int = 0
    position: int = 0
    loss_sum: float = 0.0
    hits: int = 0
    images: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = -1
    best_figure: float = math.nan
