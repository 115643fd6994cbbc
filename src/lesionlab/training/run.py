"""One training run, from a source to a run folder that describes itself."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env
from torch import nn

from lesionlab.data.packs import default_cache
from lesionlab.diagnoses import CODES
from lesionlab.files import lock, read_json, write_json
from lesionlab.models.backbones import create, freeze_layers, head_names, preprocessing
from lesionlab.models.bundle import BundleDetails
from lesionlab.models.writing import write_bundle
from lesionlab.training.choosing import choose_prior, prior_offset, validation_figures
from lesionlab.training.deciding import decide_run
from lesionlab.training.folder import begin_folder, check_folder
from lesionlab.training.loop import Trainer
from lesionlab.training.material import Job, Material, prepare
from lesionlab.training.probe import cached_features, fit_head
from lesionlab.training.progress import Reporter
from lesionlab.training.records import RunRecorder, Silent
from lesionlab.training.signals import StopRequest

PARTING_SECONDS = 0.5


def train(job: Job, screen: Reporter, progress: Callable[[str, int, int], None] | None = None) -> dict[str, Any]:
    """Train, choose on validation, write the model, and return the content of run.json.

    Under `accelerate launch` the main process writes and the others only compute. Raises `UserError` for every
    fault of data, recipe, weights or disk, and `RunStoppedError` after a signal, with the checkpoint saved.
    """
    state = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))
    main = state.is_main_process
    with lock(job.out, "the run folder") if main else contextlib.nullcontext():
        state.wait_for_everyone()
        if finished := check_folder(job):
            return finished if main else {}
        with state.main_process_first():
            material = prepare(job, progress)
        torch.manual_seed(job.recipe.seed)
        model = create(job.recipe.architecture, job.weights, len(CODES), job.recipe.drop_rate, job.recipe.size)
        if main:
            begin_folder(job, material)
        recorder = RunRecorder(job.out, screen if main else Silent(), job.tensorboard and main)
        if job.recipe.mode == "frozen":  # nothing to save half-way: a signal ends it at once
            model, outcome = _probe(job, material, model, progress)
        else:
            with StopRequest() as stop:
                model, outcome = _finetune(job, material, model, recorder, stop)
        described = _finish(job, material, model, outcome, progress) if main else {}
    part(state)
    return described


def part(state: PartialState) -> None:
    """Leave the other processes when all are done: one that leaves before can take another down.

    Gloo's thread takes Python's lock once more after a barrier (torch 2.13). Whoever ends the group just then, with
    that lock, waits for the thread forever; so the thread is given time.
    """
    state.wait_for_everyone()
    if state.num_processes > 1:
        time.sleep(PARTING_SECONDS)
    state.destroy_process_group()


def _finetune(
    job: Job, material: Material, model: nn.Module, recorder: RunRecorder, stop: StopRequest
) -> tuple[nn.Module, dict[str, Any]]:
    freeze_layers(model, job.recipe.frozen_layers)
    trainer = Trainer(
        model, preprocessing(model), material.pack.pixels, material.labels, material.possible, material.train,
        material.validate, job.recipe, job.out, recorder,
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
    }
    return model.cpu(), outcome


def _probe(
    job: Job, material: Material, model: nn.Module, progress: Callable[[str, int, int], None] | None
) -> tuple[nn.Module, dict[str, Any]]:
    def score(truth: np.ndarray, probabilities: np.ndarray) -> float:
        return validation_figures(truth, probabilities)["balanced_accuracy"]

    found = cached_features(
        model, preprocessing(model), material.pack, job.recipe.colour, job.recipe.precision,
        job.cache or default_cache(),
        (lambda done, total: progress("extracting features", done, total)) if progress else None,
    )  # fmt: skip
    balanced = job.recipe.loss == "weighted"
    weight, bias, tried = fit_head(found, material.labels, material.train, material.validate, balanced, score)
    names = head_names(model)
    state = dict(zip(sorted(names), (torch.from_numpy(bias).float(), torch.from_numpy(weight).float()), strict=True))
    model.load_state_dict(state, strict=False)
    logits = (found[material.validate] @ weight.T + bias)[None].astype(np.float32)
    prior, chosen = choose_prior(job.recipe, logits, material)
    return model.eval(), {"penalties_tried": tried, "prior": prior, "prior_tried": chosen}


def _finish(
    job: Job, material: Material, model: nn.Module, outcome: dict[str, Any],
    progress: Callable[[str, int, int], None] | None,
) -> dict[str, Any]:  # fmt: skip
    """Write the model with its decisions and close run.json with what validation says."""
    described: dict[str, Any] = read_json(job.out / "run.json")
    described |= {"status": "finished", **outcome}
    bundle = write_bundle(
        job.out / "model",
        model,
        BundleDetails(
            architecture=job.recipe.architecture,
            colour=job.recipe.colour,
            size=job.recipe.size,
            frame_aspect=job.recipe.photo_aspect,
            prior_offset=prior_offset(job.recipe, outcome["prior"], material.counts).tolist(),
            views=job.recipe.views,
            training={key: described[key] for key in ("created", "data", "split", "weights", "recipe")},
        ),
    )
    described["validation"] = decide_run(bundle, material, job.out, progress)
    write_json(job.out / "run.json", described)
    return described
