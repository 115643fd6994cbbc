"""Augmentation of a whole batch at once, every image with its own draw.

torchvision's v2 transforms draw one set of parameters per call, so a batch would be turned by one
angle; here the v2 functions do what is the same for all images, and one `grid_sample` applies each
image's own matrix. All randomness comes from `draws`, a function of (seed, epoch, position) alone, which
makes training repeatable, resumable in mid-epoch and independent of how a batch is shared out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import lesionlab.torch_setup  # noqa: F401  (before torchvision)

# ruff: isort: split
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.v2 import functional as v2

DRAWS = 18
"""Uniform numbers per image and epoch."""


@dataclass(frozen=True)
class Policy:
    """What may happen to a training image.

    rotation, shear : largest angle in degrees, either way.
    zoom : smallest and largest magnification, drawn log-uniformly; stretch: further per-axis factor.
    shift : largest translation, as a share of the frame.
    flips : mirror left-right and top-bottom, each with probability one half.
    brightness, contrast, colour_jitter : largest relative change; colour_jitter acts on each channel.
    erase : probability of blanking one rectangle of 2 to 20 % of the frame with the image's mean.
    fill : "border" repeats the edge as the seed paper's fill mode, "reflection" mirrors the image.
    """

    rotation: float = 0.0
    zoom: tuple[float, float] = (1.0, 1.0)
    stretch: float = 0.0
    shear: float = 0.0
    shift: float = 0.0
    flips: bool = False
    brightness: float = 0.0
    contrast: float = 0.0
    colour_jitter: float = 0.0
    erase: float = 0.0
    fill: str = "reflection"

    def with_jitter(self, amount: float) -> Policy:
        """Return this policy with colour jitter of the given strength."""
        return replace(self, colour_jitter=amount)

    @property
    def geometric(self) -> bool:
        """Whether images are resampled at all."""
        still = replace(self, brightness=0.0, contrast=0.0, colour_jitter=0.0, erase=0.0)
        return still != Policy(fill=self.fill)


POLICIES: dict[str, Policy] = {
    "none": Policy(),
    "paper": Policy(rotation=30, zoom=(0.85, 1.15), shear=10, flips=True, fill="border"),
    "mild": Policy(
        rotation=180, zoom=(0.88, 1.16), stretch=0.05, shear=5, shift=0.03, flips=True, brightness=0.1, contrast=0.1,
    ),
    "strong": Policy(
        rotation=180, zoom=(0.8, 1.33), stretch=0.08, shear=10, shift=0.06, flips=True,
        brightness=0.15, contrast=0.15, erase=0.1,
    ),
    "travel": Policy(
        rotation=180, zoom=(0.65, 1.5), stretch=0.1, shear=10, shift=0.08, flips=True,
        brightness=0.25, contrast=0.25, erase=0.1,
    ),
}  # fmt: skip
"""`paper`: what the seed names, at Keras-typical strengths (it gives none). `mild`: for a few epochs.
`strong`: leak-free practice. `travel`: for images of other cameras and fields of view. Colour jitter is off in all: the
seed found that colour transforms hurt, pigment being a sign of the diagnosis; turn it on with the recipe's
`colour_jitter`."""


def draws(seed: int, epoch: int, count: int) -> np.ndarray:
    """Return uniform numbers in [0, 1), float64 (count, DRAWS); row i belongs to the i-th image of this epoch."""
    return np.random.Generator(np.random.Philox(key=[seed, epoch])).random((count, DRAWS))


def augment(pixels: Tensor, draw: Tensor, policy: Policy, size: int, aspect: float = 1.0) -> Tensor:
    """Return augmented images, float32 (n, 3, size, size) in 0..255.

    Parameters
    ----------
    pixels : uint8 (n, 3, height, width), any memory layout.
    draw : float (n, DRAWS), these images' rows of `draws`.
    aspect : width over height of the original photographs. Frames of 4:3 squashed to squares are
        turned and sheared in their true geometry with aspect = 4/3.
    """
    images = pixels.float()
    if policy.geometric:
        matrix = _matrices(draw, policy, aspect).to(images)
        images = F.grid_sample(images, _grid(matrix, size), padding_mode=policy.fill, align_corners=False)
    elif images.shape[-1] != size or images.shape[-2] != size:
        images = v2.resize(images, [size, size], antialias=True)
    return _erase(_tint(images, draw, policy), draw, policy)


def _span(draw: Tensor, low: float, high: float) -> Tensor:
    return low + (high - low) * draw


def _matrices(draw: Tensor, policy: Policy, aspect: float) -> Tensor:
    """Return the (n, 2, 3) maps from output to input coordinates in [-1, 1]."""
    angle = torch.deg2rad(_span(draw[:, 0], -policy.rotation, policy.rotation))
    slant = torch.tan(torch.deg2rad(_span(draw[:, 1], -policy.shear, policy.shear)))
    zoom = torch.exp(-_span(draw[:, 2], *np.log(policy.zoom)))
    scale = zoom[:, None] * torch.exp(_span(draw[:, 3:5], -policy.stretch, policy.stretch))
    mirror = torch.where(draw[:, 5:7] < 0.5, -1.0, 1.0) if policy.flips else torch.ones_like(scale)
    sx, sy = (scale * mirror).unbind(1)
    cos, sin = angle.cos(), angle.sin()
    shift = _span(draw[:, 7:9], -policy.shift, policy.shift) * 2
    top = torch.stack([cos * sx, (cos * slant - sin) * sy / aspect, shift[:, 0]], 1)
    bottom = torch.stack([sin * sx * aspect, (sin * slant + cos) * sy, shift[:, 1]], 1)
    return torch.stack([top, bottom], 1)


def _grid(matrix: Tensor, size: int) -> Tensor:
    """Return sampling positions (n, size, size, 2); broadcasting beats `F.affine_grid`'s batched product."""
    axis = (torch.arange(size, device=matrix.device, dtype=matrix.dtype) * 2 + 1) / size - 1
    x, y = axis.view(1, 1, size, 1), axis.view(1, size, 1, 1)
    part = matrix.view(-1, 2, 1, 1, 3).permute(0, 2, 3, 4, 1)
    return part[..., 0, :] * x + (part[..., 1, :] * y + part[..., 2, :])


def _tint(images: Tensor, draw: Tensor, policy: Policy) -> Tensor:
    """Scale brightness, contrast and, where asked for, each colour channel."""
    n = len(images)
    if policy.brightness or policy.contrast:
        mean = images.mean((1, 2, 3), keepdim=True)
        contrast = _span(draw[:, 9], 1 - policy.contrast, 1 + policy.contrast).view(n, 1, 1, 1).to(images)
        bright = _span(draw[:, 10], 1 - policy.brightness, 1 + policy.brightness).view(n, 1, 1, 1).to(images)
        images = images.mul(contrast * bright).add_(mean * bright * (1 - contrast)).clamp_(0, 255)
    if policy.colour_jitter:
        gain = _span(draw[:, 11:14], 1 - policy.colour_jitter, 1 + policy.colour_jitter)
        images = images.mul(gain.view(n, 3, 1, 1).to(images)).clamp_(0, 255)
    return images


def _erase(images: Tensor, draw: Tensor, policy: Policy) -> Tensor:
    """Blank a rectangle in the images whose turn it is; the others are not touched."""
    if not policy.erase:
        return images
    height, width = images.shape[-2:]
    for row in torch.nonzero(draw[:, 14] < policy.erase).flatten().tolist():
        area, shape, top, left = (float(draw[row, k]) for k in (14, 15, 16, 17))
        share = 0.02 + 0.18 * area / policy.erase
        ratio = np.exp((shape - 0.5) * 2 * np.log(3.0))
        h = min(height, max(1, round(height * (share * ratio) ** 0.5)))
        w = min(width, max(1, round(width * (share / ratio) ** 0.5)))
        y, x = int(top * (height - h + 1)), int(left * (width - w + 1))
        images[row, :, y : y + h, x : x + w] = images[row].mean((1, 2), keepdim=True)
    return images


def normalise(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Return (images - mean) / std in channels_last layout; images in 0..255, mean and std (3,) in 0..1."""
    scale = (1 / (255 * std)).view(1, 3, 1, 1)
    offset = (-mean / std).view(1, 3, 1, 1)
    return torch.addcmul(offset, images, scale).contiguous(memory_format=torch.channels_last)


def dihedral(images: Tensor, view: int) -> Tensor:
    """Return view 0 to 7 of square images (n, c, s, s): bit 0 mirrors x, bit 1 mirrors y, bit 2 swaps x and y."""
    axes = [axis for bit, axis in ((1, 3), (2, 2)) if view & bit]
    images = images.flip(axes) if axes else images
    return images.transpose(2, 3) if view & 4 else images
