"""Conformal prediction sets, class by class.

A set holds the true diagnosis with a chance of at least the coverage, for each diagnosis by itself, whatever the
model is worth, as long as later images are drawn as the validation images were (Vovk, "Conditional Validity of
Inductive Conformal Predictors", ACML 2012). Validation images that also chose the epoch, the prior and the
temperature strain this a little.
"""

from __future__ import annotations

import math

import numpy as np

from lesionlab.diagnoses import CODES
from lesionlab.evaluation.predictions import Floats, Predictions
from lesionlab.models.decisions import Conformal

COVERAGE = 0.90


def fit_conformal(predictions: Predictions, coverage: float = COVERAGE) -> Conformal:
    """Return the least probability with which each diagnosis enters a set.

    Of the n validation images that show a diagnosis, the ceil((n + 1) coverage) with the largest probability of it
    pass; where n is too small for that, everything does. A diagnosis that no image shows never enters a set but as
    the likeliest, because nothing is known of it.
    """
    images = np.bincount(predictions.truth, minlength=len(CODES))
    own = [predictions.probabilities[predictions.truth == k, k] for k in range(len(CODES))]
    return Conformal(
        coverage=coverage,
        thresholds=[_threshold(chances, coverage) if len(chances) else 1.0 for chances in own],
        images=images.tolist(),
    )


def _threshold(chances: Floats, coverage: float) -> float:
    kept = math.ceil((len(chances) + 1) * coverage - 1e-9)
    return float(np.sort(chances)[::-1][kept - 1]) if kept <= len(chances) else 0.0
