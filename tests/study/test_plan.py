"""The plan of a study: what it counts, and that it writes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from small_grid import content, load

from lesionlab.data.cases import labelled
from lesionlab.data.sources import load_source
from lesionlab.study import plan
from lesionlab.study.grid import load_grid, settings
from lesionlab.study.plan import StepClock, as_json, make_plan
from lesionlab.study.runner import Study, make_split
from lesionlab.training.recipe import Recipe


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """A step takes a hundredth of a second per pixel of a side; the recipes that were measured are listed."""
    recipes: list[Recipe] = []

    def measure(recipe: Recipe) -> float:
        recipes.append(recipe)
        return recipe.size / 100

    monkeypatch.setattr(plan, "_measure", measure)
    return recipes


def test_steps_are_counted_and_measured_once_per_kind(synthetic: Path, tmp_path: Path, measured: list[Recipe]) -> None:
    grid = load(tmp_path)
    study = Study(grid, synthetic, tmp_path / "out", "smoke", ("paper", "grouped"))
    planned = make_plan(study)
    assert [(one.protocol, one.id) for one in planned] == [(p, i) for p in ("paper", "grouped") for i in grid.ids]
    assert [(r.size, r.batch_size) for r in measured] == [(32, 16), (32, 8)]
    cases = labelled(load_source(synthetic).cases, "")
    for one, protocol in ((planned[0], "paper"), (planned[5], "grouped")):
        parts = list(make_split(protocol, cases, 0).parts.values())
        judged = parts.count("val" if protocol == "paper" else "test")
        assert (one.images, one.steps) == (parts.count("train"), parts.count("train") // 16)
        looks = 2 * parts.count("val") + judged
        assert one.seconds == pytest.approx(0.32 * (one.steps + looks / 3 / 16))
    assert planned[2].remark == "needs rgb" and planned[2].images < planned[0].images
    assert planned[4].seconds is None and planned[4].remark == "of rgb, mel-nv"
    assert as_json(planned)["seconds"] == pytest.approx(sum(one.seconds or 0 for one in planned))
    assert not (tmp_path / "out").exists()


def test_growing_sides_are_measured_each(synthetic: Path, tmp_path: Path, measured: list[Recipe]) -> None:
    values = content()
    values["budgets"]["full"]["set"] = {"epochs": 3, "size": 64, "train_sizes": [32, 32, 64]}
    study = Study(load(tmp_path, values), synthetic, tmp_path / "out", "full", only=("rgb",), weights="none")
    (one,) = make_plan(study)
    assert {recipe.size for recipe in measured} == {32, 64} and not any(recipe.train_sizes for recipe in measured)
    steps = one.steps / 3
    assert steps * (0.32 + 0.32 + 0.64) < one.seconds < steps * 3 * 0.64 + 5


def test_a_plan_tells_what_would_not_be_made(synthetic: Path, tmp_path: Path, measured: list[Recipe]) -> None:
    values = content()
    values["rows"][1]["set"]["site"] = "moon"
    (tmp_path / "weights").mkdir()
    study = Study(load(tmp_path, values), synthetic, tmp_path / "out", "smoke", weights=str(tmp_path / "weights"))
    remarks = {one.id: one.remark for one in make_plan(study)}
    assert remarks["rgb"] == "not run: ImageNet weights not reachable (file test_resnet.safetensors is missing)"
    assert remarks["gray"].startswith("would fail: no image from body site 'moon'")
    assert not measured
    remarks = {one.id: one.remark for one in make_plan(replace(study, weights=None, only=("rgb",)))}
    assert remarks == {"rgb": ""}


def test_a_step_is_measured_for_real(tmp_path: Path) -> None:
    grid = load(tmp_path)
    assert 0 < StepClock().seconds(settings(grid, grid.rows[0], "smoke"), 32) < 60


@pytest.mark.slow
@pytest.mark.parametrize("identifier", ["resnet50-rgb", "vgg19-rgb", "xception-rgb", "inception-rgb", "vit-gray"])
def test_the_papers_networks_take_steps(identifier: str) -> None:
    grid = load_grid("paper")
    recipe = settings(grid, grid.row(identifier), "full").model_copy(update={"batch_size": 2, "precision": "fp32"})
    assert StepClock().seconds(recipe, 96) > 0
