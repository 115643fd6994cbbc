"""The training loop: reads top to bottom, over Hugging Face Accelerate."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import lesionlab.torch_setup  # noqa: F401  (before accelerate and timm, which may import torchvision)

# ruff: isort: split
import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn

from lesionlab.data.augment import POLICIES, Policy, augment, dihedral, normalise
from lesionlab.data.batches import Batch, Batches
from lesionlab.data.colour import recolour
from lesionlab.errors import DataError, UsageError
from lesionlab.models.backbones import Preprocessing
from lesionlab.models.depthwise import quicken
from lesionlab.training import checkpoint
from lesionlab.training.choosing import NEVER, validation_figures
from lesionlab.training.losses import LOSSES, Context, among, mix, soften
from lesionlab.training.material import class_counts
from lesionlab.training.optimisation import build_optimizer, rate_factor
from lesionlab.training.progress import Progress, Reporter
from lesionlab.training.recipe import Recipe
from lesionlab.training.signals import RunStoppedError, StopRequest

SMALLER_IS_BETTER = ("loss",)


class Trainer:
    """Train one network on the rows of a pack.

    Parameters
    ----------
    model : classifier over k classes; preprocessing : its mean and std.
    pixels : uint8 (n, side, side, 3); labels : int64 (n,); possible : what labels stand for, (k, 7), see
        `material.Material`; train, validate : row numbers.
    folder : the run folder; it receives checkpoint.pt.
    """

    def __init__(
        self,
        model: nn.Module,
        preprocessing: Preprocessing,
        pixels: np.ndarray,
        labels: np.ndarray,
        possible: np.ndarray,
        train: np.ndarray,
        validate: np.ndarray,
        recipe: Recipe,
        folder: Path,
        reporter: Reporter,
    ) -> None:
        self.recipe, self.folder, self.reporter = recipe, folder, reporter
        torch.use_deterministic_algorithms(recipe.deterministic, warn_only=True)
        # Precision is ours (`_autocast`): Accelerate's would stay wrapped around the network that is kept, and would
        # allow one precision per process.
        self.accelerator = Accelerator(mixed_precision="no")
        self.device = self.accelerator.device
        smallest = self.accelerator.num_processes * (2 if recipe.mixup else 1)
        if recipe.batch_size % smallest:
            raise UsageError(
                f"batch size {recipe.batch_size} cannot be shared by {self.accelerator.num_processes} processes",
                f"choose a multiple of {smallest}",
            )
        if self.device.type == "cpu" and recipe.precision == "bf16":
            quicken(model)
        layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
        model = model.to(self.device, memory_format=layout)  # type: ignore[call-overload]
        self.optimizer = self.accelerator.prepare_optimizer(build_optimizer(model, recipe))
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.model = self.accelerator.prepare_model(model)
        bare = self.accelerator.unwrap_model(self.model)
        self.ema = ModelEmaV3(bare, decay=recipe.ema, use_warmup=True, foreach=True) if recipe.ema else None
        self.bare: nn.Module = bare
        self.pixels, self.labels, self.validate_rows = pixels, labels, validate
        self.batches = Batches(
            pixels, labels, train, recipe.batch_size, recipe.seed, recipe.sampler_power, recipe.colour,
            self.accelerator.process_index, self.accelerator.num_processes,
        )  # fmt: skip
        self.possible = torch.from_numpy(possible.astype(np.float32)).to(self.device)
        seen = class_counts(labels[train], possible)
        self.shut = torch.from_numpy(np.where(seen > 0, 0, NEVER).astype(np.float32)).to(self.device)
        counts = seen.clip(1).astype(np.float32)
        drawn = torch.from_numpy(counts**recipe.sampler_power)
        self.context = Context(drawn.to(self.device), recipe)
        self.loss = LOSSES[recipe.loss]
        self.policy: Policy = POLICIES[recipe.augmentation].with_jitter(recipe.colour_jitter)
        self.mean = torch.tensor(preprocessing.mean, device=self.device)
        self.std = torch.tensor(preprocessing.std, device=self.device)
        self.progress = Progress()
        self.best: dict[str, Tensor] = {}
        self.stop = StopRequest()
        self._saved_at = time.monotonic()

    # -- the run ---------------------------------------------------------------------------------

    def fit(self, stop: StopRequest) -> list[dict[str, Any]]:
        """Train to the end of the recipe and return the history.

        Raises `RunStoppedError`, with the checkpoint saved, after a signal to `stop`; so does `predict` from then on.
        """
        self.stop = stop
        while self.progress.epoch < self.recipe.epochs and not self._out_of_patience():
            self._train_epoch()
            if self.accelerator.is_main_process:
                self._finish_epoch()
            self._share_progress()
            self.save()
        return self.progress.history

    def _train_epoch(self) -> None:
        self.model.train()
        clock, here = time.monotonic(), self.progress.position
        for batch in self.batches.epoch(self.progress.epoch, here):
            loss = self.train_step(batch)
            self.progress.position = batch.position + 1
            self._check_finite(loss)
            rate = (batch.position + 1 - here) * self.recipe.batch_size / (time.monotonic() - clock)
            figures = {"loss": loss, "learning_rate": self._last_rate(), "images_per_second": rate}
            self.reporter.step(self.progress.epoch, self.progress.position, len(self.batches), figures)
            asked = int(self._gathered(torch.tensor([self.stop.number], device=self.device)).max())
            if asked or time.monotonic() - self._saved_at > 60 * self.recipe.checkpoint_minutes:
                self.save()
            if asked:  # on any process: all leave after the same step
                raise RunStoppedError(asked)

    def train_step(self, batch: Batch) -> float:
        """Augment one batch, take one optimiser step, and return the mean loss over the batch's images."""
        recipe = self.recipe
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * self._rate()
        images, possible = self.prepare(batch)
        with self._autocast():
            logits = self.model(images)
        targets = self._targets(possible, logits.float())
        loss = self.loss.function(logits.float(), targets, self.context).mean()
        self.optimizer.zero_grad()
        self.accelerator.backward(loss)
        if recipe.clip_norm:
            torch.nn.utils.clip_grad_norm_(self.bare.parameters(), recipe.clip_norm, foreach=True)
        self.optimizer.step()
        if self.ema:
            self.ema.update(self.bare, self._step() + 1)
        hits = ((logits.float() + self.shut).argmax(1) == targets.argmax(1)).sum()
        mine = torch.stack([loss.detach() * len(images), hits, torch.full_like(hits, len(images))])
        loss_sum, hit_sum, count = self._gathered(mine).sum(0).tolist()
        self.progress.loss_sum += loss_sum
        self.progress.hits += int(hit_sum)
        self.progress.images += int(count)
        return float(loss_sum / count)

    def _gathered(self, figures: Tensor) -> Tensor:
        """Return the figures (k,) of every process as one table (processes, k), the same on all of them."""
        table: Tensor = self.accelerator.gather(figures[None])
        return table

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bf16")

    def prepare(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return augmented, normalised images (n, 3, s, s) and what they may show (n, k), on the device."""
        recipe = self.recipe
        draw = batch.draw.to(self.device)
        side = recipe.size_at(self.progress.epoch)
        images = augment(batch.pixels.to(self.device), draw, self.policy, side, recipe.photo_aspect)
        images = normalise(images, self.mean, self.std)
        possible = self.possible[batch.labels.to(self.device)]
        if recipe.mixup:
            images, possible = mix(images, possible, self._mixing_shares(batch).to(self.device))
        return images, possible

    def _targets(self, possible: Tensor, logits: Tensor) -> Tensor:
        """Return soft targets (n, k) of what the images may show (n, k)."""
        if self.possible.shape[0] > self.possible.shape[1]:  # some labels stand for several diagnoses
            possible = among(possible, self.loss.log_odds(logits, self.context))
        return soften(possible, self.recipe.label_smoothing)

    def _mixing_shares(self, batch: Batch) -> Tensor:
        """Return the weights of mixup, (n,), equal for both partners of a pair, cut from the whole batch's."""
        rng = np.random.Generator(np.random.Philox(key=[self.recipe.seed, 2**33 + self._step()]))
        pairs = rng.beta(self.recipe.mixup, self.recipe.mixup, self.recipe.batch_size // 2)
        first = self.accelerator.process_index * len(batch.labels)
        return torch.from_numpy(pairs.repeat(2)[first : first + len(batch.labels)].astype(np.float32))

    # -- validation ------------------------------------------------------------------------------

    @property
    def judged(self) -> nn.Module:
        """The weights that are validated and kept: the averaged ones where the recipe has them."""
        return self.ema.module if self.ema else self.bare

    @torch.no_grad()
    def predict(self, rows: np.ndarray, views: int = 1) -> np.ndarray:
        """Return logits, float32 (views, len(rows), k), of unchanged images in the flipped and turned views."""
        network = self.judged.eval()
        parts = []
        for first in range(0, len(rows), 64):
            if self.stop.requested:
                self.save()
                self.stop.check()
            seen = recolour(self.pixels[rows[first : first + 64]], self.recipe.colour)
            pixels = torch.from_numpy(seen).permute(0, 3, 1, 2).to(self.device)
            images = normalise(augment(pixels, torch.empty(0), POLICIES["none"], self.recipe.size), self.mean, self.std)
            with self._autocast():
                answers = [network(dihedral(images, view)).float() for view in range(views)]
            parts.append(torch.stack(answers).cpu().numpy())
        return np.concatenate(parts, axis=1)

    def _finish_epoch(self) -> None:
        progress = self.progress
        row = {
            "epoch": progress.epoch,
            "train_size": self.recipe.size_at(progress.epoch),
            "learning_rate": self._last_rate(),
            "train_loss": progress.loss_sum / progress.images,
            "train_accuracy": progress.hits / progress.images,
        }
        if validated := self.recipe.validates(progress.epoch):
            row |= self._validate()
        progress.history.append(row)  # not before: a stop in validation must leave the epoch unfinished
        if validated:
            self._keep_best(row[f"val_{self.recipe.select_on}"])
        self.reporter.epoch(row)

    def _validate(self) -> dict[str, float]:
        truth = self.labels[self.validate_rows]
        logits = torch.from_numpy(self.predict(self.validate_rows)[0])
        targets = self.possible.cpu()[torch.from_numpy(truth)]
        loss = self.loss.function(logits, targets, Context(self.context.counts.cpu(), self.recipe)).mean()
        found = {"loss": float(loss), **validation_figures(truth, (logits + self.shut.cpu()).softmax(1).numpy())}
        return {f"val_{name}": value for name, value in found.items()}

    def _keep_best(self, figure: float) -> None:
        progress = self.progress
        sign = -1 if self.recipe.select_on in SMALLER_IS_BETTER else 1
        if progress.best_epoch < 0 or sign * figure > sign * progress.best_figure:
            progress.best_epoch, progress.best_figure = progress.epoch, figure
            self.best = {name: value.detach().cpu().clone() for name, value in self.judged.state_dict().items()}

    def _share_progress(self) -> None:
        """Begin the next epoch with the main process' history on every process."""
        shared: list[Any] = [self.progress.history, self.progress.best_epoch, self.progress.best_figure]
        if self.accelerator.num_processes > 1:
            broadcast_object_list(shared)
        self.progress = Progress(self.progress.epoch + 1, 0, 0.0, 0, 0, *shared)

    def _out_of_patience(self) -> bool:
        done, best = self.progress.epoch - 1, self.progress.best_epoch
        patience = self.recipe.patience
        return bool(patience and best >= 0 and self.recipe.validates(done) and done - best >= patience)

    # -- the clock -------------------------------------------------------------------------------

    def _step(self) -> int:
        return self.progress.epoch * len(self.batches) + self.progress.position

    def _rate(self) -> float:
        """Return the learning rate's factor at the present step, in (0, 1]."""
        return rate_factor(self._step(), len(self.batches), self.recipe)

    def _last_rate(self) -> float:
        """Return the backbone's learning rate of the step that is just done."""
        return float(rate_factor(self._step() - 1, len(self.batches), self.recipe) * self.rates[0])

    def _check_finite(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise DataError(
                f"the loss became {loss} in epoch {self.progress.epoch}, step {self.progress.position}",
                "lower it with --set learning_rate=...; the last checkpoint is still good",
            )

    # -- checkpoints -----------------------------------------------------------------------------

    def save(self) -> None:
        """Write the checkpoint (main process only)."""
        self._saved_at = time.monotonic()
        if not self.accelerator.is_main_process:
            return
        state = {
            "model": self.bare.state_dict(),
            "ema": self.ema.module.state_dict() if self.ema else None,
            "optimizer": self.optimizer.state_dict(),
            "best": self.best,
            "progress": dict(vars(self.progress)),
            "random": torch.get_rng_state(),
            "random_gpu": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
        }
        checkpoint.save(self.folder, state)

    def resume(self) -> bool:
        """Take up the checkpoint in the run folder; return whether there was one."""
        state = checkpoint.load(self.folder)
        if state is None:
            return False
        self.bare.load_state_dict(state["model"])
        if self.ema:
            self.ema.module.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.best = state["best"]
        self.progress = Progress(**state["progress"])
        torch.set_rng_state(state["random"])
        if state["random_gpu"] is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["random_gpu"], self.device)
        return True

    def best_model(self) -> nn.Module:
        """Return the network with the weights of the best epoch, in evaluation mode; `predict` uses it from now on."""
        self.judged.load_state_dict(self.best)
        return self.judged.eval()
