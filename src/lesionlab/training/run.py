"""One training run, from a source to a run folder that describes itself."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env
from torch import nn

from lesionlab.data import splits
from lesionlab.data.cases import Case, fingerprint, labelled, write_cases
from lesionlab.data.packs import Pack, default_cache, pack
from lesionlab.data.sources import by_site, load_source
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError, UsageError
from lesionlab.files import checksum, lock, read_json, write_json
from lesionlab.models.backbones import create, head_names, preprocessing
from lesionlab.prediction.predictor import softmax
from lesionlab.training.loop import Reporter, Trainer, class_labels, validation_figures
from lesionlab.training.losses import prior_kept
from lesionlab.training.probe import cached_features, fit_head
from lesionlab.training.recipe import Recipe, write_recipe
from lesionlab.training.records import RunRecorder
from lesionlab.training.signals import StopRequest

PRIOR_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the class prior that `prior: auto` tries on the validation images."""


@dataclass(frozen=True)
class Job:
    """What to train on what, and where to.

    split : protocol name (paper, grouped) or the path of a split file, of which `fold` names a fold;
    weights : "imagenet", "none" or a file; duplicates : clusters of images known to show one lesion.
    """

    data: Path
    out: Path
    recipe: Recipe
    source: str | None = None
    split: str = "grouped"
    fold: int | None = None
    weights: str = "imagenet"
    duplicates: tuple[tuple[str, ...], ...] = ()
    cache: Path | None = None
    skip_bad: bool = False
    resume: bool = False
    tensorboard: bool = False


@dataclass(frozen=True)
class Material:
    """Everything that training needs, read and checked."""

    kind: str
    pack: Pack
    split: splits.Split
    labels: np.ndarray
    train: np.ndarray
    validate: np.ndarray


def train(job: Job, screen: Reporter, progress: Callable[[str, int, int], None] | None = None) -> dict[str, Any]:
    """Train, choose on validation, write the model, and return the content of run.json.

    Under `accelerate launch` the main process writes and the others only compute. Raises `UserError` for every
    fault of data, recipe, weights or disk, and `RunStoppedError` after a signal, with the checkpoint saved.
    """
    state = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))
    main = state.is_main_process
    with lock(job.out, "the run folder") if main else contextlib.nullcontext():
        state.wait_for_everyone()
        if finished := _check_folder(job):
            return finished if main else {}
        with state.main_process_first():
            material = prepare(job, progress)
        torch.manual_seed(job.recipe.seed)
        model = create(job.recipe.architecture, job.weights, len(CODES), job.recipe.drop_rate, job.recipe.size)
        if main:
            _begin_folder(job, material)
        recorder = RunRecorder(job.out, screen if main else Silent(), job.tensorboard and main)
        if job.recipe.mode == "frozen":  # nothing to save half-way: a signal ends it at once
            model, outcome = _probe(job, material, model, progress)
        else:
            with StopRequest() as stop:
                model, outcome = _finetune(job, material, model, recorder, stop)
        return _finish(job, material, model, outcome) if main else {}


class Silent:
    """A reporter that says nothing."""

    def step(self, epoch: int, position: int, steps: int, figures: dict[str, float]) -> None:
        """Ignore a step."""

    def epoch(self, row: dict[str, Any]) -> None:
        """Ignore an epoch."""


def prepare(job: Job, progress: Callable[[str, int, int], None] | None = None) -> Material:
    """Read the source, split it, pack its pixels."""
    listing = load_source(job.data, job.source)
    missing = [problem for problem in listing.problems if problem.kind == "missing image"]
    if missing and not job.skip_bad:
        named = ", ".join(problem.image_id for problem in missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise DataError(
            f"{job.data}: {len(missing)} labelled images are missing: {named}",
            "bring them back, or leave them out with --skip-bad",
        )
    cases = labelled(listing.cases, str(job.data))
    if job.recipe.site:
        cases = by_site(cases, job.recipe.site)
    split = choose_split(job, cases)
    pixels = pack(
        cases, job.recipe.size, job.cache, job.skip_bad,
        (lambda done, total: progress("packing images", done, total)) if progress else None,
    )  # fmt: skip
    labels = class_labels([case.dx for case in pixels.cases], CODES)
    parts = {part: pixels.rows({c.image_id for c in split.select(pixels.cases, part)}) for part in ("train", "val")}
    return Material(listing.kind, pixels, split, labels, parts["train"], parts["val"])


def choose_split(job: Job, cases: list[Case]) -> splits.Split:
    """Return the run's own split on resuming, else the one that the job names."""
    if job.resume and (job.out / "split.csv").is_file():
        return splits.read_split(job.out / "split.csv")
    protocols = {
        "paper": lambda: splits.paper(cases, job.recipe.seed),
        "grouped": lambda: splits.grouped(cases, job.recipe.seed, job.duplicates),
    }
    if job.split in protocols:
        return protocols[job.split]()
    if not Path(job.split).is_file():
        raise UsageError(f"--split {job.split}: neither a protocol nor a file", f"protocols: {', '.join(protocols)}")
    split = splits.read_split(Path(job.split))
    if job.fold is not None:
        return split.fold(job.fold)
    if split.protocol == "kfold":
        raise UsageError(f"{job.split}: a k-fold split has no train part", "take one fold: --fold N")
    return split


def _check_folder(job: Job) -> dict[str, Any] | None:
    """Return run.json of a finished run that is resumed; raise when the folder belongs to something else."""
    if not (job.out / "run.json").is_file():
        if any(path.name != ".lock" for path in job.out.iterdir()):
            raise UsageError(f"{job.out}: the folder is not empty and holds no run", "choose another --out")
        return None
    described: dict[str, Any] = read_json(job.out / "run.json")
    if not job.resume:
        raise UsageError(f"{job.out}: a run is here already", "continue it with --resume, or choose another --out")
    if described["recipe"] != job.recipe.model_dump(mode="json"):
        changed = [k for k, v in job.recipe.model_dump(mode="json").items() if described["recipe"].get(k) != v]
        raise UsageError(f"{job.out}: the run has other settings ({', '.join(changed)})", "repeat its recipe and --set")
    return described if described["status"] == "finished" else None


def _begin_folder(job: Job, material: Material) -> None:
    """Write recipe.yaml, split.csv, cases.csv and run.json before the first step."""
    described = describe(job, material)
    if job.resume and (job.out / "run.json").is_file():
        before = read_json(job.out / "run.json")["data"]
        if any(before[name] != described["data"][name] for name in ("cases", "pixels")):
            raise DataError(f"{job.data}: not the images that the run began with", "train anew into another --out")
        return
    write_recipe(job.out / "recipe.yaml", job.recipe)
    splits.write_split(job.out / "split.csv", material.split)
    write_cases(job.out / "cases.csv", material.pack.cases)
    write_json(job.out / "run.json", described)


def describe(job: Job, material: Material) -> dict[str, Any]:
    """Return what run.json says before training: command, versions, data, split, weights, settings."""
    parts = list(material.split.parts.values())
    weights: Any = job.weights
    if job.weights not in ("imagenet", "none"):
        weights = {"file": Path(job.weights).name, "sha256": checksum(Path(job.weights))}
    return {
        "status": "training",
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": " ".join(sys.argv),
        "versions": versions(),
        "machine": {
            "system": platform.platform(),
            "threads": torch.get_num_threads(),
            "cuda": torch.cuda.is_available(),
        },
        "data": {
            "source": material.kind,
            "images": len(material.pack.cases),
            "left_out": [problem.image_id for problem in material.pack.left_out],
            "cases": fingerprint(material.pack.cases),
            "pixels": material.pack.fingerprint,
        },
        "split": {
            "protocol": material.split.protocol,
            "seed": material.split.seed,
            "fingerprint": material.split.fingerprint,
            "images": {part: parts.count(part) for part in sorted(set(parts))},
        },
        "weights": weights,
        "recipe": job.recipe.model_dump(mode="json"),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python, lesionlab and the libraries that shape a result."""
    names = (
        "lesionlab",
        "torch",
        "torchvision",
        "timm",
        "accelerate",
        "numpy",
        "pillow",
        "scikit-learn",
        "onnxruntime",
    )
    found = {"python": platform.python_version()}
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _finetune(
    job: Job, material: Material, model: nn.Module, recorder: RunRecorder, stop: StopRequest
) -> tuple[nn.Module, dict[str, Any]]:
    trainer = Trainer(
        model, preprocessing(model), material.pack.pixels, material.labels, material.train, material.validate,
        job.recipe, job.out, recorder,
    )  # fmt: skip
    if job.resume:
        trainer.resume()
    if trainer.accelerator.is_main_process:
        recorder.begin(trainer.progress.history)
    trainer.fit(stop)
    if not trainer.accelerator.is_main_process:
        return model, {}
    model = trainer.best_model()
    logits = trainer.predict(material.validate, job.recipe.views)
    prior, chosen = choose_prior(job.recipe, logits, material)
    outcome = {
        "best_epoch": trainer.progress.best_epoch,
        "epochs": len(trainer.progress.history),
        "training": recorder.spent(),
        "prior": prior,
        "prior_tried": chosen,
        "logits": logits,
    }
    return model.cpu(), outcome


def _probe(
    job: Job, material: Material, model: nn.Module, progress: Callable[[str, int, int], None] | None
) -> tuple[nn.Module, dict[str, Any]]:
    def score(truth: np.ndarray, probabilities: np.ndarray) -> float:
        return validation_figures(truth, probabilities)["balanced_accuracy"]

    found = cached_features(
        model, preprocessing(model), material.pack, job.recipe.colour, job.cache or default_cache(),
        (lambda done, total: progress("extracting features", done, total)) if progress else None,
    )  # fmt: skip
    balanced = job.recipe.loss == "weighted"
    weight, bias, tried = fit_head(found, material.labels, material.train, material.validate, balanced, score)
    names = head_names(model)
    state = dict(zip(sorted(names), (torch.from_numpy(bias).float(), torch.from_numpy(weight).float()), strict=True))
    model.load_state_dict(state, strict=False)
    logits = (found[material.validate] @ weight.T + bias)[None].astype(np.float32)
    prior, chosen = choose_prior(job.recipe, logits, material)
    return model.eval(), {"penalties_tried": tried, "prior": prior, "prior_tried": chosen, "logits": logits}


def prior_offset(recipe: Recipe, share: float, counts: np.ndarray) -> np.ndarray:
    """Return what is added to the logits, float64 (k,), so that answers use `share` of the class prior."""
    log_prior = np.log(counts.clip(1) / counts.sum())
    return np.asarray((share - prior_kept(recipe)) * (log_prior - log_prior.mean()))


def combine_views(logits: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Return probabilities, float64 (n, k): the mean over views of softmax(logits (views, n, k) + offset)."""
    return np.asarray(softmax(logits + offset).mean(0))


def choose_prior(recipe: Recipe, logits: np.ndarray, material: Material) -> tuple[float, list[dict[str, float]]]:
    """Return the share of the class prior to use, and what was tried on the validation images.

    `auto` takes the share with the best mean of balanced accuracy and macro F1.
    """
    if recipe.prior != "auto":
        return (prior_kept(recipe) if recipe.prior == "as_trained" else float(recipe.prior)), []
    counts = np.bincount(material.labels[material.train], minlength=len(CODES))
    truth = material.labels[material.validate]
    tried = []
    for share in PRIOR_SHARES:
        figures = validation_figures(truth, combine_views(logits, prior_offset(recipe, share, counts)))
        tried.append({"share": share, **figures})
    best = max(tried, key=lambda row: row.get("balanced_accuracy", 0) + row.get("macro_f1", 0))
    return best["share"], tried


def _finish(job: Job, material: Material, model: nn.Module, outcome: dict[str, Any]) -> dict[str, Any]:
    """Write the model and close run.json with what validation says."""
    from lesionlab.models.bundle import BundleDetails, write_bundle

    logits = outcome.pop("logits")
    counts = np.bincount(material.labels[material.train], minlength=len(CODES))
    offset = prior_offset(job.recipe, outcome["prior"], counts)
    figures = validation_figures(material.labels[material.validate], combine_views(logits, offset))
    described: dict[str, Any] = read_json(job.out / "run.json")
    described |= {"status": "finished", **outcome, "validation": figures}
    write_bundle(
        job.out / "model",
        model,
        BundleDetails(
            architecture=job.recipe.architecture,
            colour=job.recipe.colour,
            size=job.recipe.size,
            prior_offset=offset.tolist(),
            views=job.recipe.views,
            training={key: described[key] for key in ("created", "data", "split", "weights", "recipe")},
            metrics={"validation": figures},
        ),
    )
    write_json(job.out / "run.json", described)
    return described
