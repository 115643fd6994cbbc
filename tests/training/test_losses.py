"""Each loss against torch's own or a formula written out; the share of the class prior it leaves."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lesionlab.training.losses import LOSSES, Context, among, mix, prior_kept, soften
from lesionlab.training.recipe import Recipe

COUNTS = torch.tensor([33.0, 51.0, 110.0, 12.0, 111.0, 670.0, 14.0])


@pytest.fixture
def logits() -> Tensor:
    return torch.randn(20, 7, generator=torch.Generator().manual_seed(0)) * 3


@pytest.fixture
def labels() -> Tensor:
    return torch.arange(20) % 7


def context(**settings: object) -> Context:
    return Context(COUNTS, Recipe.model_validate(settings))


def one_hot(labels: Tensor) -> Tensor:
    return F.one_hot(labels, 7).float()


def test_cross_entropy_is_torchs(logits: Tensor, labels: Tensor) -> None:
    found = LOSSES["cross_entropy"].function(logits, one_hot(labels), context())
    assert torch.allclose(found, F.cross_entropy(logits, labels, reduction="none"))


@pytest.mark.parametrize("smoothing", [0.05, 0.3])
def test_soft_labels_are_torchs_label_smoothing(logits: Tensor, labels: Tensor, smoothing: float) -> None:
    targets = soften(one_hot(labels), smoothing)
    assert torch.allclose(targets.sum(1), torch.ones(20))
    assert float(targets[0, 0]) == pytest.approx(1 - smoothing + smoothing / 7)
    found = LOSSES["cross_entropy"].function(logits, targets, context())
    expected = F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)
    assert torch.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(("name", "power"), [("weighted", 1.0), ("sqrt_weighted", 0.5)])
def test_weighted_losses_are_torchs_with_these_weights(logits: Tensor, labels: Tensor, name: str, power: float) -> None:
    weights = COUNTS**-power
    weights = weights / ((weights * COUNTS).sum() / COUNTS.sum())
    found = LOSSES[name].function(logits, one_hot(labels), context())
    assert torch.allclose(found, F.cross_entropy(logits, labels, weights, reduction="none"))
    assert torch.allclose(context().weights(power), weights)


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_the_mean_weight_of_a_training_image_is_1(power: float) -> None:
    per_image = context().weights(power).repeat_interleave(COUNTS.long())
    assert float(per_image.mean()) == pytest.approx(1, abs=1e-5)


def test_full_weights_give_each_class_the_same_total() -> None:
    totals = context().weights(1.0) * COUNTS
    assert torch.allclose(totals, totals[0].expand(7))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_focal_with_gamma_0_is_cross_entropy(logits: Tensor, labels: Tensor, smoothing: float) -> None:
    targets = soften(one_hot(labels), smoothing)
    found = LOSSES["focal"].function(logits, targets, context(focal_gamma=0))
    assert torch.allclose(found, LOSSES["cross_entropy"].function(logits, targets, context()))


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_focal_is_its_formula(logits: Tensor, labels: Tensor, gamma: float) -> None:
    p = logits.softmax(1)[torch.arange(20), labels]
    found = LOSSES["focal"].function(logits, one_hot(labels), context(focal_gamma=gamma))
    assert torch.allclose(found, -((1 - p) ** gamma) * p.log(), atol=1e-5)


def test_logit_adjusted_is_its_formula(logits: Tensor, labels: Tensor) -> None:
    prior = COUNTS / COUNTS.sum()
    for tau in (0.0, 0.5, 1.0):
        adjusted = logits + tau * prior.log()
        expected = torch.logsumexp(adjusted, 1) - adjusted[torch.arange(20), labels]
        found = LOSSES["logit_adjusted"].function(logits, one_hot(labels), context(tau=tau))
        assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_one_figure_per_image_and_does_not_mind_its_neighbours(
    logits: Tensor, labels: Tensor, name: str
) -> None:
    """The mean over a batch is the mean of its slices' means, so processes can share a batch."""
    function, targets = LOSSES[name].function, soften(one_hot(labels), 0.1)
    whole = function(logits, targets, context())
    assert whole.shape == (20,) and (whole >= 0).all()
    halves = [function(logits[part], targets[part], context()).mean() for part in (slice(10), slice(10, 20))]
    assert torch.allclose(torch.stack(halves).mean(), whole.mean())


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_follows_mixed_targets_between_its_ends(logits: Tensor, name: str) -> None:
    """Every loss is linear in its targets; weights are those of the classes in the mixture."""
    function = LOSSES[name].function
    first, second = (one_hot(torch.full((20,), k)) for k in (2, 5))
    mixed = function(logits, (first + second) / 2, context())
    low, high = function(logits, first, context()), function(logits, second, context())
    if name in ("weighted", "sqrt_weighted"):
        weights = context().weights(1.0 if name == "weighted" else 0.5)
        plain = LOSSES["cross_entropy"].function(logits, (first + second) / 2, context())
        assert torch.allclose(mixed, (weights[2] + weights[5]) / 2 * plain)
    else:
        assert torch.allclose(mixed, (low + high) / 2, atol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_certain_answers_have_a_finite_loss_and_slope(name: str, gamma: float) -> None:
    logits = torch.tensor([[200.0] + [0.0] * 6, [0.0] * 6 + [200.0]], requires_grad=True)
    targets = soften(one_hot(torch.tensor([0, 0])), 0.05)
    for wanted in (targets, one_hot(torch.tensor([0, 0]))):
        loss = LOSSES[name].function(logits, wanted, context(focal_gamma=gamma)).sum()
        (slope,) = torch.autograd.grad(loss, logits)
        assert torch.isfinite(loss) and torch.isfinite(slope).all()


@pytest.mark.parametrize("name", LOSSES)
def test_prior_kept_is_what_the_best_answers_keep(name: str) -> None:
    """With the same pixels for every image, the best answer is the prior to the power of `prior_kept`."""
    recipe = Recipe(loss=name, label_smoothing=0, focal_gamma=0, tau=0.7, ema=0)  # type: ignore[arg-type]
    counts = torch.tensor([10.0, 40.0, 150.0])
    answer = torch.zeros(3, requires_grad=True)
    optimiser = torch.optim.LBFGS([answer], max_iter=200, line_search_fn="strong_wolfe")

    def step() -> Tensor:
        optimiser.zero_grad()
        each = LOSSES[name].function(answer.expand(3, 3), torch.eye(3), Context(counts, recipe))
        loss = (counts * each).sum() / counts.sum()
        loss.backward()
        return loss

    optimiser.step(step)  # type: ignore[arg-type]
    expected = ((counts / counts.sum()) ** prior_kept(recipe)).log().log_softmax(0)
    assert torch.allclose(answer.detach().log_softmax(0), expected, atol=2e-3)


def test_prior_kept_by_a_balanced_sampler_is_none() -> None:
    assert prior_kept(Recipe(sampler="balanced", loss="cross_entropy")) == 0
    assert prior_kept(Recipe(sampler="balanced", loss="focal")) == 0
    assert prior_kept(Recipe(loss="cross_entropy")) == 1
    assert prior_kept(Recipe(loss="logit_adjusted", tau=0.25)) == 0.75


def test_mixing_is_symmetric_within_pairs() -> None:
    images = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 2, 2)
    targets = one_hot(torch.tensor([0, 1, 2, 3]))
    mixed, soft = mix(images, targets, torch.tensor([0.75, 0.75, 0.1, 0.1]))
    assert torch.allclose(mixed[:, 0, 0, 0], torch.tensor([0.25, 0.75, 2.9, 2.1]))
    assert torch.allclose(soft.sum(1), torch.ones(4))
    assert torch.allclose(soft[0, :2], torch.tensor([0.75, 0.25])) and torch.allclose(
        soft[3, 2:4], torch.tensor([0.9, 0.1])
    )


def test_slices_of_a_batch_mix_as_the_whole() -> None:
    images, targets, share = torch.rand(8, 3, 2, 2), torch.rand(8, 7), torch.rand(4).repeat_interleave(2)
    whole = mix(images, targets, share)
    halves = [mix(images[part], targets[part], share[part]) for part in (slice(4), slice(4, 8))]
    for k in range(2):
        assert torch.equal(torch.cat([half[k] for half in halves]), whole[k])


def test_the_odd_image_of_a_small_batch_stays_itself() -> None:
    images, targets = torch.rand(3, 3, 2, 2), one_hot(torch.tensor([0, 1, 2]))
    mixed, soft = mix(images, targets, torch.tensor([0.5, 0.5, 0.3]))
    assert torch.allclose(mixed[2], images[2]) and torch.allclose(soft[2], targets[2])


def test_log_prior_is_the_log_of_shares() -> None:
    assert float(context().log_prior.exp().sum()) == pytest.approx(1)
    assert float(context().log_prior[5]) == pytest.approx(math.log(670 / 1001))


@pytest.mark.parametrize("name", ["cross_entropy", "logit_adjusted"])
def test_of_several_possible_diagnoses_only_their_sum_is_learnt(logits: Tensor, name: str) -> None:
    loss, possible = LOSSES[name], torch.tensor([1.0, 1, 0, 1, 0, 1, 1]).expand(20, 7)
    free = logits.clone().requires_grad_()
    taught = loss.function(free, among(possible, loss.log_odds(free, context())), context()).sum()
    (slope,) = torch.autograd.grad(taught, free)
    own = logits.clone().requires_grad_()
    said = -(loss.log_odds(own, context()).softmax(1) * possible).sum(1).log().sum()
    (expected,) = torch.autograd.grad(said, own)
    assert torch.allclose(slope, expected, atol=1e-5) and float(slope.abs().max()) > 0.01


def test_a_single_possible_diagnosis_is_the_label(logits: Tensor, labels: Tensor) -> None:
    assert torch.equal(among(one_hot(labels), 50 * logits), one_hot(labels))
