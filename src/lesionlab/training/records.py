"""What a run writes about itself while it goes: history, timing, curves, TensorBoard."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from lesionlab.errors import UsageError
from lesionlab.files import read_text, write_text
from lesionlab.report.figures import curves
from lesionlab.training.progress import Reporter


class Silent:
    """A reporter that says nothing."""

    def step(self, epoch: int, position: int, steps: int, figures: dict[str, float]) -> None:
        """Ignore a step."""

    def epoch(self, row: dict[str, Any]) -> None:
        """Ignore an epoch."""


class RunRecorder:
    """Passes progress on to `screen` and keeps the run folder's records up to date.

    history.jsonl holds figures that a repeated run reproduces to the byte; timing.jsonl holds what it does not.
    """

    def __init__(self, folder: Path, screen: Reporter, tensorboard: bool = False) -> None:
        self.folder, self.screen = folder, screen
        self.rows: list[dict[str, Any]] = []
        self.timings: list[dict[str, Any]] = []
        self._started, self._worked = time.monotonic(), time.process_time()
        self._rate = 0.0
        self._board = _board(folder / "tensorboard") if tensorboard else None

    def begin(self, rows: list[dict[str, Any]]) -> None:
        """Start with the history of the epochs that are already done, and with what all sittings so far took."""
        self.rows = list(rows)
        path = self.folder / "timing.jsonl"
        self.timings = [json.loads(line) for line in read_text(path).splitlines()] if path.is_file() else []
        self._write()

    def step(self, epoch: int, position: int, steps: int, figures: dict[str, float]) -> None:
        """Pass a step on."""
        self._rate = figures["images_per_second"]
        self.screen.step(epoch, position, steps, figures)
        if self._board and position % 10 == 0:
            for name, value in figures.items():
                self._board.add_scalar(name, value, epoch * steps + position)

    def epoch(self, row: dict[str, Any]) -> None:
        """Add an epoch to the records."""
        self.rows.append(row)
        self._write()
        now, worked = time.monotonic(), time.process_time()
        timing = {
            "epoch": row["epoch"],
            "seconds": round(now - self._started, 2),
            "processor_seconds": round(worked - self._worked, 2),
            "images_per_second": round(self._rate, 2),
        }
        self._started, self._worked = now, worked
        self.timings.append(timing)
        write_text(self.folder / "timing.jsonl", "".join(json.dumps(row) + "\n" for row in self.timings))
        if self._board:
            for name, value in row.items():
                self._board.add_scalar(f"epoch/{name}", value, row["epoch"])
        self.screen.epoch(row)

    def spent(self) -> dict[str, float]:
        """Return what finished epochs took, over all sittings: seconds on the clock and of all processor cores."""
        return {name: round(sum(row[name] for row in self.timings), 1) for name in ("seconds", "processor_seconds")}

    def _write(self) -> None:
        write_text(self.folder / "history.jsonl", "".join(json.dumps(row) + "\n" for row in self.rows))
        if self.rows:
            curves(self.rows, self.folder / "curves.png")


def _board(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UsageError("TensorBoard is not installed", "pip install 'lesionlab[tensorboard]'") from None
    return SummaryWriter(str(folder))
