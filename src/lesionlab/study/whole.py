"""A whole study in one go: the grid, the pictures and maps, the paired leak experiment, and the report."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesionlab.errors import UserError
from lesionlab.files import write_text
from lesionlab.study.grid import Siblings, chosen_budget, settings
from lesionlab.study.illustrate import illustrate
from lesionlab.study.report import write_report
from lesionlab.study.runner import NotRunError, Screen, Study, find_weights, run_study
from lesionlab.study.siblings import Experiment, run_siblings
from lesionlab.training.signals import RunStoppedError


@dataclass(frozen=True)
class Whole:
    """What a study left: its state, its page, and the stages that could not be made, with the reason."""

    state: dict[str, Any]
    page: Path
    left_out: dict[str, str]


def run_whole(study: Study, screen: Screen) -> Whole:
    """Run the study, then what goes beyond its grid, and write the report. A second call goes on where it stopped.

    The paired experiment is made where the budget has one, and the whole grid and intervals are asked for. A stage that
    fails (missing masks, no siblings) is left out with its reason and the rest goes on. Raises as `run_study` does.
    """
    state = run_study(study, screen)
    stages: dict[str, Callable[[], object]] = {}
    if any(row["status"] == "done" for found in state["protocols"].values() for row in found["rows"]):
        stages["pictures and maps"] = lambda: illustrate(
            study.out, study.data, source=study.source, resamples=study.resamples, cache=study.cache,
            skip_bad=study.skip_bad, progress=screen.counted,
        )  # fmt: skip
    paired = chosen_budget(study.grid, study.budget).siblings
    if paired and not study.only and study.resamples:
        stages["the paired leak experiment"] = lambda: _run_siblings(study, paired, screen)
    left_out = {}
    for name, make in stages.items():
        screen.begin(name, 0)
        try:
            make()
        except (NotRunError, UserError) as reason:
            left_out[name] = str(reason)
        except RunStoppedError:
            write_report(study.out)
            raise
        except Exception as error:  # a fault of ours, or of the machine, must not cost the report
            left_out[name] = f"{type(error).__name__}: {error}"
            write_text(study.out / "left_out.txt", traceback.format_exc())
        if name in left_out:
            screen.line(f"{name}: left out: {left_out[name]}")
    return Whole(state, write_report(study.out), left_out)


def _run_siblings(study: Study, paired: Siblings, screen: Screen) -> None:
    recipe = settings(study.grid, study.grid.row(paired.row), study.budget)
    weights = find_weights(study.start, recipe.architecture)
    screen.begin(f"{paired.seeds} seeds of {recipe.architecture}", recipe.epochs)
    experiment = Experiment(
        study.data, study.out, recipe, weights, tuple(range(paired.seeds)), study.grid.seed, study.resamples,
        study.source, (), study.cache, study.skip_bad,
    )  # fmt: skip
    run_siblings(experiment, screen, screen.counted)
