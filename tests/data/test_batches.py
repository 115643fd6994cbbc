"""The order of batches is a function of seed and epoch; resuming and sharing out change nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from lesionlab.data.augment import draws
from lesionlab.data.batches import Batch, Batches

COUNT = 53


@pytest.fixture
def batches() -> Batches:
    """Batches of 8 over 45 of 53 images; an image's pixels tell its row."""
    rows = np.delete(np.arange(COUNT), np.arange(0, COUNT, 7))
    pixels = np.zeros((COUNT, 2, 2, 3), np.uint8) + np.arange(COUNT, dtype=np.uint8)[:, None, None, None]
    labels = np.random.default_rng(0).choice(7, COUNT, p=[0.05, 0.05, 0.1, 0.05, 0.1, 0.6, 0.05])
    return Batches(pixels, labels, rows, batch_size=8, seed=3)


def rows_of(batch: Batch) -> list[int]:
    found: list[int] = batch.pixels[:, 0, 0, 0].tolist()
    return found


def test_an_epoch_takes_each_training_image_at_most_once(batches: Batches) -> None:
    seen = [row for batch in batches.epoch(0) for row in rows_of(batch)]
    assert len(batches) == 45 // 8 and len(seen) == len(set(seen)) == 8 * len(batches)
    assert set(seen) <= set(batches.rows.tolist())
    assert sorted(batches.order(0)) == batches.rows.tolist()


def test_a_batch_holds_its_images_labels_and_draws(batches: Batches) -> None:
    table = draws(3, 2, len(batches.rows)).astype(np.float32)
    for position, batch in enumerate(batches.epoch(2)):
        rows = rows_of(batch)
        assert batch.position == position
        assert batch.pixels.shape == (8, 3, 2, 2) and batch.pixels.dtype == torch.uint8
        assert batch.labels.dtype == torch.int64 and batch.labels.tolist() == batches.labels[rows].tolist()
        assert batch.draw.dtype == torch.float32 and np.array_equal(batch.draw, table[8 * position : 8 * position + 8])


def test_the_order_is_a_function_of_seed_and_epoch(batches: Batches) -> None:
    again = Batches(batches.pixels, batches.labels, batches.rows, 8, 3)
    assert np.array_equal(batches.order(1), again.order(1))
    assert not np.array_equal(batches.order(1), batches.order(2))
    assert not np.array_equal(batches.order(1), replace(batches, seed=4).order(1))


def test_reading_epochs_in_any_order_changes_nothing(batches: Batches) -> None:
    third = [rows_of(batch) for batch in batches.epoch(3)]
    list(batches.epoch(0))
    assert [rows_of(batch) for batch in batches.epoch(3)] == third


@pytest.mark.parametrize("start", [0, 1, 4, 5])
def test_resuming_in_mid_epoch_yields_the_remaining_batches(batches: Batches, start: int) -> None:
    whole, rest = list(batches.epoch(1)), list(batches.epoch(1, start))
    assert [batch.position for batch in rest] == list(range(start, 5))
    for one, other in zip(whole[start:], rest, strict=True):
        assert torch.equal(one.pixels, other.pixels) and torch.equal(one.draw, other.draw)


@pytest.mark.parametrize("world", [2, 4])
@pytest.mark.parametrize("power", [1.0, 0.5, 0.0])
def test_several_processes_together_see_the_batches_of_one(batches: Batches, world: int, power: float) -> None:
    alone = replace(batches, power=power)
    parts = [list(replace(alone, rank=rank, world=world).epoch(1)) for rank in range(world)]
    for number, batch in enumerate(alone.epoch(1)):
        for name in ("pixels", "labels", "draw"):
            shared = torch.cat([getattr(part[number], name) for part in parts])
            assert torch.equal(shared, getattr(batch, name))


def test_a_balanced_epoch_draws_every_class_equally_often() -> None:
    labels = np.repeat(np.arange(4), (2, 20, 200, 2000))
    batches = Batches(np.zeros((2222, 1, 1, 3), np.uint8), labels, np.arange(2222), 16, 0, power=0.0)
    order = np.concatenate([batches.order(epoch) for epoch in range(5)])
    shares = np.bincount(labels[order]) / len(order)
    assert np.abs(shares - 0.25).max() < 0.02
    assert len(batches.order(0)) == 2222
    # Within a class, every image alike.
    assert np.bincount(order, minlength=2222)[2:22].std() < 3 * np.sqrt(len(order) / 80)


def test_the_square_root_lies_between() -> None:
    labels = np.repeat(np.arange(3), (100, 400, 1600))
    batches = Batches(np.zeros((2100, 1, 1, 3), np.uint8), labels, np.arange(2100), 16, 0, power=0.5)
    shares = np.bincount(labels[np.concatenate([batches.order(epoch) for epoch in range(5)])]) / (5 * 2100)
    assert shares == pytest.approx([1 / 7, 2 / 7, 4 / 7], abs=0.02)


def test_an_image_drawn_twice_in_an_epoch_is_augmented_in_two_ways() -> None:
    batches = Batches(np.zeros((3, 1, 1, 3), np.uint8), np.array([0, 0, 1]), np.arange(3), 3, 0, power=0.0)
    epoch = next(number for number in range(20) if len(set(batches.order(number).tolist())) < 3)
    (batch,) = batches.epoch(epoch)
    assert len(np.unique(batch.draw.numpy(), axis=0)) == 3


def test_balancing_knows_only_the_training_rows() -> None:
    labels = np.array([0, 0, 1, 1, 2])
    batches = Batches(np.zeros((5, 1, 1, 3), np.uint8), labels, np.array([0, 2, 3]), 2, 0, power=0.0)
    drawn = np.concatenate([batches.order(epoch) for epoch in range(300)])
    assert set(drawn.tolist()) == {0, 2, 3}
    assert (drawn == 0).mean() == pytest.approx(0.5, abs=0.06)


def test_fewer_images_than_a_batch_make_one_small_batch(batches: Batches) -> None:
    few = replace(batches, rows=batches.rows[:3])
    (only,) = few.epoch(0)
    assert sorted(rows_of(only)) == batches.rows[:3].tolist()


def test_pixels_may_be_a_read_only_map(batches: Batches) -> None:
    batches.pixels.flags.writeable = False
    next(batches.epoch(0)).pixels.add_(1)
    assert batches.pixels[1, 0, 0, 0] == 1
