"""Feature extraction: a frozen backbone, its features cached, and a linear head fitted on them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from lesionlab.data.augment import normalise
from lesionlab.data.colour import Colour, recolour
from lesionlab.data.packs import Pack
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError
from lesionlab.files import atomic
from lesionlab.models.backbones import Preprocessing, features, head_names
from lesionlab.training.precision import Precision

PENALTIES = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
"""Inverse strengths (scikit-learn's C) of the L2 penalty that are tried on the validation images."""


def cached_features(
    model: nn.Module,
    preprocessing: Preprocessing,
    pack: Pack,
    colour: Colour,
    precision: Precision,
    cache: Path,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Return the pooled features of every packed image, float32 (n, d), from the cache where they are known.

    The cache key is made of the backbone's weights and the pack's fingerprint.
    """
    head = set(head_names(model))
    digest = hashlib.sha256(f"{pack.fingerprint} {pack.pixels.shape} {colour} {preprocessing} {precision}".encode())
    for name, value in sorted(model.state_dict().items()):
        if name not in head:
            digest.update(name.encode() + value.cpu().numpy().tobytes())
    path = cache / "features" / f"{digest.hexdigest()[:16]}.npy"
    if path.is_file():
        return np.asarray(np.load(path))
    found = _extract(model, preprocessing, pack.pixels, colour, precision, progress)
    with atomic(path) as file:
        np.save(file, found)
    return found


@torch.inference_mode()
def _extract(
    model: nn.Module,
    preprocessing: Preprocessing,
    pixels: np.ndarray,
    colour: Colour,
    precision: Precision,
    progress: Callable[[int, int], None] | None,
) -> np.ndarray:
    model = model.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    mean, std = torch.tensor(preprocessing.mean), torch.tensor(preprocessing.std)
    parts = []
    for first in range(0, len(pixels), 64):
        images = torch.from_numpy(recolour(np.array(pixels[first : first + 64]), colour)).permute(0, 3, 1, 2)
        images = normalise(images.float(), mean, std)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            parts.append(features(model, images).float().flatten(1).numpy())
        if progress:
            progress(min(first + 64, len(pixels)), len(pixels))
    return np.concatenate(parts)


def fit_head(
    found: np.ndarray,
    labels: np.ndarray,
    train: np.ndarray,
    validate: np.ndarray,
    balanced: bool,
    score: Callable[[np.ndarray, np.ndarray], float],
) -> tuple[np.ndarray, np.ndarray, list[dict[str, float]]]:
    """Fit multinomial logistic regressions, keep the one with the best `score` on validation.

    Parameters
    ----------
    found : float32 (n, d); labels : int64 (n,); train, validate : row numbers.
    balanced : weigh classes by inverse frequency.
    score : (labels (m,), probabilities (m, k)) -> figure, larger is better.

    Returns
    -------
    weight (k, d) and bias (k,) for unscaled features, and one row per penalty tried. Raises `DataError` when a
    class has no training image.
    """
    if missing := set(CODES) - {CODES[label] for label in labels[train]}:
        raise DataError(f"no training image shows {', '.join(sorted(missing))}", "a frozen network needs every class")
    from sklearn.linear_model import LogisticRegression

    mean, scale = found[train].mean(0), found[train].std(0) + 1e-6
    scaled = (found - mean) / scale
    best: tuple[float, LogisticRegression] | None = None
    tried = []
    for penalty in PENALTIES:
        head = LogisticRegression(C=penalty, max_iter=400, class_weight="balanced" if balanced else None)
        head.fit(scaled[train], labels[train])
        figure = score(labels[validate], head.predict_proba(scaled[validate]))
        tried.append({"C": penalty, "score": figure})
        if best is None or figure > best[0]:
            best = (figure, head)
    assert best is not None
    weight = best[1].coef_ / scale
    return weight, best[1].intercept_ - weight @ mean, tried
