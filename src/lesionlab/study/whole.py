"""A whole study in one go: the grid, the pictures and maps, the paired leak experiment, and the report."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lesionlab.errors import EXIT_BUG, EXIT_OK, BusyError, UserError
from lesionlab.files import lock, write_text
from lesionlab.study.grid import check_only, settings
from lesionlab.study.illustrate import illustrate
from lesionlab.study.report import write_report
from lesionlab.study.rows import Siblings
from lesionlab.study.runner import Screen, Study, run_study
from lesionlab.study.siblings import Experiment, run_siblings
from lesionlab.study.views import judge_views
from lesionlab.study.weights import NotRunError, find_weights, reaching
from lesionlab.training.signals import RunStoppedError


@dataclass(frozen=True)
class Whole:
    """What a study left: its state, its page, the stages that could not be made, with the reason, and the exit code.

    exit_code : the lowest of those of the models and stages that this call failed to make; see `errors`. What was not
    run because weights are missing, or because another process is at it, is no failure.
    """

    state: dict[str, Any]
    page: Path
    left_out: dict[str, str]
    exit_code: int


def run_whole(study: Study, screen: Screen) -> Whole:
    """Run the study, then what goes beyond its grid, and write the report. A second call goes on where it stopped.

    The paired experiment is made where `Study.paired` asks for it. A stage that fails (no masks, no siblings), or that
    another process is at, is left out with its reason and the rest goes on. Raises as `run_study` does.
    """
    state = run_study(study, screen)
    left_out, codes = {}, _failures(study, state)
    for name, make in _stages(study, state, screen).items():
        screen.begin(name, 0)
        try:
            make()
        except (NotRunError, BusyError) as reason:
            left_out[name] = str(reason)
        except UserError as error:
            left_out[name] = str(error)
            codes.append(error.exit_code)
        except RunStoppedError:
            write_report(study.out)
            raise
        except Exception as error:  # a fault of ours, or of the machine, must not cost the report
            left_out[name] = f"{type(error).__name__}: {error}"
            codes.append(EXIT_BUG)
            write_text(study.out / "left_out.txt", traceback.format_exc())
        if name in left_out:
            screen.line(f"{name}: left out: {left_out[name]}")
    return Whole(state, write_report(study.out), left_out, min(codes, default=EXIT_OK))


def _stages(study: Study, state: dict[str, Any], screen: Screen) -> dict[str, Callable[[], object]]:
    """Return what is made beyond the grid, by name; each protocol by itself, so that processes can share the work."""
    stages: dict[str, Callable[[], object]] = {}
    for protocol in study.protocols:
        if any(row["status"] == "done" for row in state["protocols"][protocol]["rows"]):
            stages[f"pictures and maps of {protocol}"] = partial(_illustrate, study, protocol, screen)
            stages[f"several views of {protocol}"] = partial(_judge_views, study, protocol, screen)
    if paired := study.paired:
        stages["the paired leak experiment"] = partial(_run_siblings, study, paired, screen)
    return stages


def _failures(study: Study, state: dict[str, Any]) -> list[int]:
    """Return the exit codes of the models that this call took up and that failed."""
    only = check_only(study.grid, study.only)
    rows = [row for protocol in study.protocols for row in state["protocols"][protocol]["rows"]]
    return [row["exit_code"] for row in rows if row["id"] in only and row["status"] == "failed"]


def _illustrate(study: Study, protocol: str, screen: Screen) -> None:
    with lock(study.out / "locks" / f"maps-{protocol}", "the maps"):
        found = illustrate(study.out, study.images(screen), resamples=study.resamples, protocols=(protocol,))
    for remark in found.remarks:
        screen.line(remark)


def _judge_views(study: Study, protocol: str, screen: Screen) -> None:
    with lock(study.out / "locks" / f"views-{protocol}", "the network"):
        judge_views(study.out, study.images(screen), study.resamples, (protocol,))


def _run_siblings(study: Study, paired: Siblings, screen: Screen) -> None:
    recipe = settings(study.grid, study.grid.row(paired.row), study.budget)
    weights = find_weights(study.start, recipe.architecture)
    screen.begin(f"{paired.seeds} seeds of {recipe.architecture}", recipe.epochs)
    experiment = Experiment(
        study.data, study.out, recipe, weights, tuple(range(paired.seeds)), study.grid.seed, study.resamples,
        study.source, (), study.cache, study.skip_bad,
    )  # fmt: skip
    with reaching(weights, *experiment.runs):
        run_siblings(experiment, screen, screen.counted)
