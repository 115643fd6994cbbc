"""Losses over soft targets. A new loss is one function and one row of `LOSSES`.

Each function takes logits (n, k) and targets (n, k) whose rows sum to 1, and returns one loss per
image (n,). The mean is then taken over images, never over weights, so that the sum over several
processes is the loss of the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lesionlab.training.recipe import Recipe


@dataclass(frozen=True)
class Context:
    """What a loss may know: training images per class as they are drawn, float (k,) on any scale, and the recipe."""

    counts: Tensor
    recipe: Recipe

    @property
    def log_prior(self) -> Tensor:
        """Log share of each class among the training images, (k,)."""
        return (self.counts / self.counts.sum()).log()

    def weights(self, power: float) -> Tensor:
        """Return inverse class frequencies to `power`, (k,), scaled to mean 1 over the training images."""
        weights = self.counts**-power
        return weights * self.counts.sum() / (weights * self.counts).sum()


def cross_entropy(logits: Tensor, targets: Tensor, context: Context) -> Tensor:
    """Plain cross-entropy."""
    return -(targets * F.log_softmax(logits, 1)).sum(1)


def weighted(logits: Tensor, targets: Tensor, context: Context) -> Tensor:
    """Cross-entropy with inverse class frequencies as weights."""
    return (targets @ context.weights(1.0)) * cross_entropy(logits, targets, context)


def sqrt_weighted(logits: Tensor, targets: Tensor, context: Context) -> Tensor:
    """Cross-entropy with the square root of inverse class frequencies as weights."""
    return (targets @ context.weights(0.5)) * cross_entropy(logits, targets, context)


def focal(logits: Tensor, targets: Tensor, context: Context) -> Tensor:
    """Focal loss (Lin et al. 2017, arXiv 1708.02002): cross-entropy times (1 - p)^gamma."""
    log_p = F.log_softmax(logits, 1)
    # Clamped because the slope of x^gamma at 0 is infinite for gamma < 1, and a certain answer has x = 0.
    doubt = (-torch.expm1(log_p)).clamp_min(1e-6)
    return -(targets * doubt**context.recipe.focal_gamma * log_p).sum(1)


def logit_adjusted(logits: Tensor, targets: Tensor, context: Context) -> Tensor:
    """Cross-entropy of logits + tau log prior (Menon et al. 2021, arXiv 2007.07314, equation 10)."""
    return cross_entropy(adjusted(logits, context), targets, context)


def adjusted(logits: Tensor, context: Context) -> Tensor:
    """Return logits + tau log prior."""
    return logits + context.recipe.tau * context.log_prior


@dataclass(frozen=True)
class Loss:
    """A loss, the share of the class prior that a model trained with it keeps in its answers, and its probabilities.

    log_odds : turns logits (n, k) into what the loss takes the softmax of.
    """

    function: Callable[[Tensor, Tensor, Context], Tensor]
    prior_kept: Callable[[Recipe], float]
    log_odds: Callable[[Tensor, Context], Tensor] = lambda logits, context: logits


LOSSES: dict[str, Loss] = {
    "cross_entropy": Loss(cross_entropy, lambda recipe: 1.0),
    "weighted": Loss(weighted, lambda recipe: 0.0),
    "sqrt_weighted": Loss(sqrt_weighted, lambda recipe: 0.5),
    "focal": Loss(focal, lambda recipe: 1.0),
    "logit_adjusted": Loss(logit_adjusted, lambda recipe: 1.0 - recipe.tau, adjusted),
}


def prior_kept(recipe: Recipe) -> float:
    """Return how much of the class prior answers contain after training: 1 as the data has it, 0 none."""
    return recipe.sampler_power * LOSSES[recipe.loss].prior_kept(recipe)


def soften(targets: Tensor, smoothing: float) -> Tensor:
    """Return targets (n, k) with `smoothing` of the mass spread evenly."""
    return targets * (1 - smoothing) + smoothing / targets.shape[1]


def among(possible: Tensor, log_odds: Tensor) -> Tensor:
    """Return targets (n, k): the network's own probabilities among the possible diagnoses, float (n, k) of 0 and 1.

    Where one is possible that is the label. Where several are, cross-entropy with these targets has the gradient of
    -log of the sum of their probabilities (Grandvalet 2002): it says that one of them is right, and not which.
    """
    return (log_odds.detach() + possible.log()).softmax(1)


def mix(images: Tensor, targets: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Mix neighbours 0-1, 2-3, ... with weights `share` (n,) (mixup, arXiv 1710.09412).

    Partners stand side by side in the batch, so slices of it mix as the whole would.
    """
    # The last image of an odd batch is its own partner.
    partner = (torch.arange(len(images), device=images.device) ^ 1).clamp(max=len(images) - 1)
    weight = share.view(-1, 1, 1, 1)
    mixed = images * weight + images[partner] * (1 - weight)
    return mixed, targets * share[:, None] + targets[partner] * (1 - share[:, None])
