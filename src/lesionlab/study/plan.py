"""What a study would do, and about how long it would take, measured on a few training steps of each kind."""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lesionlab.data.cases import Case
from lesionlab.data.sources import narrowed
from lesionlab.data.splits import Split
from lesionlab.diagnoses import CODES
from lesionlab.errors import UserError
from lesionlab.models.backbones import create, freeze_layers, preprocessing
from lesionlab.study import state
from lesionlab.study.grid import Row, settings
from lesionlab.study.runner import NotRunError, Study, check_study, find_weights, make_split
from lesionlab.training.loop import Trainer
from lesionlab.training.material import labelled_cases
from lesionlab.training.recipe import Recipe
from lesionlab.training.records import Silent

STEPS = 3
"""Measured steps, after one that is not: the first one also plans and reserves memory."""

FORWARD = 1 / 3
"""A prediction's share of a training step's time: a step also goes backward, which costs twice as much."""


@dataclass(frozen=True)
class Planned:
    """A model that a study would make: images are those trained on, steps those of all epochs, seconds an estimate.

    The numbers are None for what is combined and not trained; remark says why a model would not be made.
    """

    protocol: str
    id: str
    architecture: str
    size: int | None
    epochs: int | None
    batch: int | None
    images: int | None
    steps: int | None
    seconds: float | None
    remark: str


def make_plan(study: Study) -> list[Planned]:
    """Return every model that `runner.run_study` would take up, in order, and write nothing.

    Raises `UserError` as `run_study` does for what concerns all models.
    """
    only = check_study(study)
    _, cases = labelled_cases(study.data, study.source, study.skip_bad)
    clock = StepClock()
    planned = []
    for protocol in study.protocols:
        split = make_split(protocol, cases, study.grid.seed)
        for item in state.items(study.grid):
            if item.id not in only:
                continue
            if isinstance(item, Row):
                planned.append(_trained(study, protocol, item, cases, split, clock))
            else:
                done = state.is_done(state.folder_of(study.out, protocol, item), protocol)
                remark = "done" if done else f"of {', '.join(state.needs(item))}"
                planned.append(Planned(protocol, item.id, "", None, None, None, None, None, None, remark))
    return planned


def as_json(planned: list[Planned]) -> dict[str, Any]:
    """Return the plan and the sum of its seconds, ready for JSON."""
    return {"models": [asdict(one) for one in planned], "seconds": sum(one.seconds or 0 for one in planned)}


class StepClock:
    """Seconds of a training step, measured once for each distinct network, image side and batch size."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], float] = {}

    def seconds(self, recipe: Recipe, side: int) -> float:
        """Return the mean time of `STEPS` steps on noise, from random weights."""
        key = (recipe.architecture, recipe.frozen_layers, side, recipe.batch_size, recipe.precision)
        if key not in self._known:
            self._known[key] = _measure(recipe.model_copy(update={"size": side, "train_sizes": ()}))
        return self._known[key]


def _measure(recipe: Recipe) -> float:
    model = create(recipe.architecture, "none", len(CODES), recipe.drop_rate, recipe.size)
    freeze_layers(model, recipe.frozen_layers)
    count = recipe.batch_size
    pixels = np.random.default_rng(0).integers(0, 256, (count, recipe.size, recipe.size, 3), np.uint8)
    rows, labels = np.arange(count), np.arange(count) % len(CODES)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(model, preprocessing(model), pixels, labels, rows, rows, recipe, Path(folder), Silent())
        trainer.model.train()
        batch = next(iter(trainer.batches.epoch(0)))
        trainer.train_step(batch)
        began = time.monotonic()
        for _ in range(STEPS):
            trainer.train_step(batch)
        return (time.monotonic() - began) / STEPS


def _trained(study: Study, protocol: str, row: Row, cases: list[Case], split: Split, clock: StepClock) -> Planned:
    recipe = settings(study.grid, row, study.budget)
    about = (protocol, row.id, recipe.architecture, recipe.size, recipe.epochs, recipe.batch_size)
    try:
        wanted = narrowed(cases, recipe.site, recipe.classes)
        counts = {part: len(split.select(wanted, part)) for part in ("train", "val", state.PARTS[protocol])}
        batches = max(1, counts["train"] // recipe.batch_size)
        steps = batches * recipe.epochs if recipe.mode == "finetune" else 0
        if state.is_done(state.folder_of(study.out, protocol, row), protocol):
            return Planned(*about, counts["train"], steps, 0.0, "done")
        find_weights(study.start, recipe.architecture)
        seconds = _seconds(recipe, counts, batches, counts[state.PARTS[protocol]], clock)
        return Planned(*about, counts["train"], steps, seconds, f"needs {row.parent}" if row.parent else "")
    except NotRunError as reason:
        return Planned(*about, None, None, None, f"not run: {reason}")
    except UserError as error:
        return Planned(*about, None, None, None, f"would fail: {error}")


def _seconds(recipe: Recipe, counts: dict[str, int], batches: int, judged: int, clock: StepClock) -> float:
    """Return the time of all training steps, of every validation, and of the views at the end and when judged."""
    step = clock.seconds(recipe, recipe.size)
    look = step * FORWARD / recipe.batch_size
    if recipe.mode == "frozen":
        return look * (counts["train"] + counts["val"] + judged * recipe.views)
    training = sum(batches * clock.seconds(recipe, recipe.size_at(epoch)) for epoch in range(recipe.epochs))
    validations = sum(recipe.validates(epoch) for epoch in range(recipe.epochs))
    return training + look * (counts["val"] * (validations + recipe.views) + judged * recipe.views)
