"""Figures of a two-class question's ROC and precision-recall curves, for many weightings of the images at once.

An image is called positive where its score is at least a threshold; images of equal score are called together. With no
weight on one of the two sides there is no curve, and every figure is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lesionlab.evaluation.metrics import Ranking, cumulated, ratio
from lesionlab.evaluation.predictions import Floats

TOLERANCE = 1e-9
"""Sums of weights this close to a share of the whole reach it."""


@dataclass(frozen=True, eq=False)
class Counted:
    """The weight along a question's scores, for b weightings.

    `positive` (b, p) is each positive's own; `found` (b, p + 1) that of the first positives, best score first; `below`
    (b, m + 1) that of the first negatives, lowest score first.
    """

    question: Ranking
    positive: Floats
    found: Floats
    below: Floats

    def defined(self, figure: Floats) -> Floats:
        """Return a figure (b,) with NaN where positives or negatives have no weight."""
        return np.where((self.found[:, -1] > 0) & (self.below[:, -1] > 0), figure, np.nan)


def counted(question: Ranking, weights: Floats) -> Counted:
    """Return the sums that the curves are made of, for weights (b, n)."""
    positive = weights[:, question.positives]
    return Counted(question, positive, cumulated(positive), cumulated(weights[:, question.negatives]))


def average_precision(of: Counted) -> Floats:
    """Return the area under the precision-recall curve (b,) as steps: the mean precision at each positive's score.

    This is scikit-learn's `average_precision_score`; points of that curve must not be joined by straight lines (Davis
    and Goadrich 2006, The relationship between precision-recall and ROC curves).
    """
    found = of.found[:, of.question.through]
    called = found + of.below[:, -1:] - of.below[:, of.question.below]
    summed = np.einsum("bp,bp->b", of.positive, ratio(found, called, empty=0.0))
    return of.defined(ratio(summed, of.found[:, -1]))


def partial_auroc(of: Counted, min_tpr: float) -> Floats:
    """Return the area (b,) between the ROC curve and the height `min_tpr`, from 0 to 1 - min_tpr.

    This is the metric of the ISIC 2024 challenge: specificity, integrated over the sensitivities from `min_tpr` (0 to
    below 1) to 1. It is not rescaled. A guess has (1 - min_tpr)^2 / 2.
    """
    ends = np.unique(of.question.through)  # positives of equal score are one straight piece of the curve
    first = ends - 1
    negative = of.below[:, -1:]
    high = ratio(of.below[:, of.question.upto[first]], negative)
    low = ratio(of.below[:, of.question.below[first]], negative)
    reached = ratio(of.found[:, ends], of.found[:, -1:])
    before = np.concatenate([np.zeros((len(reached), 1)), reached], axis=1)[:, :-1]
    start = np.maximum(before, min_tpr)
    begun = high + (low - high) * ratio(start - before, reached - before, empty=0.0)
    return of.defined((np.maximum(reached - start, 0.0) * (begun + low) / 2).sum(axis=1))


def sensitivity_at(of: Counted, specificity: float) -> Floats:
    """Return the highest sensitivity (b,) of a threshold whose specificity is at least so much, above 0."""
    highest = (of.below[:, 1:] < specificity * of.below[:, -1:] - TOLERANCE).sum(axis=1)  # negative that must pass
    better = np.searchsorted(-of.question.below, -np.arange(len(of.question.negatives) + 1), side="left")
    found = np.take_along_axis(of.found, better[highest][:, None], axis=1)[:, 0]
    return of.defined(ratio(found, of.found[:, -1]))


def specificity_at(of: Counted, sensitivity: float) -> Floats:
    """Return the highest specificity (b,) of a threshold whose sensitivity is at least so much, above 0."""
    last = (of.found[:, 1:] < sensitivity * of.found[:, -1:] - TOLERANCE).sum(axis=1)  # positive that must be found
    below = np.append(of.question.below, 0)[last]
    passed = np.take_along_axis(of.below, below[:, None], axis=1)[:, 0]
    return of.defined(ratio(passed, of.below[:, -1]))
