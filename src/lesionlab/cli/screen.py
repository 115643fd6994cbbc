"""What a person sees: tables and results on stdout; progress, warnings and errors on stderr."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINE_SECONDS = 20.0
"""Without a terminal, progress is a plain line at most this often."""


def accept_any_terminal() -> None:
    """Let stdout and stderr show what their encoding lacks as question marks instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]


def clean(text: str) -> str:
    """Return the text without control characters: a file's name must not steer the terminal."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)


def say(text: str = "") -> None:
    """Print a line of the result to stdout."""
    print(clean(text))


def note(text: str) -> None:
    """Print a remark to stderr."""
    print(clean(text), file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """Print a result as one JSON document to stdout; what is not finite becomes null."""
    print(json.dumps(_finite(value), indent=2, ensure_ascii=True, default=str))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and value - value != 0 else value


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Print a table to stdout: as wide as the terminal allows, at its natural width into a file or pipe.

    A column whose cells are all numbers, or shares of them, stands flush right.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [[clean("" if cell is None else str(cell)) for cell in row] for row in rows]
    table = Table(box=SIMPLE_HEAD, title=title or None, title_justify="left", title_style="bold", pad_edge=False)
    for number, name in enumerate(header):
        right = bool(cells) and all(_is_number(row[number]) for row in cells)
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=1000)
    console.print(table)


def _is_number(cell: str) -> bool:
    return not cell.strip(" 0123456789.,%-+/")


class Display(Protocol):
    """Where counted work is shown."""

    def show(self, what: str, done: int, total: int, remark: str) -> None:
        """Show how far the work called `what` is."""

    def line(self, text: str) -> None:
        """Print a line that stays."""

    def close(self) -> None:
        """Remove what is live."""


class PlainLines:
    """Progress where there is no terminal: now and then a line."""

    def __init__(self) -> None:
        self._shown = time.monotonic()

    def show(self, what: str, done: int, total: int, remark: str) -> None:
        """Print a line unless the last one is recent."""
        if time.monotonic() - self._shown >= LINE_SECONDS:
            amount = f"{done:,}/{total:,}" if total else f"{done:,}"
            self.line(f"{what} {amount}" + (f", {remark}" if remark else ""))

    def line(self, text: str) -> None:
        """Print a line."""
        self._shown = time.monotonic()
        note(text)

    def close(self) -> None:
        """Nothing is live here."""


class LiveBar:
    """Progress on a terminal: one live line, which vanishes when the work is done."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._what = ""

    def show(self, what: str, done: int, total: int, remark: str) -> None:
        """Update the live line; another kind of work takes the place of the one before."""
        bar = self._bar or self._start()
        if self._task is None or what != self._what:
            if self._task is not None:
                bar.remove_task(self._task)
            self._task, self._what = bar.add_task(what, total=total or None, remark=remark), what
        bar.update(self._task, completed=done, total=total or None, remark=remark)

    def _start(self) -> Progress:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[remark]}", markup=False),
        )
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=4)
        self._bar.start()
        return self._bar

    def line(self, text: str) -> None:
        """Print a line above the live one."""
        if self._bar:
            self._bar.console.print(clean(text), markup=False, highlight=False, soft_wrap=True)
        else:
            note(text)

    def close(self) -> None:
        """Take the live line away."""
        if self._bar:
            self._bar.stop()
        self._bar = self._task = None


class Pace:
    """How long counted work still takes, at its pace so far."""

    def __init__(self) -> None:
        self._what = ""
        self._began, self._first, self._last = 0.0, 0, 0

    def left(self, what: str, done: int, total: int) -> str:
        """Return the time left as "m:ss left", "" before there is a pace."""
        now = time.monotonic()
        if what != self._what or done < self._last:  # other work, or the same begun anew
            self._what, self._began, self._first = what, now, done
        self._last = done
        if done <= self._first or not total:
            return ""
        seconds = (now - self._began) / (done - self._first) * (total - done)
        return f"{clock(seconds)} left"

    def rate(self) -> float:
        """Return how many are done a second; 0 before there is a pace."""
        return (self._last - self._first) / max(time.monotonic() - self._began, 1e-9)


def clock(seconds: float) -> str:
    """Return a duration as m:ss or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Screen:
    """Progress of a command on stderr, and the reporter of a training run.

    Parameters
    ----------
    epochs : how many epochs a training run will have at most.
    display : where to show it; a live line on a terminal, plain lines elsewhere.
    """

    def __init__(self, epochs: int = 0, display: Display | None = None) -> None:
        self.epochs = epochs
        self.display: Display = display or (LiveBar() if _on_terminal() else PlainLines())
        self._pace = Pace()

    def __enter__(self) -> Screen:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.display.close()

    def counted(self, what: str, done: int, total: int) -> None:
        """Show that `done` of `total` are done."""
        self.display.show(what, done, total, self._pace.left(what, done, total))

    def paced(self, unit: str, done: int, total: int) -> None:
        """Show that `done` of `total` images, or another unit, are done, how many a second, and the time left."""
        left = self._pace.left(unit, done, total)
        self.display.show(unit, done, total, f"{self._pace.rate():.1f} {unit}/s, {left}" if left else "")

    def transferred(self, name: str, done: int, total: int | None) -> None:
        """Show how many bytes of a file are here, in megabytes; `total` is None where the server does not tell."""
        self.counted(f"{name}, MB", done // 10**6, (total or 0) // 10**6)

    def counter(self, what: str) -> Callable[[int, int], None]:
        """Return a function of (done, total) that shows the progress of `what`."""
        return lambda done, total: self.counted(what, done, total)

    def step(self, epoch: int, position: int, steps: int, figures: dict[str, float]) -> None:
        """Show one training step; `epoch` counts from 0, `position` from 1."""
        left = self._pace.left("training", epoch * steps + position, self.epochs * steps)
        remark = (
            f"loss {figures['loss']:.3f}, rate {figures['learning_rate']:.1e}, "
            f"{figures['images_per_second']:.1f} images/s" + (f", {left}" if left else "")
        )
        self.display.show(f"epoch {epoch + 1}/{self.epochs}, step", position, steps, remark)

    def epoch(self, row: dict[str, Any]) -> None:
        """Print the line of one finished epoch."""
        parts = [f"{label} {row[key]:.3f}" for key, label in EPOCH_FIGURES.items() if row.get(key) is not None]
        self.display.line(f"epoch {row['epoch'] + 1}/{self.epochs}: {', '.join(parts)}")


EPOCH_FIGURES: dict[str, str] = {
    "train_loss": "training loss",
    "val_loss": "validation loss",
    "val_accuracy": "accuracy",
    "val_balanced_accuracy": "balanced accuracy",
    "val_macro_f1": "macro F1",
}
"""What the line of an epoch shows: keys of the history, and their words."""


def _on_terminal() -> bool:
    from rich.console import Console

    console = Console(stderr=True)
    return console.is_terminal and not console.is_dumb_terminal
