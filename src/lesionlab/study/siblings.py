"""The paired leak experiment: one test set, trained for once with and once without the test lesions' siblings.

`arms` tells how the two arms are made. Each is trained with the same recipe and every seed, and both are evaluated on
the same test images.
"""

from __future__ import annotations

import datetime
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lesionlab.data.cases import labelled
from lesionlab.data.sources import load_source
from lesionlab.data.splits import Split, read_split, write_split
from lesionlab.errors import BusyError, DataError, UsageError
from lesionlab.evaluation.intervals import check_resamples
from lesionlab.evaluation.metrics import OVERALL
from lesionlab.evaluation.paired import difference, mean_difference
from lesionlab.evaluation.predictions import Predictions, read_predictions
from lesionlab.files import read_json, write_json
from lesionlab.report.asking import answers_file
from lesionlab.report.evaluate_model import evaluate_model
from lesionlab.report.parts import Images
from lesionlab.study.arms import ARMS, make_arms
from lesionlab.training.material import Job
from lesionlab.training.progress import Reporter
from lesionlab.training.recipe import Recipe

FOLDER, RESULT = "siblings", "siblings.json"


@dataclass(frozen=True)
class Experiment:
    """What the paired experiment is made with.

    out : its runs and `RESULT` lie in the folder `FOLDER` inside it. recipe : of all runs, but for the seed.
    seeds : the training seeds. split_seed : of the grouped split, the same for all. weights, source, duplicates,
    cache, skip_bad : see `training.material.Job`.
    """

    data: Path
    out: Path
    recipe: Recipe
    weights: str = "imagenet"
    seeds: tuple[int, ...] = (0, 1, 2)
    split_seed: int = 0
    resamples: int = 2000
    source: str | None = None
    duplicates: tuple[tuple[str, ...], ...] = ()
    cache: Path | None = None
    skip_bad: bool = False

    @property
    def folder(self) -> Path:
        """Where the runs and the result lie."""
        return self.out / FOLDER

    @property
    def runs(self) -> list[Path]:
        """The folders of all runs."""
        return [arm_folder(self.out, arm, seed) for seed in self.seeds for arm in ARMS]


def arm_folder(out: Path, arm: str, seed: int) -> Path:
    """Return the folder of one of the experiment's runs."""
    return out / FOLDER / f"{arm}-{seed}"


def is_judged(run: Path) -> bool:
    """Return whether a run has answered the test images; metrics.json is what an evaluation writes last."""
    return (run / "evaluation" / "test" / "metrics.json").is_file()


def run_siblings(
    of: Experiment, screen: Reporter, progress: Callable[[str, int, int], None] | None = None
) -> dict[str, Any]:
    """Train and evaluate both arms with every seed, and return the content of `RESULT`.

    Runs that are finished are not repeated and an interrupted one is continued; the result is written after each seed.
    Processes may share the work: a run that another one is at is left to it while there are others to make.

    Keys
    ----
    recipe, weights, resamples, split_seed, command, created : how it was made. seeds : those that are done.
    splits : arm -> fingerprint. images : part -> count. classes : dx -> {test, siblings, train}.
    arms : arm -> metric -> mean over the seeds. per_seed : [{seed, clean, leak : metric -> value, difference : metric
    -> {value, low, high}}]. pooled : metric -> {value, low, high, spread}: the mean difference over the seeds, leak
    minus clean, with the 95 % interval of the paired lesion bootstrap; spread is the seeds' standard deviation.

    Raises `UsageError` for seeds that are none or doubled, `DataError` for a source without siblings, or a folder that
    holds another experiment; `BusyError` when other processes are at all that is left.
    """
    from lesionlab.training.run import train

    check_resamples(of.resamples)
    if not of.seeds or len(set(of.seeds)) != len(of.seeds):
        raise UsageError("the experiment needs different seeds, at least one", "for example --seeds 3")
    cases = labelled(load_source(of.data, of.source).cases, str(of.data))
    splits, classes = make_arms(cases, of.split_seed, of.duplicates)
    _check_folder(of, splits)
    jobs = {(seed, arm): _job(of, arm, seed) for seed in of.seeds for arm in ARMS}
    answers: dict[tuple[int, str], Predictions] = {}
    result: dict[str, Any] = {}
    while left := [key for key in jobs if key not in answers]:
        busy = []
        for seed, arm in left:
            try:
                train(jobs[seed, arm], screen, progress)
            except BusyError as error:
                busy.append(error)
                continue
            answers[seed, arm] = _predictions(of, jobs[seed, arm].out, progress)
            if all((seed, one) in answers for one in ARMS):
                result = _result(of, splits, classes, answers)
                write_json(of.folder / RESULT, result)
        if len(busy) == len(left):
            raise busy[0]
    return result


def _job(of: Experiment, arm: str, seed: int) -> Job:
    return Job(
        of.data, arm_folder(of.out, arm, seed), of.recipe.model_copy(update={"seed": seed}), of.source,
        str(of.folder / f"{arm}.csv"), None, of.weights, (), of.cache, of.skip_bad, resume=True,
    )  # fmt: skip


def _start(of: Experiment) -> str:
    """Return what the runs start from, without the folder, which may be another one on another machine."""
    return of.weights if of.weights in ("imagenet", "none") else Path(of.weights).name


def _check_folder(of: Experiment, splits: Mapping[str, Split]) -> None:
    """Write both splits and how the runs are made; `DataError` when another experiment lies in the folder."""
    settings = {"recipe": of.recipe.model_dump(mode="json", exclude={"seed"}), "weights": _start(of)}
    made = settings | {"splits": {arm: split.fingerprint for arm, split in splits.items()}}
    path = of.folder / "experiment.json"
    if path.is_file() and (before := read_json(path)) != made:
        changed = ", ".join(key for key in made if before.get(key) != made[key])
        raise DataError(f"{of.folder}: another experiment lies here (other {changed})", "choose another --out")
    for arm, split in splits.items():
        file = of.folder / f"{arm}.csv"
        if not file.is_file() or read_split(file).fingerprint != split.fingerprint:
            write_split(file, split)
    write_json(path, made)


def _predictions(of: Experiment, run: Path, progress: Callable[[str, int, int], None] | None) -> Predictions:
    """Return the answers to the test images, made now unless the run has them."""
    if not is_judged(run):
        images = Images(of.data, of.source, of.cache, of.skip_bad, progress)
        evaluate_model(run, images, "test", resamples=of.resamples, command=" ".join(sys.argv))
    return read_predictions(answers_file(run, "test"))


def _result(
    of: Experiment,
    splits: Mapping[str, Split],
    classes: Mapping[str, Mapping[str, int]],
    answers: Mapping[tuple[int, str], Predictions],
) -> dict[str, Any]:
    """Return the content of `RESULT` for the seeds that are done: those with answers of both arms."""
    done = [seed for seed in of.seeds if all((seed, arm) in answers for arm in ARMS)]
    pairs = [(answers[seed, ARMS[0]], answers[seed, ARMS[1]]) for seed in done]
    values: list[dict[str, Any]] = [
        {arm: _values(arm_folder(of.out, arm, seed)) for arm in ARMS} | {"seed": seed} for seed in done
    ]
    per_seed = [one | {"difference": difference(*pair, of.resamples)} for one, pair in zip(values, pairs, strict=True)]
    pooled = mean_difference(pairs, of.resamples)
    parts = Counter(splits["clean"].parts.values())
    return {
        "experiment": "siblings",
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": " ".join(sys.argv),
        "recipe": of.recipe.model_dump(mode="json", exclude={"seed"}),
        "weights": _start(of),
        "resamples": of.resamples,
        "split_seed": of.split_seed,
        "seeds": done,
        "splits": {arm: split.fingerprint for arm, split in splits.items()},
        "images": {part: parts[part] for part in ("train", "val", "test")},
        "classes": classes,
        "arms": {arm: {name: _mean([one[arm][name] for one in values]) for name in OVERALL} for arm in ARMS},
        "per_seed": per_seed,
        "pooled": {name: pooled[name] | {"spread": _spread(name, per_seed)} for name in OVERALL},
    }


def _values(run: Path) -> dict[str, float | None]:
    metrics = read_json(run / "evaluation" / "test" / "metrics.json")["metrics"]
    return {name: metrics[name]["value"] for name in OVERALL}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _spread(name: str, per_seed: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the standard deviation over the seeds (n - 1) of a metric's difference; None for a single seed."""
    values = [one["difference"][name]["value"] for one in per_seed]
    known = [value for value in values if value is not None]
    return float(np.std(known, ddof=1)) if len(known) > 1 else None
