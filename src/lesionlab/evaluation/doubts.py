"""Labels that answers contradict: confident learning, on answers to images that the model has not learnt.

After Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70 (2021): an
image counts for a class where its probability of the class is at least the mean of that probability over the images
labelled so. Where a model is unsure of a class, the bar is lower. What counts for another class than its label is
doubted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lesionlab.diagnoses import CODES
from lesionlab.evaluation.predictions import Floats, Ints, Predictions


def thresholds(predictions: Predictions) -> Floats:
    """Return the mean probability (7,) of each diagnosis over the images labelled so; infinite where there is none."""
    found = np.full(len(CODES), np.inf)
    for k in np.unique(predictions.truth):
        found[k] = predictions.probabilities[predictions.truth == k, k].mean()
    return found


def counted_for(predictions: Predictions) -> Ints:
    """Return the class (n,) that each image counts for, the likeliest of those above their thresholds; -1 for none."""
    p = predictions.probabilities
    above = np.where(p >= thresholds(predictions), p, -1.0)
    return np.where(above.max(axis=1) >= 0, above.argmax(axis=1), -1).astype(np.int64)


def doubts(predictions: Predictions) -> dict[str, Any]:
    """Return which labels of n images the answers contradict, as a JSON-able dictionary.

    `predictions` are of images that the model was not trained on; otherwise it repeats what it was told.

    Keys
    ----
    images, lesions : counts. thresholds : code -> probability from which on an image counts for it, None without any.
    joint : label -> class it counts for -> images. share : of images that are doubted.
    doubts : the doubted images, the largest margin first: [{image_id, lesion_id, label, answer, probability (of the
        answer), own (of the label), margin (the one minus the other), photographs (of the lesion), doubted (of them)}].
    """
    bars, counted = thresholds(predictions), counted_for(predictions)
    joint = np.zeros((len(CODES), len(CODES)), dtype=np.int64)
    known = counted >= 0
    np.add.at(joint, (predictions.truth[known], counted[known]), 1)
    rows = np.flatnonzero(known & (counted != predictions.truth))
    probability = predictions.probabilities[rows, counted[rows]]
    own = predictions.probabilities[rows, predictions.truth[rows]]
    photographs = np.bincount(predictions.lesions)
    doubted = np.bincount(predictions.lesions[rows], minlength=len(photographs))
    order = np.argsort(own - probability, kind="stable")
    return {
        "images": len(predictions),
        "lesions": len(photographs),
        "thresholds": {code: bar if np.isfinite(bar) else None for code, bar in zip(CODES, bars.tolist(), strict=True)},
        "joint": {code: dict(zip(CODES, line, strict=True)) for code, line in zip(CODES, joint.tolist(), strict=True)},
        "share": len(rows) / len(predictions),
        "doubts": [
            {
                "image_id": predictions.image_ids[rows[place]],
                "lesion_id": predictions.lesion_ids[rows[place]],
                "label": CODES[predictions.truth[rows[place]]],
                "answer": CODES[counted[rows[place]]],
                "probability": float(probability[place]),
                "own": float(own[place]),
                "margin": float(probability[place] - own[place]),
                "photographs": int(photographs[predictions.lesions[rows[place]]]),
                "doubted": int(doubted[predictions.lesions[rows[place]]]),
            }
            for place in order
        ],
    }
