"""How long things take on this machine, measured on a few training steps and one evaluation of each kind."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from lesionlab.diagnoses import CODES
from lesionlab.evaluation.predictions import Predictions
from lesionlab.models.backbones import create, freeze_layers, preprocessing
from lesionlab.report.evaluation import write_evaluation
from lesionlab.training.loop import Trainer
from lesionlab.training.recipe import Recipe
from lesionlab.training.records import Silent

STEPS = 3
"""Measured steps, after one that is not: the first one also plans and reserves memory."""

FORWARD = 1 / 3
"""A prediction's share of a training step's time: a step also goes backward, which costs twice as much."""

RESAMPLES = 40
"""Resamples of a measured evaluation."""


class Clock:
    """Estimates in seconds; each distinct network, image side, batch size and number of images is measured once."""

    def __init__(self) -> None:
        self._steps: dict[tuple[Any, ...], float] = {}
        self._evaluations: dict[tuple[int, int], float] = {}

    def step(self, recipe: Recipe, side: int) -> float:
        """Return the mean time of `STEPS` training steps on noise, from random weights."""
        key = (recipe.architecture, recipe.frozen_layers, side, recipe.batch_size, recipe.precision)
        if key not in self._steps:
            self._steps[key] = measure_step(recipe.model_copy(update={"size": side, "train_sizes": ()}))
        return self._steps[key]

    def answer(self, recipe: Recipe) -> float:
        """Return the time to predict one image with all views."""
        return recipe.views * self._look(recipe)

    def map(self, recipe: Recipe) -> float:
        """Return the time to answer one image and to draw the map of the answer, which goes backward too."""
        return self.answer(recipe) + self.step(recipe, recipe.size) / recipe.batch_size

    def training(self, recipe: Recipe, train: int, validate: int) -> float:
        """Return the time to train on so many images: all steps, every validation, and the views at the end."""
        look = self._look(recipe)
        if recipe.mode == "frozen":
            return look * (train + validate)
        steps = steps_in(recipe, train) * sum(
            self.step(recipe, recipe.size_at(epoch)) for epoch in range(recipe.epochs)
        )
        return steps + validate * (look * sum(map(recipe.validates, range(recipe.epochs))) + self.answer(recipe))

    def evaluation(self, images: int, resamples: int) -> float:
        """Return the time to judge answers: the figures, their intervals by `resamples`, and the pictures."""
        plain, few = self._evaluated(images, 0), self._evaluated(images, RESAMPLES)
        return plain + max(0.0, few - plain) * resamples / RESAMPLES

    def _look(self, recipe: Recipe) -> float:
        return FORWARD * self.step(recipe, recipe.size) / recipe.batch_size

    def _evaluated(self, images: int, resamples: int) -> float:
        if (images, resamples) not in self._evaluations:
            self._evaluations[images, resamples] = measure_evaluation(images, resamples)
        return self._evaluations[images, resamples]


def steps_in(recipe: Recipe, train: int) -> int:
    """Return the training steps of one epoch."""
    return max(1, train // recipe.batch_size)


def measure_step(recipe: Recipe) -> float:
    """Return the mean time of a training step of this very recipe."""
    model = create(recipe.architecture, "none", len(CODES), recipe.drop_rate, recipe.size)
    freeze_layers(model, recipe.frozen_layers)
    count = recipe.batch_size
    pixels = np.random.default_rng(0).integers(0, 256, (count, recipe.size, recipe.size, 3), np.uint8)
    rows, labels = np.arange(count), np.arange(count) % len(CODES)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model, preprocessing(model), pixels, labels, np.eye(len(CODES)), rows, rows, recipe, Path(folder), Silent()
        )
        trainer.model.train()
        batch = next(iter(trainer.batches.epoch(0)))
        trainer.train_step(batch)
        began = time.monotonic()
        for _ in range(STEPS):
            trainer.train_step(batch)
        return (time.monotonic() - began) / STEPS


def measure_evaluation(images: int, resamples: int) -> float:
    """Return the time of an evaluation of invented answers to so many images."""
    names = tuple(map(str, range(images)))
    truth = np.arange(images) % len(CODES)
    answers = Predictions(names, names, truth, np.random.default_rng(0).dirichlet(np.ones(len(CODES)), images))
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        write_evaluation(Path(folder), answers, resamples)
        return time.monotonic() - began
