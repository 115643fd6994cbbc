"""`lesionlab predict --out`: the answers to any number of images in one table, by a run that can be stopped."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lesionlab.cli.screen import Screen, note
from lesionlab.errors import UsageError
from lesionlab.training.signals import StopRequest

if TYPE_CHECKING:
    from lesionlab.prediction.bulk import Engine
    from lesionlab.prediction.predictor import Predictor
    from lesionlab.prediction.tables import Tally

ENGINES = ("local", "ray")
MOST_TOLD = 20
"""Refusals that are told on stderr; all are in the table or beside it."""


def check_engine(out: Path, engine: str, workers: int | None) -> None:
    """Raise `UsageError` for an unknown engine, and `ModuleNotFoundError` for a package that is missing, at once."""
    if engine not in ENGINES:
        raise UsageError(f"--engine {engine}: no such engine", f"choose {' or '.join(ENGINES)}")
    if workers and engine != "ray":
        raise UsageError("--workers is how many answer on a Ray cluster", "give --engine ray too")
    for module in (["pyarrow"] if out.suffix == ".parquet" else []) + (["ray"] if engine == "ray" else []):
        if importlib.util.find_spec(module) is None:  # imported later: Ray looks at the environment then
            raise ModuleNotFoundError(name=module)


def write(
    paths: list[str],
    predictor: Predictor,
    out: Path,
    views: int | None = None,
    shard: str = "1/1",
    engine: str = "local",
    workers: int | None = None,
    as_listed: bool = False,
) -> Tally:
    """Answer all images into a table, or go on doing so; leaves with 130 or 143 when a signal stops it."""
    from lesionlab.prediction.bulk import Shard, score, settings_of
    from lesionlab.prediction.parts import parts_folder
    from lesionlab.prediction.paths import list_images

    share = Shard.parse(shard)
    with Screen() as screen, StopRequest() as stop:
        tally = score(
            out,
            (entry for entry in list_images(paths) if share.holds(entry.path)),
            _engine(engine, predictor, views, workers),
            settings_of(predictor, views, share),
            Watch(screen),
            lambda: stop.requested,
            as_listed,
        )
    if tally is None:
        note(f"stopped: what is done is kept in {parts_folder(out)}; the same command goes on")
        raise typer.Exit(128 + stop.number)
    return tally


def _engine(name: str, predictor: Predictor, views: int | None, workers: int | None) -> Engine:
    from lesionlab.prediction.bulk import local_engine

    if name == "local":
        return local_engine(predictor)
    from lesionlab.prediction.ray_engine import ray_engine

    return ray_engine(predictor, views, workers)


class Watch:
    """Shows how far a bulk run is, and its first refusals."""

    def __init__(self, screen: Screen) -> None:
        self._screen, self._refused = screen, 0

    def __call__(self, row: dict[str, Any] | None, done: int, count: int) -> None:
        """Take a row, or None at the beginning, and how many of how many images are done."""
        if row is None and done:
            self._screen.display.line(f"goes on after {done:,} of {count:,} images")
        elif row and "refused" in row:
            self._refused += 1
            if self._refused <= MOST_TOLD:
                self._screen.display.line(f"refused: {row['refused']}")
            if self._refused == MOST_TOLD:
                self._screen.display.line("further refusals are not told here; all are written down")
        self._screen.paced("images", done, count)
