"""The optimiser and its learning rate over time."""

from __future__ import annotations

import math

import torch
from torch import nn

from lesionlab.models.backbones import head_parameters
from lesionlab.training.recipe import Recipe


def build_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return Adam or AdamW with a rate of its own for the head; vectors (norms, biases) do not decay."""
    head = {id(parameter) for parameter in head_parameters(model)}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            groups.setdefault((id(parameter) in head, parameter.ndim > 1), []).append(parameter)
    settings = [
        {
            "params": parameters,
            "lr": recipe.learning_rate * (recipe.head_rate if is_head else 1.0),
            "weight_decay": recipe.weight_decay if decays else 0.0,
        }
        for (is_head, decays), parameters in groups.items()
    ]
    kind = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    return kind(settings, fused=True)


def rate_factor(step: int, steps_per_epoch: int, recipe: Recipe) -> float:
    """Return the learning rate's factor: linear warm-up, then a half cosine or a constant."""
    warmup = recipe.warmup_epochs * steps_per_epoch
    rise = min(1.0, (step + 1) / warmup) if warmup else 1.0
    if recipe.schedule == "constant":
        return rise
    return rise * 0.5 * (1 + math.cos(math.pi * min(1.0, step / (recipe.epochs * steps_per_epoch))))
