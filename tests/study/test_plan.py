"""The plan of a study: what it counts, what it says of what is done or cannot be made, and that it writes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_grid import content, load

from lesionlab.data.cases import labelled
from lesionlab.data.sources import load_source
from lesionlab.files import write_json
from lesionlab.study import pace, state
from lesionlab.study.arms import make_arms
from lesionlab.study.plan import MAPS, PAIRED, SEVERAL, Planned, as_json, make_plan
from lesionlab.study.runner import Study, make_split
from lesionlab.study.siblings import arm_folder

STEP, EVALUATION = 0.32, 7.0
"""Seconds of a training step, and of an evaluation."""


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is measured, instead of measuring."""
    recipes: list[Any] = []
    monkeypatch.setattr(pace, "measure_step", lambda recipe: (recipes.append(recipe), STEP)[1])
    monkeypatch.setattr(pace, "measure_evaluation", lambda images, resamples: EVALUATION)
    return recipes


def values() -> dict[str, Any]:
    """Return a grid's content with a paired experiment of two seeds."""
    found = content()
    found["budgets"]["smoke"]["siblings"] = {"row": "rgb", "seeds": 2}
    return found


def parts_of(source: Path, protocol: str) -> list[str]:
    return list(make_split(protocol, labelled(load_source(source).cases, ""), 0).parts.values())


def by_id(planned: list[Planned], protocol: str = "paper") -> dict[str, Planned]:
    return {one.id: one for one in planned if one.protocol in (protocol, "")}


def test_everything_is_planned_and_summed_up(synthetic: Path, tmp_path: Path, measured: list[Any]) -> None:
    grid = load(tmp_path, values())
    study = Study(grid, synthetic, tmp_path / "out", "smoke", ("paper", "grouped"))
    planned = make_plan(study)
    models = [(protocol, name) for protocol in ("paper", "grouped") for name in grid.ids]
    stages = [*((protocol, name) for protocol in ("paper", "grouped") for name in (MAPS, SEVERAL)), ("", PAIRED)]
    assert [(one.protocol, one.id) for one in planned] == [*models, *stages]
    assert [recipe.batch_size for recipe in measured] == [16, 8]
    assert all(one.seconds and one.seconds > 0 for one in planned)
    assert as_json(planned)["seconds"] == pytest.approx(sum(one.seconds or 0 for one in planned))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("protocol", "part"), [("paper", "val"), ("grouped", "test")])
def test_training_judging_combining_and_maps(protocol: str, part: str, synthetic: Path, tmp_path: Path) -> None:
    """An answer takes a third of a step's share; the members of a first combined model answer validation images too."""
    study = Study(load(tmp_path), synthetic, tmp_path / "out", "smoke", (protocol,))
    found, parts = by_id(make_plan(study), protocol), parts_of(synthetic, protocol)
    train, validate, judged = (parts.count(name) for name in ("train", "val", part))
    answer, gray = STEP / 3 / 16, STEP / 3 / 8
    assert (found["rgb"].images, found["rgb"].steps) == (train, train // 16)
    looks = (2 * validate + judged) * answer
    assert found["rgb"].seconds == pytest.approx(STEP * (train // 16) + looks + EVALUATION)
    assert found["mel-nv"].remark == "needs rgb" and found["mel-nv"].images < train
    assert found["both"].seconds == pytest.approx((validate + judged) * (answer + gray) + EVALUATION)
    assert found["mix"].seconds == pytest.approx((validate + 2 * judged) * answer + EVALUATION), "rgb was asked before"
    assert found["mix"].remark == "of rgb, mel-nv"
    assert found[MAPS].seconds == pytest.approx(judged * (answer + STEP / 16 + gray + STEP / 8))
    assert found[MAPS].remark == "of 2 rows"
    assert found[SEVERAL].seconds == pytest.approx(judged * answer * (1 + 4 + 8) + 3 * EVALUATION)
    assert found[SEVERAL].remark == "of rgb"


def test_the_paired_experiment(synthetic: Path, tmp_path: Path) -> None:
    """Two seeds of two arms; those that are judged are not counted again. None with --only or without intervals."""
    study = Study(load(tmp_path, values()), synthetic, tmp_path / "out", "smoke")
    one = by_id(make_plan(study))[PAIRED]
    splits, _ = make_arms(labelled(load_source(synthetic).cases, ""), 0)
    parts = list(splits["leak"].parts.values())
    train, validate, test = (parts.count(name) for name in ("train", "val", "test"))
    each = STEP * (train // 16) + (2 * validate + test) * STEP / 3 / 16 + EVALUATION
    assert (one.images, one.steps, one.remark) == (train, 4 * (train // 16), "2 seeds x 2 arms")
    assert one.seconds == pytest.approx(4 * each)
    runs = [arm_folder(study.out, arm, seed) for seed in (0, 1) for arm in ("clean", "leak")]
    write_json(runs[0] / "evaluation" / "test" / "metrics.json", {})
    assert by_id(make_plan(study))[PAIRED].seconds == pytest.approx(3 * each)
    for run in runs:
        write_json(run / "evaluation" / "test" / "metrics.json", {})
    assert (found := by_id(make_plan(study))[PAIRED]).seconds == 0 and found.remark == "done"
    assert PAIRED not in by_id(make_plan(replace(study, only=("rgb",))))
    assert PAIRED not in by_id(make_plan(replace(study, resamples=0)))


def test_what_is_done_takes_no_time(synthetic: Path, tmp_path: Path, measured: list[Any]) -> None:
    study = Study(load(tmp_path), synthetic, tmp_path / "out", "smoke", only=("rgb", "gray", "both"))
    for item in state.items(study.grid)[:2]:
        folder = state.folder_of(study.out, "paper", item)
        write_json(folder / "evaluation" / "val" / "metrics.json", {})
        write_json(folder / "model" / "bundle.json", {})
    found = by_id(make_plan(study))
    assert (found["rgb"].seconds, found["rgb"].remark) == (0, "done")
    assert found["both"].seconds and found[MAPS].seconds and found[MAPS].remark == "of 2 rows"
    rows = [state.folder_of(study.out, "paper", row) for row in study.grid.rows[:2]]
    folder = state.folder_of(study.out, "paper", study.grid.ensembles[0])
    write_json(folder / "model" / "bundle.json", {"members": {row.name: state.model_digest(row) for row in rows}})
    write_json(folder / "evaluation" / "val" / "metrics.json", {})
    write_json(study.out / "paper" / "attention.json", {})
    (study.out / "paper" / "views").mkdir()
    assert as_json(make_plan(study))["seconds"] == 0
    write_json(rows[0] / "model" / "bundle.json", {"another": True})
    assert by_id(make_plan(study))["both"].remark == "of rgb, gray"


def test_what_would_not_be_made(synthetic: Path, tmp_path: Path, measured: list[Any]) -> None:
    without = values()
    without["rows"][1]["set"]["site"] = "moon"
    (tmp_path / "weights").mkdir()
    study = Study(load(tmp_path, without), synthetic, tmp_path / "out", "smoke", weights=str(tmp_path / "weights"))
    planned = make_plan(study)
    remarks = {one.id: one.remark for one in planned}
    lost = "not run: ImageNet weights not reachable (file test_resnet.safetensors is missing)"
    assert remarks["rgb"] == remarks[PAIRED] == lost
    assert remarks["gray"].startswith("would fail: no image from body site 'moon'")
    assert remarks["mel-nv"] == remarks["both"] == remarks["mix"] == "not run: rgb is not done"
    assert (remarks[MAPS], remarks[SEVERAL]) == ("no model to look at", "no model to judge")
    assert not measured and all(one.seconds is None for one in planned)
    found = by_id(make_plan(replace(study, weights=None, only=("rgb", "both"))))
    assert {name: one.remark for name, one in found.items()} == {
        "rgb": "", "both": "not run: gray is not done", MAPS: "of 1 rows", SEVERAL: "of rgb",
    }  # fmt: skip
