"""What is chosen on the validation images: figures to choose by, and how much of the class prior answers use."""

from __future__ import annotations

import numpy as np

from lesionlab.evaluation.metrics import sample, scores
from lesionlab.evaluation.predictions import Predictions
from lesionlab.models.probabilities import softmax
from lesionlab.training.losses import prior_kept
from lesionlab.training.material import Material
from lesionlab.training.recipe import Recipe

PRIOR_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the class prior that `prior: auto` tries on the validation images."""


NEVER = -100.0
"""What is added to the logits of a diagnosis that was not among the training images: it is never answered."""


def validation_figures(truth: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Return every defined overall metric of probabilities (n, 7) against the classes truth (n,), without intervals."""
    names = tuple(str(row) for row in range(len(truth)))
    found = scores(sample(Predictions(names, names, truth, probabilities)), np.ones((1, len(truth)))).overall
    return {name: float(value[0]) for name, value in found.items() if np.isfinite(value[0])}


def prior_offset(recipe: Recipe, share: float, counts: np.ndarray) -> np.ndarray:
    """Return what is added to the logits, float64 (k,), so that answers use `share` of the class prior.

    A diagnosis without training images (`counts` 0) gets `NEVER`.
    """
    log_prior = np.log(counts.clip(1) / counts.sum())
    offset = (share - prior_kept(recipe)) * (log_prior - log_prior[counts > 0].mean())
    return np.asarray(np.where(counts > 0, offset, NEVER))


def combine_views(logits: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Return probabilities, float64 (n, k): the mean over views of softmax(logits (views, n, k) + offset)."""
    return np.asarray(softmax(logits + offset).mean(0))


def choose_prior(recipe: Recipe, logits: np.ndarray, material: Material) -> tuple[float, list[dict[str, float]]]:
    """Return the share of the class prior to use, and what was tried on the validation images.

    `auto` takes the share with the best mean of balanced accuracy and macro F1.
    """
    if recipe.prior != "auto":
        return (prior_kept(recipe) if recipe.prior == "as_trained" else float(recipe.prior)), []
    truth = material.labels[material.validate]
    tried = []
    for share in PRIOR_SHARES:
        figures = validation_figures(truth, combine_views(logits, prior_offset(recipe, share, material.counts)))
        tried.append({"share": share, **figures})
    best = max(tried, key=lambda row: row.get("balanced_accuracy", 0) + row.get("macro_f1", 0))
    return best["share"], tried
