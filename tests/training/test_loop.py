"""The loop learns, repeats itself to the bit, and goes on after any stop as if it had not happened."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_run
import torch
from small_run import Log, digest, recipe, trainer
from torch import Tensor, nn

from lesionlab.data.augment import dihedral
from lesionlab.data.colour import constancy
from lesionlab.errors import DataError, ModelError, UsageError
from lesionlab.models.backbones import create, head_parameters, preprocessing
from lesionlab.training import checkpoint, loop
from lesionlab.training.choosing import validation_figures
from lesionlab.training.optimisation import build_optimizer, rate_factor
from lesionlab.training.recipe import Recipe
from lesionlab.training.signals import RunStoppedError, StopRequest

SCRIPT = Path(small_run.__file__)


@dataclass
class Outcome:
    """What a run to the end leaves."""

    digest: str
    history: list[dict[str, Any]]
    log: Log


def run(folder: Path, settings: Recipe, resume: bool = False) -> Outcome:
    log = Log()
    running = trainer(folder, settings, log)
    if resume:
        assert running.resume()
    history = running.fit(StopRequest())
    return Outcome(digest(running.best_model()), history, log)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The small run, uninterrupted."""
    return run(tmp_path_factory.mktemp("whole"), recipe())


def stopped(folder: Path, settings: Recipe, epoch: int, position: int, number: int = signal.SIGTERM) -> Log:
    """Run and ask to stop while the reporter hears of this step."""
    stop = StopRequest()

    def after(at_epoch: int, at_position: int) -> None:
        if (at_epoch, at_position) == (epoch, position):
            stop.number = number

    log = Log(after)
    with pytest.raises(RunStoppedError) as caught:
        trainer(folder, settings, log).fit(stop)
    assert caught.value.exit_code == 128 + number
    return log


def test_a_run_learns(tmp_path: Path) -> None:
    history = run(tmp_path, recipe(epochs=8, mixup=0, drop_rate=0, augmentation="none", label_smoothing=0)).history
    assert [row["epoch"] for row in history] == list(range(8))
    assert history[-1]["train_loss"] < 0.5 * history[0]["train_loss"]
    assert history[-1]["val_balanced_accuracy"] > 0.6


def test_the_same_seed_gives_the_same_bits_and_another_does_not(whole: Outcome, tmp_path: Path) -> None:
    again = run(tmp_path / "same", recipe())
    assert (again.digest, again.history, again.log.losses) == (whole.digest, whole.history, whole.log.losses)
    assert run(tmp_path / "other", recipe(seed=1)).digest != whole.digest


def test_the_history_is_complete_and_fit_for_json(whole: Outcome) -> None:
    assert len(whole.history) == 3 and len(whole.log.losses) == 3 * 6
    for number, row in enumerate(whole.history):
        assert row["epoch"] == number and row["train_size"] == 32
        losses = whole.log.losses[6 * number : 6 * number + 6]
        assert row["train_loss"] == pytest.approx(np.mean(losses), rel=1e-5)
        assert {"val_loss", "val_accuracy", "val_balanced_accuracy", "val_macro_f1", "learning_rate"} <= set(row)
        assert all(isinstance(value, int | float) and math.isfinite(value) for value in row.values())
    assert json.loads(json.dumps(whole.history)) == whole.history == whole.log.rows


@pytest.mark.parametrize(("epoch", "position"), [(0, 1), (1, 3), (1, 6), (2, 6)])
def test_a_stopped_run_goes_on_to_the_same_bits(whole: Outcome, tmp_path: Path, epoch: int, position: int) -> None:
    before = stopped(tmp_path, recipe(), epoch, position)
    after = run(tmp_path, recipe(), resume=True)
    assert (after.digest, after.history) == (whole.digest, whole.history)
    assert before.losses + after.log.losses == whole.log.losses


def test_a_run_stopped_again_and_again_goes_on_to_the_same_bits(whole: Outcome, tmp_path: Path) -> None:
    stopped(tmp_path, recipe(), 0, 2)
    for epoch, position in [(0, 5), (1, 1), (2, 4)]:
        stop = StopRequest()

        def after(e: int, p: int, at: tuple[int, int] = (epoch, position), stop: StopRequest = stop) -> None:
            if (e, p) == at:
                stop.number = signal.SIGINT

        running = trainer(tmp_path, recipe(), Log(after))
        assert running.resume()
        with pytest.raises(RunStoppedError):
            running.fit(stop)
    assert run(tmp_path, recipe(), resume=True).digest == whole.digest


def test_a_run_stopped_in_validation_goes_on_to_the_same_bits(
    whole: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = StopRequest()
    running = trainer(tmp_path, recipe())
    finish = running._finish_epoch

    def asked() -> None:
        stop.number = signal.SIGTERM
        finish()

    monkeypatch.setattr(running, "_finish_epoch", asked)
    with pytest.raises(RunStoppedError):
        running.fit(stop)
    after = run(tmp_path, recipe(), resume=True)
    assert (after.digest, after.history) == (whole.digest, whole.history)


def test_a_killed_process_is_resumed_to_the_same_bits(whole: Outcome, tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(tmp_path), "checkpoint_minutes=0.00001"], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout
    for line in child.stdout:
        if line == "step 1 3\n":
            child.kill()
            break
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    (tmp_path / f".{checkpoint.FILE}.1{'.partial'}").write_bytes(b"left by an earlier kill")
    state = checkpoint.load(tmp_path)
    assert state is not None and (state["progress"]["epoch"], state["progress"]["position"]) >= (1, 2)
    after = run(tmp_path, recipe(checkpoint_minutes=0.00001), resume=True)
    assert (after.digest, after.history) == (whole.digest, whole.history)
    assert [path.name for path in tmp_path.iterdir()] == [checkpoint.FILE]


def test_resuming_where_nothing_is_begins_anew(whole: Outcome, tmp_path: Path) -> None:
    running = trainer(tmp_path, recipe())
    assert not running.resume()
    running.fit(StopRequest())
    assert digest(running.best_model()) == whole.digest


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 half a zip"])
def test_a_damaged_checkpoint_is_a_model_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / checkpoint.FILE).write_bytes(content)
    with pytest.raises(ModelError, match=r"checkpoint\.pt: not a usable checkpoint"):
        checkpoint.load(tmp_path)


def test_a_checkpoint_cut_short_is_a_model_error(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, {"model": {"w": torch.zeros(1000)}})
    os.truncate(tmp_path / checkpoint.FILE, 2000)
    with pytest.raises(ModelError, match="not a usable checkpoint"):
        checkpoint.load(tmp_path)


class Attack:
    """Unpickling this writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.write_text, (self.path, "owned"))


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    torch.save({"model": Attack(tmp_path / "proof")}, tmp_path / checkpoint.FILE)
    with pytest.raises(ModelError):
        checkpoint.load(tmp_path)
    assert not (tmp_path / "proof").exists()


def test_a_loss_that_is_not_finite_stops_the_run_at_its_step_with_the_checkpoint_whole(
    whole: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = trainer(tmp_path, recipe())
    step = running.train_step

    def poisoned(batch: Any) -> float:
        if (running.progress.epoch, batch.position) == (1, 3):
            with torch.no_grad():
                next(running.bare.parameters()).fill_(math.nan)
        return step(batch)

    monkeypatch.setattr(running, "train_step", poisoned)
    with pytest.raises(DataError, match="loss became nan in epoch 1, step 4"):
        running.fit(StopRequest())
    assert run(tmp_path, recipe(), resume=True).digest == whole.digest


def test_patience_ends_a_run_that_gets_no_better(tmp_path: Path) -> None:
    settings = recipe(epochs=20, patience=2, learning_rate="1e-9", ema=0, select_on="balanced_accuracy")
    outcome = run(tmp_path, settings)
    assert 3 <= len(outcome.history) < 20
    figures = [row["val_balanced_accuracy"] for row in outcome.history]
    assert figures.index(max(figures)) == len(figures) - 3
    assert run(tmp_path, settings, resume=True).history == outcome.history


@pytest.mark.parametrize("select_on", ["balanced_accuracy", "loss"])
def test_the_best_epoch_is_kept(tmp_path: Path, select_on: str, monkeypatch: pytest.MonkeyPatch) -> None:
    states: list[str] = []
    running = trainer(tmp_path, recipe(select_on=select_on, epochs=5, learning_rate="1e-2", ema=0))
    finish = running._finish_epoch

    def noted() -> None:
        states.append(digest(running.judged))
        finish()

    monkeypatch.setattr(running, "_finish_epoch", noted)
    history = running.fit(StopRequest())
    figures = [row[f"val_{select_on}"] for row in history]
    best = figures.index(min(figures) if select_on == "loss" else max(figures))
    assert running.progress.best_epoch == best
    assert digest(running.best_model()) == states[best]


def test_averaged_weights_are_judged_and_kept_only_where_the_recipe_has_them(tmp_path: Path) -> None:
    averaged = trainer(tmp_path / "on", recipe(epochs=1))
    averaged.fit(StopRequest())
    assert averaged.ema and averaged.judged is averaged.ema.module
    assert digest(averaged.judged) != digest(averaged.bare)
    plain = trainer(tmp_path / "off", recipe(epochs=1, ema=0))
    plain.fit(StopRequest())
    assert plain.ema is None and plain.judged is plain.bare
    assert digest(plain.bare) == digest(averaged.bare)


@pytest.mark.parametrize("ema", [0, 0.9])
def test_a_network_trained_in_bf16_is_kept_as_a_plain_fp32_one(tmp_path: Path, ema: float) -> None:
    running = trainer(tmp_path, recipe(precision="bf16", epochs=1, ema=ema))
    running.fit(StopRequest())
    kept = running.best_model()
    fresh = create("tiny", "none", 7, 0.1, 32).eval()
    fresh.load_state_dict(kept.state_dict())
    images = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        assert all(value.dtype == torch.float32 for value in kept.parameters())
        assert torch.allclose(kept(images), fresh(images), atol=1e-6)


def test_bf16_differs_from_fp32_a_little(tmp_path: Path) -> None:
    fine = run(tmp_path / "fp32", recipe(epochs=1)).log.losses
    coarse = run(tmp_path / "bf16", recipe(epochs=1, precision="bf16")).log.losses
    assert 0 < max(abs(a - b) for a, b in zip(fine, coarse, strict=True)) < 0.1


def test_predictions_are_the_networks_on_unchanged_images(tmp_path: Path) -> None:
    running = trainer(tmp_path, recipe(epochs=1))
    rows = np.array([3, 60, 7])
    found = running.predict(rows, views=8)
    assert found.shape == (8, 3, 7) and found.dtype == np.float32
    images = torch.from_numpy(small_run.material()[0][rows]).permute(0, 3, 1, 2) / 255
    images = (images - running.mean.view(3, 1, 1)) / running.std.view(3, 1, 1)
    network = running.judged.eval()
    with torch.inference_mode():
        for view in range(8):
            assert np.allclose(found[view], network(dihedral(images, view)), atol=1e-5)


def test_gray_training_sees_no_colour(tmp_path: Path) -> None:
    running = trainer(tmp_path, recipe(colour="gray", mixup=0))
    images, targets = running.prepare(next(running.batches.epoch(0)))
    raw = images * running.std.view(3, 1, 1) + running.mean.view(3, 1, 1)
    assert torch.allclose(raw[:, 0], raw[:, 1], atol=1e-5) and torch.allclose(raw[:, 1], raw[:, 2], atol=1e-5)
    assert torch.allclose(targets.sum(1), torch.ones(8))


def test_training_and_validation_see_the_same_light(tmp_path: Path) -> None:
    running = trainer(tmp_path, recipe(colour="constancy", augmentation="none", mixup=0))
    batch = next(running.batches.epoch(0))
    rows = running.batches.order(0)[:8]
    pixels = constancy(small_run.material()[0][rows])
    assert np.array_equal(batch.pixels.permute(0, 2, 3, 1).numpy(), pixels)
    images = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - running.mean.view(3, 1, 1)) / running.std.view(
        3, 1, 1
    )
    assert torch.allclose(running.prepare(batch)[0], images, atol=1e-5)
    with torch.inference_mode():
        assert np.allclose(running.predict(rows)[0], running.judged.eval()(images), atol=1e-5)


def test_small_images_first(tmp_path: Path) -> None:
    running = trainer(tmp_path, recipe(train_sizes="[32, 48]", epochs=2))
    sides = []
    for epoch in range(2):
        running.progress.epoch = epoch
        sides.append(running.prepare(next(running.batches.epoch(epoch)))[0].shape[-1])
    assert sides == [32, 48]


def test_the_head_has_a_rate_of_its_own_and_vectors_do_not_decay() -> None:
    model = create("tiny", "none", 7, 0.0, 32)
    groups = build_optimizer(model, recipe(learning_rate="1e-3", head_rate=10, weight_decay=0.1)).param_groups
    head = {id(parameter) for parameter in head_parameters(model)}
    for group in groups:
        for parameter in group["params"]:
            assert group["lr"] == pytest.approx(1e-2 if id(parameter) in head else 1e-3)
            assert group["weight_decay"] == (0.1 if parameter.ndim > 1 else 0.0)
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))


def test_the_learning_rate_rises_then_falls() -> None:
    settings = Recipe(epochs=4, warmup_epochs=1, schedule="cosine")
    rates = [rate_factor(step, 10, settings) for step in range(40)]
    assert rates[0] == pytest.approx(0.1, rel=0.01) and max(rates) == rates[9]
    assert rates[9:] == sorted(rates[9:], reverse=True) and 0 < rates[-1] < 0.01
    assert rate_factor(40, 10, settings) == 0
    assert rate_factor(20, 10, Recipe(epochs=4, warmup_epochs=0)) == pytest.approx(0.5)
    constant = Recipe(epochs=4, warmup_epochs=0.5, schedule="constant")
    assert [rate_factor(step, 10, constant) for step in range(7)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1, 1])


def test_the_rate_in_use_is_the_schedules(tmp_path: Path) -> None:
    running = trainer(tmp_path, recipe(warmup_epochs=1, head_rate=2))
    running.train_step(next(running.batches.epoch(0)))
    expected = 3e-3 * rate_factor(0, 6, running.recipe)
    assert {group["lr"] for group in running.optimizer.param_groups} == {expected, 2 * expected}


def test_the_gradient_norm_is_clipped(tmp_path: Path) -> None:
    running = trainer(tmp_path, recipe(clip_norm=0.01))
    running.train_step(next(running.batches.epoch(0)))
    norm = torch.cat([p.grad.flatten() for p in running.bare.parameters() if p.grad is not None]).norm()
    assert float(norm) == pytest.approx(0.01, rel=1e-3)


def test_the_eight_views_are_the_symmetries_of_the_square() -> None:
    image = torch.arange(9.0).view(1, 1, 3, 3)
    views = [dihedral(image, view) for view in range(8)]
    turned = [torch.rot90(side, k, (2, 3)) for side in (image, image.flip(3)) for k in range(4)]
    assert {tuple(view.flatten().tolist()) for view in views} == {tuple(t.flatten().tolist()) for t in turned}
    assert (
        torch.equal(views[0], image) and torch.equal(views[1], image.flip(3)) and torch.equal(views[2], image.flip(2))
    )


def test_validation_figures_of_perfect_and_of_missing_classes() -> None:
    truth = np.arange(7)
    assert validation_figures(truth, np.eye(7))["balanced_accuracy"] == 1
    few = validation_figures(np.array([4, 5, 5]), np.eye(7)[[4, 5, 4]])
    assert few["balanced_accuracy"] == pytest.approx(0.75)
    assert all(math.isfinite(value) for value in few.values())


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Three(loop.Accelerator):  # type: ignore[misc]
        num_processes = 3

    monkeypatch.setattr(loop, "Accelerator", Three)
    with pytest.raises(UsageError, match="batch size 8 cannot be shared by 3 processes"):
        trainer(tmp_path, recipe())


def test_a_training_part_smaller_than_a_batch_is_one_batch(tmp_path: Path) -> None:
    running = trainer(tmp_path, recipe(batch_size=64, epochs=2))
    assert len(running.fit(StopRequest())) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_becomes_a_request_and_handlers_come_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopRequest() as stop:
        stop.check()
        os.kill(os.getpid(), number)
        assert stop.requested and stop.number == number
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
        with pytest.raises(RunStoppedError) as caught:
            stop.check()
    assert caught.value.exit_code == 128 + number
    assert signal.getsignal(number) is before


def weights(folder: Path) -> dict[str, Tensor]:
    state = checkpoint.load(folder)
    assert state is not None
    found: dict[str, Tensor] = state["model"]
    return found


def history(folder: Path) -> list[dict[str, Any]]:
    state = checkpoint.load(folder)
    assert state is not None
    found: list[dict[str, Any]] = state["progress"]["history"]
    return found


def test_two_processes_train_as_one_does(tmp_path: Path) -> None:
    """Without batch norm and dropout, sharing out a batch changes only rounding."""
    changes = {"architecture": "test_vit", "size": 64, "drop_rate": 0}
    run(tmp_path / "one", recipe(**changes))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launch, str(SCRIPT), str(tmp_path / "two"), *(f"{key}={value}" for key, value in changes.items())]
    done = subprocess.run(
        command,
        env=os.environ | {"ACCELERATE_USE_CPU": "true"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("step 2 6") == 2
    for one, two in zip(history(tmp_path / "one"), history(tmp_path / "two"), strict=True):
        assert two == pytest.approx(one, abs=1e-5)
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 1e-3


def test_modules_without_classes_are_counted_by_their_labels(tmp_path: Path) -> None:
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3 * 32 * 32, 7)

        def forward(self, images: Tensor) -> Tensor:
            found: Tensor = self.fc(images.flatten(1))
            return found

        def get_classifier(self) -> nn.Module:
            return self.fc

    pixels, labels = small_run.material()
    rows = np.arange(70)
    from lesionlab.models.backbones import Preprocessing

    expects = Preprocessing(32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    plain = loop.Trainer(Plain(), expects, pixels, labels, np.eye(7), rows, rows, recipe(epochs=1), tmp_path, Log())
    assert len(plain.fit(StopRequest())) == 1


def test_partial_labels_teach_what_an_image_is_not(tmp_path: Path) -> None:
    """Half the images of class 0 only say that they are neither 1 nor 2: they never count as these."""
    settings = recipe(epochs=2, mixup=0)
    torch.manual_seed(0)
    model = create(settings.architecture, "none", 7, 0.0, settings.size)
    pixels, labels = small_run.material()
    possible = np.vstack([np.eye(7), [1, 0, 0, 1, 1, 1, 1]])
    labels[(labels == 0) & (np.arange(70) % 2 == 0)] = 7
    whole = np.flatnonzero(labels < 7)
    trainer = loop.Trainer(
        model, preprocessing(model), pixels, labels, possible, np.arange(70), whole[:20], settings, tmp_path, Log()
    )
    assert trainer.context.counts.tolist() == pytest.approx([5 + 5 * 5 / 45, 10, 10] + [10 + 5 * 10 / 45] * 4)
    logits = torch.randn(2, 7)
    targets = trainer._targets(trainer.possible[torch.tensor([7, 4])], logits)
    assert torch.allclose(targets.sum(1), torch.ones(2)) and int(targets[1].argmax()) == 4
    smallest = settings.label_smoothing / 7
    assert targets[0, [1, 2]].tolist() == pytest.approx([smallest] * 2)
    assert (targets[0, [0, 3, 4, 5, 6]] > smallest + 1e-4).all()
    assert all(row["val_loss"] > 0 for row in trainer.fit(StopRequest()))
