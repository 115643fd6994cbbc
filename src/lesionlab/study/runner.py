"""Running a study: every model of the grid that is not done yet, one after the other, whatever becomes of the others.

Several processes may run one study in one folder: each takes the models that no other is at.
"""

from __future__ import annotations

import datetime
import shutil
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lesionlab.data.cases import Case
from lesionlab.data.packs import pack
from lesionlab.data.splits import Split, grouped, paper, read_split
from lesionlab.errors import EXIT_BUG, BusyError, UsageError, UserError
from lesionlab.evaluation.intervals import check_resamples
from lesionlab.files import lock, read_json, sweep_partials, write_json
from lesionlab.report.evaluate_model import evaluate_model
from lesionlab.report.parts import Images
from lesionlab.study import state
from lesionlab.study.grid import Grid, check_networks, check_only, chosen_budget, settings
from lesionlab.study.rows import EnsembleRow, MixRow, Row, Siblings
from lesionlab.study.weights import NotRunError, find_weights, reaching
from lesionlab.training import run
from lesionlab.training.combining import build_ensemble, build_mix
from lesionlab.training.material import Job, labelled_cases
from lesionlab.training.progress import Reporter
from lesionlab.training.signals import RunStoppedError

WAIT_SECONDS = 2.0
"""Between two looks whether another process has packed the images."""


class Screen(Reporter, Protocol):
    """Where a study's progress goes."""

    def begin(self, title: str, epochs: int) -> None:
        """A model is begun; `epochs` is 0 where none is trained."""

    def counted(self, what: str, done: int, total: int) -> None:
        """`done` of `total` are done."""

    def line(self, text: str) -> None:
        """Something to say that stays."""


@dataclass(frozen=True)
class Study:
    """What to run, on what, and where to.

    named : what the command calls the grid. protocols : of `state.PARTS`. weights : "imagenet", "none", a folder of
    TIMM_NAME.safetensors files, or None for what the budget says. only : ids of models, empty for all. source, cache,
    skip_bad : see `training.material.Job`.
    """

    grid: Grid
    data: Path
    out: Path
    budget: str = "full"
    protocols: tuple[str, ...] = ("paper",)
    weights: str | None = None
    only: tuple[str, ...] = ()
    named: str = ""
    source: str | None = None
    cache: Path | None = None
    skip_bad: bool = False
    resamples: int = 2000

    @property
    def start(self) -> str:
        """What networks start from: "imagenet", "none" or a folder."""
        return self.weights or chosen_budget(self.grid, self.budget).weights

    def images(self, screen: Screen) -> Images:
        """Return where images come from, with progress to the screen."""
        return Images(self.data, self.source, self.cache, self.skip_bad, screen.counted)

    @property
    def paired(self) -> Siblings | None:
        """The paired leak experiment, if the budget has one and the whole grid and intervals are asked for."""
        return chosen_budget(self.grid, self.budget).siblings if self.resamples and not self.only else None


def run_study(study: Study, screen: Screen) -> dict[str, Any]:
    """Make and judge what is not done yet, and return the study's state (`state.collect`).

    A model that fails is noted, and the rest goes on. Raises `UserError` for what concerns all models: a wrong grid,
    data that cannot be read, a folder of another study; and `RunStoppedError` after a signal, the checkpoint saved.
    """
    only = check_study(study)
    _, cases = labelled_cases(study.data, study.source, study.skip_bad)
    chosen = [item for item in state.items(study.grid) if item.id in only]
    state.begin(study.out, study.grid, _begun(study))
    recipes = [settings(study.grid, row, study.budget) for row in chosen if isinstance(row, Row)]
    for size, aspect in sorted({(recipe.size, recipe.photo_aspect) for recipe in recipes}):
        _pack(study, cases, size, aspect, screen)
    for protocol in study.protocols:
        state.begin_protocol(study.out, protocol, make_split(protocol, cases, study.grid.seed), cases)
    for protocol in study.protocols:
        for item in chosen:
            _attempt(study, protocol, item, screen)
            state.write_state(study.out)
    return state.write_state(study.out)


def check_study(study: Study) -> tuple[str, ...]:
    """Return the ids asked for; `UsageError` for an unknown network or id, and weights that are no folder."""
    if study.resamples:
        check_resamples(study.resamples)
    check_networks(study.grid, study.budget)
    if study.start not in ("imagenet", "none") and not Path(study.start).is_dir():
        raise UsageError(f"--weights {study.start}: no such folder", "give imagenet, none, or a folder of .safetensors")
    return check_only(study.grid, study.only)


def make_split(protocol: str, cases: list[Case], seed: int) -> Split:
    """Return the split of a protocol of `state.PARTS`."""
    return paper(cases, seed) if protocol == "paper" else grouped(cases, seed)


def _begun(study: Study) -> dict[str, Any]:
    return {
        "named": study.named or study.grid.name,
        "budget": study.budget,
        "weights": study.start if study.start in ("imagenet", "none") else "DIR",
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _pack(study: Study, cases: list[Case], size: int, aspect: float, screen: Screen) -> None:
    """Pack the images once before any row needs them, or wait for the process that is at it."""
    while True:
        try:
            pack(cases, size, study.cache, study.skip_bad, lambda d, t: screen.counted("packing images", d, t), aspect)
            return
        except BusyError:
            time.sleep(WAIT_SECONDS)


def _attempt(study: Study, protocol: str, item: state.Item, screen: Screen) -> None:
    """Make and judge one model unless that is done or another process is at it; note what stands in the way."""
    if state.is_done(study.out, protocol, item, study.grid):
        return
    try:
        with lock(study.out / protocol / "locks" / item.id, "the model"):
            if not state.is_done(study.out, protocol, item, study.grid):
                _note_failure(study, protocol, item, state.folder_of(study.out, protocol, item), screen)
    except BusyError as busy:
        screen.line(f"{protocol}, {item.id}: {busy.message}")


def _note_failure(study: Study, protocol: str, item: state.Item, folder: Path, screen: Screen) -> None:
    """Make and judge one model; whatever fails becomes a note beside its folder."""
    note = state.note_of(folder)
    note.unlink(missing_ok=True)
    found: dict[str, Any]
    try:
        _check_needs(study, protocol, item)
        if isinstance(item, Row):
            _train(study, protocol, item, folder, screen)
        else:
            _combine(study, protocol, item, folder, screen)
        evaluate_model(
            folder, study.images(screen), state.PARTS[protocol], resamples=study.resamples, command=" ".join(sys.argv),
            members=[state.folder_of(study.out, protocol, study.grid.row(name)) for name in state.needs(item)],
        )  # fmt: skip
        screen.line(f"{protocol}, {item.id}: done")
        return
    except (BusyError, RunStoppedError):
        raise
    except NotRunError as reason:
        found = {"status": "not run", "reason": str(reason), "exit_code": None}
    except UserError as error:
        found = {"status": "failed", "reason": str(error), "exit_code": error.exit_code}
    except Exception as error:  # a fault of ours, or of the machine, ends one model and not the night's work
        what = f"{type(error).__name__}: {error}"
        found = {"status": "failed", "reason": what, "exit_code": EXIT_BUG, "trace": traceback.format_exc()}
    write_json(note, found)
    screen.line(f"{protocol}, {item.id}: {found['status']}: {found['reason']}")


def _check_needs(study: Study, protocol: str, item: state.Item) -> None:
    """Raise `NotRunError` unless every row that this model needs is done, on this protocol's very split."""
    split = read_split(study.out / protocol / "split.csv").fingerprint
    for name in state.needs(item):
        row = study.grid.row(name)
        if not state.is_done(study.out, protocol, row, study.grid):
            raise NotRunError(f"{name} is not done")
        if read_json(state.folder_of(study.out, protocol, row) / "run.json")["split"]["fingerprint"] != split:
            raise NotRunError(f"{name} was trained on another split")


def _train(study: Study, protocol: str, row: Row, folder: Path, screen: Screen) -> None:
    recipe = settings(study.grid, row, study.budget)
    weights = find_weights(study.start, recipe.architecture)
    _clear_unbegun(folder)
    job = Job(
        study.data, folder, recipe, study.source, str(study.out / protocol / "split.csv"), weights=weights,
        cache=study.cache, skip_bad=study.skip_bad, resume=True,
    )  # fmt: skip
    screen.begin(f"{protocol}, {row.id}: {recipe.architecture}", recipe.epochs)
    with reaching(weights, folder):
        run.train(job, screen, screen.counted)


def _clear_unbegun(folder: Path) -> None:
    """Take away what a crash left of a run before its run.json, with which training would not begin."""
    if folder.is_dir() and not (folder / "run.json").is_file():
        for name in ("recipe.yaml", "split.csv", "cases.csv"):
            (folder / name).unlink(missing_ok=True)
        sweep_partials(folder)


def _combine(study: Study, protocol: str, item: EnsembleRow | MixRow, folder: Path, screen: Screen) -> None:
    """Combine the members' runs, unless that was done before with the very models that lie there now."""
    if state.is_current(study.out, protocol, item, study.grid):
        return
    for stale in ("evaluation", "model"):
        shutil.rmtree(folder / stale, ignore_errors=True)
    screen.begin(f"{protocol}, {item.id}", 0)
    first, *others = [state.folder_of(study.out, protocol, study.grid.row(name)) for name in state.needs(item)]
    images = study.images(screen)
    if isinstance(item, EnsembleRow):
        build_ensemble([first, *others], item.rule, folder, images)
    else:
        build_mix(first, others, item.routing, folder, images)
