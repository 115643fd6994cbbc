"""Packed pixels -> batches. The order is a function of (seed, epoch, position) and of nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lesionlab.data.augment import draws
from lesionlab.data.colour import Colour, recolour

ORDER_STREAM = 2**32
"""Added to the epoch so that order and augmentation never share random numbers."""


@dataclass(frozen=True)
class Batch:
    """One step's images of this process: uint8 (n, 3, size, size), labels int64 (n,), draws float32 (n, k)."""

    position: int
    pixels: Tensor
    labels: Tensor
    draw: Tensor


@dataclass(frozen=True)
class Batches:
    """Training batches over some rows of a pack.

    pixels : uint8 (n, size, size, 3), all packed images; rows : the row numbers to train on;
    labels : int64 (n,) classes of all packed images. A class of m images is drawn in proportion to
    m ** power: 1 is a plain shuffle, smaller powers draw with replacement, 0 draws all classes
    equally often. colour : see `data.colour`. Of each batch, process `rank` of `world` gets its own equal slice, so
    that several processes together see the very batches that one would.
    """

    pixels: np.ndarray
    labels: np.ndarray
    rows: np.ndarray
    batch_size: int
    seed: int
    power: float = 1.0
    colour: Colour = "rgb"
    rank: int = 0
    world: int = 1

    def __len__(self) -> int:
        """Batches per epoch; the incomplete last one is dropped, unless it is the only one."""
        return max(1, len(self.rows) // self.batch_size)

    def order(self, epoch: int) -> np.ndarray:
        """Return the rows of one epoch in order, int64."""
        rng = np.random.Generator(np.random.Philox(key=[self.seed, ORDER_STREAM + epoch]))
        if self.power == 1.0:
            return rng.permutation(self.rows)
        counts = np.bincount(self.labels[self.rows]).astype(float)
        weights = counts[self.labels[self.rows]] ** (self.power - 1)
        return rng.choice(self.rows, len(self.rows), p=weights / weights.sum())

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of one epoch from position `start` on."""
        order, table = self.order(epoch), draws(self.seed, epoch, len(self.rows))
        share = self.batch_size // self.world
        for position in range(start, len(self)):
            first = position * self.batch_size + self.rank * share
            rows = order[first : first + share]
            images = torch.from_numpy(recolour(self.pixels[rows], self.colour)).permute(0, 3, 1, 2)
            draw = torch.from_numpy(table[first : first + share].astype(np.float32))
            yield Batch(position, images, torch.from_numpy(self.labels[rows]), draw)
