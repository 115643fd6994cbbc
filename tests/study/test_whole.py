"""A whole study in one go: what cannot be made is told, and the report is written all the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lesionlab.errors import DataError
from lesionlab.study import whole
from lesionlab.study.grid import load_grid
from lesionlab.study.runner import Study
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
    assert found.left_out == {}
    assert [row["status"] for row in found.state["protocols"]["grouped"]["rows"]] == ["done"]
    assert found.page.is_file() and (study.out / "grouped" / "attention.json").is_file()
    paired = json.loads((study.out / "siblings" / "siblings.json").read_text())
    assert paired["seeds"] == [0] and "Paired experiment" in found.page.read_text()


@pytest.mark.parametrize("fault", [DataError("no masks", "bring them"), RuntimeError("out of memory")])
def test_a_stage_that_fails_costs_neither_the_rest_nor_the_report(
    study: Study, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def broken(*args: object, **settings: object) -> None:
        raise fault

    monkeypatch.setattr(whole, "illustrate", broken)
    screen = Quiet()
    found = run_whole(study, screen)
    assert list(found.left_out) == ["pictures and maps"] and str(fault).split(":")[0] in screen.lines[-1]
    assert found.page.is_file() and (study.out / "siblings" / "siblings.json").is_file()
