"""Fitting what turns images away that are no dermoscopy: a Gaussian of training images, a threshold on validation."""

from __future__ import annotations

import numpy as np

from lesionlab.evaluation.predictions import Floats
from lesionlab.models.decisions import OutlierRule

QUANTILE = 0.975
"""Share of validation images that are not turned away.

Nearly all other images are far beyond (`benchmarks/outliers.py`), and photographs of other cameras than those of the
validation images must not be turned away with them.
"""

FEWEST = 40
"""Fewest training images, and validation images, that the fit is made from."""


def fit_outliers(train: Floats, validate: Floats) -> OutlierRule | None:
    """Return the rule made of `appearance.statistics` of training and of validation images, (n, 9) and (m, 9).

    The covariance is that of the training images, each statistic in units of its deviation, shrunk towards a sphere
    (Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", 2004). None where
    there are too few images of either.
    """
    from sklearn.covariance import ledoit_wolf

    if min(len(train), len(validate)) < FEWEST:
        return None
    mean, scale = train.mean(axis=0), np.maximum(train.std(axis=0), 1e-3)
    covariance, _ = ledoit_wolf((train - mean) / scale, assume_centered=True)
    values, vectors = np.linalg.eigh(covariance)
    whitener = vectors / np.sqrt(np.maximum(values, 1e-6)) / scale[:, None]
    rule = OutlierRule(mean=mean.tolist(), whitener=whitener.tolist(), threshold=1.0, quantile=QUANTILE)
    threshold = float(np.quantile(rule.distances(validate), QUANTILE))
    return rule.model_copy(update={"threshold": threshold})
