"""The paired leak experiment on the synthetic source: what it tells, and that it goes on where it stopped."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from lesionlab.errors import BusyError, DataError, UsageError
from lesionlab.evaluation.metrics import OVERALL
from lesionlab.evaluation.predictions import read_predictions
from lesionlab.files import lock, read_json
from lesionlab.study.siblings import Experiment, run_siblings
from lesionlab.training.material import Job
from lesionlab.training.recipe import load_recipe
from lesionlab.training.records import Silent


@dataclass(frozen=True)
class Done:
    """A finished experiment and what it told."""

    experiment: Experiment
    told: dict[str, Any]


@pytest.fixture(scope="module")
def done(synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    recipe = load_recipe("tiny", ["size=32", "epochs=1", "views=1", "seed=5"])
    out = tmp_path_factory.mktemp("study")
    experiment = Experiment(
        synthetic, out, recipe, "none", (0, 1), resamples=60, cache=tmp_path_factory.mktemp("cache")
    )
    return Done(experiment, run_siblings(experiment, Silent()))


def answers(done: Done, arm: str, seed: int) -> Any:
    return read_predictions(done.experiment.folder / f"{arm}-{seed}" / "evaluation" / "test" / "predictions.csv")


def test_what_it_tells(done: Done) -> None:
    told, folder = done.told, done.experiment.out / "siblings"
    assert told == read_json(folder / "siblings.json")
    assert told["seeds"] == [0, 1] and told["weights"] == "none" and "seed" not in told["recipe"]
    assert told["images"]["test"] == sum(row["test"] for row in told["classes"].values()) > 0
    for name in OVERALL:
        gaps = [one["leak"][name] - one["clean"][name] for one in told["per_seed"] if one["leak"][name] is not None]
        if not gaps:
            assert told["pooled"][name]["value"] is None
            continue
        assert told["pooled"][name]["value"] == pytest.approx(np.mean(gaps))
        assert told["pooled"][name]["spread"] == pytest.approx(np.std(gaps, ddof=1))
        assert told["arms"]["leak"][name] - told["arms"]["clean"][name] == pytest.approx(np.mean(gaps))
        assert [one["difference"][name]["value"] for one in told["per_seed"]] == pytest.approx(gaps)


def test_the_runs_are_what_it_says(done: Done) -> None:
    """Both arms of a seed differ in their split alone; all answer the same images."""
    folder, told = done.experiment.folder, done.told
    for seed in (0, 1):
        described = {arm: read_json(folder / f"{arm}-{seed}" / "run.json") for arm in ("clean", "leak")}
        assert described["clean"]["recipe"] == described["leak"]["recipe"]
        assert described["clean"]["recipe"]["seed"] == seed
        assert {arm: one["split"]["fingerprint"] for arm, one in described.items()} == told["splits"]
        assert answers(done, "clean", seed).image_ids == answers(done, "leak", seed).image_ids
    assert not np.array_equal(answers(done, "clean", 0).probabilities, answers(done, "leak", 0).probabilities)


def test_a_second_call_repeats_nothing(done: Done) -> None:
    weights = done.experiment.folder / "clean-0" / "model" / "model.safetensors"
    before = weights.stat().st_mtime_ns
    with patch("lesionlab.study.siblings.evaluate_model") as evaluated:
        again = run_siblings(done.experiment, Silent())
    assert not evaluated.called and weights.stat().st_mtime_ns == before
    assert again["pooled"] == done.told["pooled"]


def test_a_run_that_another_process_is_at_is_left_to_it(done: Done) -> None:
    """The others are made meanwhile, and the last to finish tells of all; what nobody but others can make ends it."""
    folder, result = done.experiment.folder, done.experiment.folder / "siblings.json"
    result.unlink()
    with lock(folder / "leak-0", "the run folder"), pytest.raises(BusyError, match=r"leak-0.*in use"):
        run_siblings(done.experiment, Silent())
    assert read_json(result)["seeds"] == [1]

    def other(job: Job, *_: object) -> None:
        if job.out.name == "leak-0" and not met:
            met.append(job.out)
            raise BusyError("in use")

    met: list[Path] = []
    with patch("lesionlab.training.run.train", other):
        assert run_siblings(done.experiment, Silent())["pooled"] == done.told["pooled"] and met
    assert read_json(result)["seeds"] == [0, 1]


def test_an_interrupted_evaluation_is_made_again(done: Done) -> None:
    metrics = done.experiment.folder / "leak-1" / "evaluation" / "test" / "metrics.json"
    metrics.unlink()
    assert run_siblings(done.experiment, Silent())["pooled"] == done.told["pooled"]
    assert metrics.is_file()


def test_mistakes(done: Done, tmp_path: Path) -> None:
    other = done.experiment.recipe.model_copy(update={"epochs": 2})
    for changed, words in (({"recipe": other}, "other recipe"), ({"split_seed": 1}, "other splits")):
        with pytest.raises(DataError, match=words):
            run_siblings(replace(done.experiment, **changed), Silent())  # type: ignore[arg-type]
    for seeds in ((), (1, 1)):
        with pytest.raises(UsageError, match="different seeds"):
            run_siblings(replace(done.experiment, out=tmp_path, seeds=seeds), Silent())
    assert not list(tmp_path.iterdir())
