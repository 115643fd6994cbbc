"""A whole study in one go: what cannot be made is told, and the report is written all the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lesionlab.errors import DataError, ModelError, UsageError
from lesionlab.files import lock
from lesionlab.study import whole
from lesionlab.study.grid import load_grid
from lesionlab.study.illustrate import Illustrated
from lesionlab.study.runner import Study
from lesionlab.study.weights import NotRunError
from lesionlab.study.whole import run_whole

GRID = """
name: one
title: One model
rows:
  - {id: rgb, label: RGB}
budgets:
  smoke:
    recipe: tiny
    set: {size: 32, epochs: 1, views: 1}
    weights: none
    siblings: {row: rgb, seeds: 1}
"""


class Quiet:
    """A screen that remembers its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def begin(self, title: str, epochs: int) -> None: ...
    def counted(self, what: str, done: int, total: int) -> None: ...
    def step(self, epoch: int, position: int, steps: int, figures: dict[str, float]) -> None: ...
    def epoch(self, row: dict[str, object]) -> None: ...
    def line(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def study(synthetic: Path, tmp_path: Path) -> Study:
    (tmp_path / "one.yaml").write_text(GRID)
    grid = load_grid(str(tmp_path / "one.yaml"))
    return Study(grid, synthetic, tmp_path / "out", "smoke", ("grouped",), cache=tmp_path / "cache", resamples=40)


def test_the_grid_the_maps_the_paired_experiment_and_the_report(study: Study) -> None:
    found = run_whole(study, Quiet())
    assert found.left_out == {} and found.exit_code == 0
    assert [row["status"] for row in found.state["protocols"]["grouped"]["rows"]] == ["done"]
    assert found.page.is_file() and (study.out / "grouped" / "attention.json").is_file()
    assert (study.out / "grouped" / "views" / "rgb" / "8" / "metrics.json").is_file()
    paired = json.loads((study.out / "siblings" / "siblings.json").read_text())
    assert paired["seeds"] == [0] and "Paired experiment" in found.page.read_text()


FAULTS = [
    (DataError("no masks", "bring them"), 3),
    (RuntimeError("out of memory"), 1),
    (NotRunError("weights not reachable"), 0),
]


@pytest.mark.parametrize(("fault", "code"), FAULTS)
def test_a_stage_that_fails_costs_neither_the_rest_nor_the_report(
    study: Study, monkeypatch: pytest.MonkeyPatch, fault: Exception, code: int
) -> None:
    """But it shows in the exit code, unless it is nobody's fault."""
    quick(monkeypatch)

    def broken(*args: object, **settings: object) -> None:
        raise fault

    monkeypatch.setattr(whole, "illustrate", broken)
    screen = Quiet()
    found = run_whole(study, screen)
    assert list(found.left_out) == ["pictures and maps of grouped"] and str(fault).split(":")[0] in screen.lines[-1]
    assert found.page.is_file() and found.exit_code == code
    assert (study.out / "siblings").is_dir()


def test_a_stage_that_another_process_is_at_is_left_to_it(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes with a protocol each share the work of a study; that is nobody's failure."""
    quick(monkeypatch)
    made: list[object] = []
    monkeypatch.setattr(whole, "illustrate", lambda *_, protocols, **__: made.append(protocols))
    with lock(study.out / "locks" / "maps-grouped", "the maps"):
        found = run_whole(study, Quiet())
    assert found.exit_code == 0 and not made
    assert list(found.left_out) == ["pictures and maps of grouped"]
    assert "in use by another process" in found.left_out["pictures and maps of grouped"]


def test_the_lowest_code_of_this_calls_failures_is_told(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a model that was not asked for, nothing is said in it."""
    quick(monkeypatch)
    failed = {"id": "rgb", "status": "failed", "exit_code": 4}
    rows = [failed, {"id": "other", "status": "not run", "exit_code": None}]
    monkeypatch.setattr(whole, "run_study", lambda *_: {"protocols": {"grouped": {"rows": rows}}})
    assert run_whole(study, Quiet()).exit_code == 4
    failed["id"] = "another"
    assert run_whole(study, Quiet()).exit_code == 0

    def broken(*_: object) -> None:
        raise UsageError("wrong")

    failed["id"] = "rgb"
    monkeypatch.setattr(whole, "run_siblings", broken)
    assert run_whole(study, Quiet()).exit_code == 2


def test_what_was_left_out_of_the_pictures_is_told(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)
    screen = Quiet()
    monkeypatch.setattr(whole, "illustrate", lambda *_, **__: Illustrated([], ["maps of one image"]))
    assert run_whole(study, screen).left_out == {} and "maps of one image" in screen.lines


def test_a_hub_that_does_not_answer_leaves_the_paired_experiment_out(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(monkeypatch)

    def away(*_: object) -> None:
        raise ModelError("the hub is away")

    monkeypatch.setattr(whole, "run_siblings", away)
    found = run_whole(replace(study, weights="imagenet"), Quiet())
    assert found.exit_code == 0
    assert found.left_out == {"the paired leak experiment": "ImageNet weights not reachable (the hub is away)"}


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the grid, the maps, the paired experiment and the report be made by writers that take no time."""

    def run_study(study: Study, screen: Quiet) -> dict[str, object]:
        return {"protocols": {"grouped": {"rows": [{"id": "rgb", "status": "done", "exit_code": None}]}}}

    def write_report(out: Path) -> Path:
        out.mkdir(exist_ok=True)
        (out / "index.html").touch()
        return out / "index.html"

    monkeypatch.setattr(whole, "run_study", run_study)
    monkeypatch.setattr(whole, "illustrate", lambda *_, **__: Illustrated([], []))
    monkeypatch.setattr(whole, "judge_views", lambda *_: [])
    monkeypatch.setattr(
        whole, "run_siblings", lambda experiment, *_: experiment.folder.mkdir(parents=True, exist_ok=True)
    )
    monkeypatch.setattr(whole, "write_report", write_report)
