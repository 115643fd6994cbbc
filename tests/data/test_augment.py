"""Augmentation draws per image, keeps to its bounds, and turns a squashed frame as the true one would turn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from lesionlab.data.augment import DRAWS, POLICIES, Policy, augment, draws, normalise

SIDE = 48


def noise(count: int = 6, side: int = SIDE, seed: int = 0) -> Tensor:
    """Return random uint8 (count, 3, side, side) in channels_last layout, as batches have them."""
    pixels = np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def table(count: int = 6, seed: int = 0, epoch: int = 0) -> Tensor:
    return torch.from_numpy(draws(seed, epoch, count).astype(np.float32))


def fixed(**values: float) -> Tensor:
    """Return one row of draws of one half (no angle, no shift), with some set: d0=0.9, ..."""
    row = torch.full((1, DRAWS), 0.5)
    for name, value in values.items():
        row[0, int(name[1:])] = value
    return row


def ellipse(side: int, wide: float, high: float) -> Tensor:
    """Return uint8 (1, 3, side, side): a smooth blob whose half-axes are shares of the frame."""
    axis = (np.arange(side) * 2 + 1) / side - 1
    radius = np.hypot(axis[None, :] / wide, axis[:, None] / high)
    blob = (255 * np.clip((1.2 - radius) / 0.4, 0, 1)).astype(np.uint8)
    return torch.from_numpy(blob)[None, None].expand(1, 3, side, side)


@pytest.mark.parametrize("aspect", [1.0, 4 / 3])
def test_none_at_the_same_size_changes_nothing(aspect: float) -> None:
    pixels = noise()
    found = augment(pixels, table(), POLICIES["none"], SIDE, aspect)
    assert found.dtype == torch.float32 and torch.equal(found, pixels.float())


def test_the_input_is_never_written_to() -> None:
    pixels = noise()
    before = pixels.clone()
    augment(pixels, table(), replace(POLICIES["strong"], erase=1.0, colour_jitter=0.3), SIDE)
    assert torch.equal(pixels, before)


def test_none_at_another_size_is_an_area_true_resize() -> None:
    pixels = noise()
    found = augment(pixels, table(), POLICIES["none"], SIDE // 2)
    assert found.shape == (6, 3, SIDE // 2, SIDE // 2)
    for image, small in zip(pixels, found, strict=True):
        pillow = Image.fromarray(image.permute(1, 2, 0).numpy()).resize(
            (SIDE // 2, SIDE // 2), Image.Resampling.BILINEAR
        )
        assert np.abs(np.asarray(pillow, np.float32) - small.permute(1, 2, 0).numpy()).max() < 1.01


def test_draws_are_a_function_of_seed_epoch_and_position() -> None:
    assert draws(3, 5, 10).shape == (10, DRAWS)
    assert np.array_equal(draws(3, 5, 10), draws(3, 5, 100)[:10])
    assert not np.array_equal(draws(3, 5, 10), draws(4, 5, 10))
    assert not np.array_equal(draws(3, 5, 10), draws(3, 6, 10))
    many = draws(0, 0, 5000)
    assert many.min() >= 0 and many.max() < 1 and np.abs(many.mean(0) - 0.5).max() < 0.02


@pytest.mark.parametrize("policy", ["paper", "mild", "strong", "travel"])
def test_an_image_is_augmented_the_same_in_any_batch(policy: str) -> None:
    pixels, draw = noise(), table()
    whole = augment(pixels, draw, POLICIES[policy].with_jitter(0.2), 40, 4 / 3)
    order = torch.tensor([4, 1, 2])
    assert torch.equal(augment(pixels[order], draw[order], POLICIES[policy].with_jitter(0.2), 40, 4 / 3), whole[order])
    assert not torch.equal(augment(pixels, table(epoch=1), POLICIES[policy], 40), whole)


@pytest.mark.parametrize("policy", ["paper", "mild", "strong", "travel"])
def test_images_of_a_batch_are_augmented_apart(policy: str) -> None:
    same = noise(1).expand(6, 3, SIDE, SIDE)
    found = augment(same, table(), POLICIES[policy], SIDE)
    assert all(not torch.equal(found[0], other) for other in found[1:])


def test_flips_alone_give_exactly_mirrored_pixels() -> None:
    pixels, draw = noise(16), table(16)
    found = augment(pixels, draw, Policy(flips=True), SIDE).round().to(torch.uint8).numpy()
    seen = set()
    for image, row, mirrored in zip(pixels.numpy(), draw, found, strict=True):
        left_right, top_bottom = bool(row[5] < 0.5), bool(row[6] < 0.5)
        expected = image[:, :: -1 if top_bottom else 1, :: -1 if left_right else 1]
        assert np.array_equal(mirrored, expected)
        seen.add((left_right, top_bottom))
    assert len(seen) == 4


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_quarter_turns_are_exact(quarter: int) -> None:
    policy = Policy(rotation=180)
    found = augment(noise(1), fixed(d0=0.5 + quarter / 4 if quarter < 2 else quarter / 4 - 0.5), policy, SIDE)
    turned = torch.rot90(noise(1).float(), quarter, (2, 3))
    assert torch.allclose(found, turned, atol=0.05)


@pytest.mark.parametrize("angle", [0.1, 0.3, 0.6, 0.77])
def test_a_round_lesion_in_a_squashed_frame_stays_round(angle: float) -> None:
    """A disc photographed at 4:3 is, squashed to a square, an ellipse 3/4 as wide as high; turning keeps it so."""
    disc = ellipse(96, 0.45, 0.6)
    policy = Policy(rotation=180, fill="border")
    true = augment(disc, fixed(d0=angle), policy, 96, aspect=4 / 3)
    naive = augment(disc, fixed(d0=angle), policy, 96, aspect=1.0)
    assert (true - disc).abs().max() < 10
    assert (naive - disc).abs().max() > 20


def test_shear_slants_by_the_true_angle() -> None:
    """Each row moves sideways by tan(angle) times its height, the height measured in the frame's width."""
    line = torch.zeros(1, 3, 96, 96, dtype=torch.uint8)
    line[..., 48] = 255
    for aspect in (1.0, 4 / 3):
        found = augment(line, fixed(d1=1.0), Policy(shear=20), 96, aspect)[0, 0]
        column = (found * torch.arange(96.0)).sum(1) / found.sum(1)
        slope = float(column[80] - column[16]) / 64
        assert slope == pytest.approx(-np.tan(np.deg2rad(20)) / aspect, abs=0.01)


@pytest.mark.parametrize(("draw", "factor"), [(0.0, 0.8), (0.5, 1.0328), (1.0, 1.3333)])
def test_zoom_magnifies_within_its_range(draw: float, factor: float) -> None:
    disc = ellipse(96, 0.5, 0.5)
    found = augment(disc, fixed(d2=draw), Policy(zoom=(0.8, 4 / 3)), 96)
    assert float(found.sum() / disc.sum()) == pytest.approx(factor**2, rel=0.02)


def test_shift_moves_by_a_share_of_the_frame() -> None:
    found = augment(noise(1), fixed(d7=1.0, d8=0.0), Policy(shift=0.25), SIDE)
    quarter = SIDE // 4
    assert torch.allclose(found[..., quarter:, :-quarter], noise(1).float()[..., :-quarter, quarter:], atol=0.05)


@pytest.mark.parametrize("fill", ["border", "reflection"])
def test_no_corner_is_left_black(fill: str) -> None:
    bright = torch.full((4, 3, SIDE, SIDE), 200, dtype=torch.uint8)
    found = augment(bright, table(4), replace(POLICIES["paper"], rotation=90, shift=0.3, fill=fill), SIDE)
    assert torch.allclose(found, bright.float(), atol=0.01)


@pytest.mark.parametrize("aspect", [1.0, 4 / 3])
def test_values_stay_within_0_to_255(aspect: float) -> None:
    policy = replace(POLICIES["strong"], brightness=0.9, contrast=0.9, colour_jitter=0.9, erase=0.5)
    found = augment(noise(32), table(32), policy, SIDE, aspect)
    assert torch.isfinite(found).all() and found.min() >= 0 and found.max() <= 255


def test_brightness_and_contrast_follow_their_formula() -> None:
    pixels = torch.randint(80, 120, (1, 3, 8, 8), dtype=torch.uint8)
    images = pixels.float()
    found = augment(pixels, fixed(d9=1.0, d10=0.0), Policy(contrast=0.2, brightness=0.1), 8)
    expected = ((images - images.mean()) * 1.2 + images.mean()) * 0.9
    assert torch.allclose(found, expected, atol=1e-3)


def test_colour_jitter_scales_each_channel_by_itself() -> None:
    pixels = torch.full((1, 3, 4, 4), 100, dtype=torch.uint8)
    found = augment(pixels, fixed(d11=0.0, d12=0.5, d13=1.0), Policy().with_jitter(0.2), 4)
    assert torch.allclose(found[0, :, 0, 0], torch.tensor([80.0, 100.0, 120.0]))


def test_erasing_blanks_one_rectangle_of_2_to_20_percent_with_the_mean() -> None:
    pixels, draw = noise(400, 40), table(400)
    found = augment(pixels, draw, Policy(erase=0.5), 40)
    changed = (found != pixels.float()).any(1)
    hit = changed.flatten(1).any(1)
    assert torch.equal(hit, draw[:, 14] < 0.5)
    for row in torch.nonzero(hit).flatten().tolist():
        ys, xs = torch.nonzero(changed[row], as_tuple=True)
        box = found[row, :, ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
        assert 0.015 < box[0].numel() / 1600 < 0.22
        assert torch.equal(box, pixels[row].float().mean((1, 2))[:, None, None].expand_as(box))
    areas = changed[hit].float().mean((1, 2))
    assert areas.min() < 0.05 and areas.max() > 0.15


def test_normalise_follows_its_formula_in_channels_last_layout() -> None:
    images = torch.rand(4, 3, 8, 8) * 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    found = normalise(images, mean, std)
    expected = (images / 255 - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    assert torch.allclose(found, expected, atol=1e-5)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_the_named_policies() -> None:
    assert not POLICIES["none"].geometric
    assert POLICIES["paper"].geometric and POLICIES["strong"].geometric
    assert not Policy(brightness=0.2, contrast=0.2, colour_jitter=0.1, erase=0.3, fill="border").geometric
    assert all(policy.colour_jitter == 0 for policy in POLICIES.values())
