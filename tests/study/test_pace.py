"""How long things take: what is counted, what is measured, and how often."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_grid import load

from lesionlab.study import pace
from lesionlab.study.grid import settings
from lesionlab.study.pace import RESAMPLES, Clock, measure_evaluation, measure_step
from lesionlab.training.recipe import Recipe, load_recipe


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """A step takes a hundredth of a second per pixel of a side; the recipes that were measured are listed."""
    recipes: list[Recipe] = []

    def measure(recipe: Recipe) -> float:
        recipes.append(recipe)
        return recipe.size / 100

    monkeypatch.setattr(pace, "measure_step", measure)
    monkeypatch.setattr(pace, "measure_evaluation", lambda images, resamples: images / 10 + resamples / 100)
    return recipes


def recipe(**values: object) -> Recipe:
    start = {"size": 100, "batch_size": 10, "epochs": 4, "views": 2, "validate_every": 2}
    return load_recipe("tiny", [f"{key}={value}" for key, value in (start | values).items()])


def test_all_of_a_training_is_counted(measured: list[Recipe]) -> None:
    """Of 59 images 5 steps an epoch, 1 s each; an image is answered in a third of a step's tenth, with two views."""
    clock, look = Clock(), 1 / 30
    seconds = clock.training(recipe(), train=59, validate=30)
    assert seconds == pytest.approx(4 * 5 * 1.0 + 30 * look * (2 + 2))
    assert clock.answer(recipe()) == pytest.approx(2 * look)
    assert clock.map(recipe()) == pytest.approx(2 * look + 0.1)
    assert len(measured) == 1
    assert clock.training(recipe().model_copy(update={"mode": "frozen"}), 59, 30) == pytest.approx((59 + 30) * look)
    clock.step(recipe(batch_size=5), 100)
    assert len(measured) == 2


def test_growing_sides_are_measured_each(measured: list[Recipe]) -> None:
    seconds = Clock().training(recipe(epochs=3, train_sizes="[32,32,100]", views=1, validate_every=3), 10, 0)
    assert seconds == pytest.approx(0.32 + 0.32 + 1.0)
    assert [one.size for one in measured] == [100, 32] and not any(one.train_sizes for one in measured)


def test_an_evaluation_grows_with_its_resamples(measured: list[Recipe]) -> None:
    clock = Clock()
    assert clock.evaluation(50, 0) == pytest.approx(5.0)
    assert clock.evaluation(50, 2000) == pytest.approx(5.0 + 20.0)


def test_real_measurements(tmp_path: Path) -> None:
    grid = load(tmp_path)
    assert 0 < measure_step(settings(grid, grid.rows[0], "smoke")) < 60
    assert 0 < measure_evaluation(70, RESAMPLES) < 60
