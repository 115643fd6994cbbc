"""What a model's answers to changed photographs tell: how far it falls, how often it wavers, what misleads it.

Every figure compares answers to the same images, unchanged and changed; each bootstrap draw of lesions serves both, so
what is hard in either case cancels out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionlab.data.corruptions import SEVERITIES
from lesionlab.diagnoses import CODES, MALIGNANT
from lesionlab.errors import DataError
from lesionlab.evaluation.intervals import measured
from lesionlab.evaluation.metrics import Bools, ratio
from lesionlab.evaluation.paired import check_same_images
from lesionlab.evaluation.predictions import Floats, Predictions
from lesionlab.models.decisions import OperatingPoint, chance_of, columns

FLIP_AIM = 0.065
"""Published classifiers of dermoscopic images change 6.5 to 22 % of their answers under small changes."""

RISE_AIM = 0.05
"""Most that a drawing may add to the share of benign images called malignant."""

METRICS: tuple[str, ...] = ("balanced_accuracy", "melanoma_sensitivity")
OVERLAYS: tuple[str, ...] = ("ink", "ruler")

Figure = Mapping[str, float | None]
"""{value, low, high}; None where undefined."""


def corruption_table(
    clean: Predictions, corrupted: Mapping[str, Sequence[Predictions]], resamples: int = 2000, seed: int = 0
) -> dict[str, Any]:
    """Return what corruptions do to balanced accuracy and melanoma sensitivity, as a JSON-able dictionary.

    Parameters
    ----------
    clean : answers to the images as they are. corrupted : name -> answers at each of `SEVERITIES`, in that order.

    Keys, each figure {value, low, high}
    ----
    clean : `METRICS` of the images as they are; melanoma sensitivity is the share of melanomas answered as melanoma.
    by_name : corruption -> {severities: [{severity, `METRICS`, balanced_accuracy_drop, melanoma_sensitivity_drop}],
        mean: the two drops averaged over severities}. A drop is relative: (clean - corrupted) / clean.
    mean : the two drops averaged over all corruptions and severities.
    worst : metric -> the corruption with the largest mean drop, which of many is the largest partly by chance; None
        where no drop is defined.

    A metric of classes that the truth lacks is undefined. Raises `DataError` unless all answers are to the same images.
    """
    for versions in corrupted.values():
        if len(versions) != len(SEVERITIES):
            raise DataError(f"answers at {len(versions)} severities, not {len(SEVERITIES)}", "ask the model anew")
    everything = [clean, *(one for versions in corrupted.values() for one in versions)]
    for one in everything:
        check_same_images(clean, one)
    figures = measured(_falls(everything, list(corrupted)), clean.lesions, resamples, seed)
    drops = [f"{metric}_drop" for metric in METRICS]
    return {
        "clean": {metric: figures[f"clean {metric}"] for metric in METRICS},
        "by_name": {
            name: {
                "severities": [
                    {"severity": level, **{key: figures[f"{name} {level} {key}"] for key in (*METRICS, *drops)}}
                    for level in SEVERITIES
                ],
                "mean": {key: figures[f"{name} {key}"] for key in drops},
            }
            for name in corrupted
        },
        "mean": {key: figures[f"mean {key}"] for key in drops},
        "worst": {
            metric: _largest({name: figures[f"{name} {metric}_drop"] for name in corrupted}) for metric in METRICS
        },
    }


def _falls(versions: Sequence[Predictions], names: Sequence[str]) -> Callable[[Floats], dict[str, Floats]]:
    """Return what gives every figure (b,) of `corruption_table` by name, for image weights (b, n).

    `versions` are the clean answers, then those at each severity of each name.
    """
    right = np.stack([one.predicted == one.truth for one in versions], axis=1)
    truth = versions[0].truth

    def measures(weights: Floats) -> dict[str, Floats]:
        found = {}
        for metric, reached in _reached(weights, right, truth).items():
            drop = ratio(reached[:, :1] - reached[:, 1:], np.repeat(reached[:, :1], reached.shape[1] - 1, axis=1))
            found[f"clean {metric}"] = reached[:, 0]
            found[f"mean {metric}_drop"] = drop.mean(axis=1)
            for place, name in enumerate(names):
                mine = slice(place * len(SEVERITIES), (place + 1) * len(SEVERITIES))
                found[f"{name} {metric}_drop"] = drop[:, mine].mean(axis=1)
                for level, value, fall in zip(SEVERITIES, reached[:, 1:].T[mine], drop.T[mine], strict=True):
                    found[f"{name} {level} {metric}"], found[f"{name} {level} {metric}_drop"] = value, fall
        return found

    return measures


def _reached(weights: Floats, right: Bools, truth: npt.NDArray[np.int64]) -> dict[str, Floats]:
    """Return each of `METRICS` (b, v) of v versions' right answers (n, v), for image weights (b, n)."""
    recalls = []
    melanoma = np.full((len(weights), right.shape[1]), np.nan)
    for k in np.unique(truth):
        shown = weights[:, truth == k]
        above = shown @ right[truth == k]
        recalls.append(ratio(above, np.broadcast_to(shown.sum(axis=1)[:, None], above.shape)))
        if CODES[k] == "mel":
            melanoma = recalls[-1]
    return {"balanced_accuracy": np.mean(recalls, axis=0), "melanoma_sensitivity": melanoma}


def _largest(figures: Mapping[str, Figure]) -> str | None:
    """Return the name of the largest figure; None where none is defined."""
    known = {name: value for name, figure in figures.items() if (value := figure["value"]) is not None}
    return max(known, key=lambda name: known[name]) if known else None


def flip_table(
    clean: Predictions, changed: Mapping[str, Mapping[str, Predictions]], resamples: int = 2000, seed: int = 0
) -> dict[str, Any]:
    """Return how often small changes flip the diagnosis, as a JSON-able dictionary.

    Parameters
    ----------
    changed : kind ("dihedral", "photometric") -> change -> answers. The unchanged image is no change: it would only
        lower the mean.

    Keys, each figure {value, low, high}
    ----
    changes : kind -> change -> share of images whose diagnosis is another than on the clean image.
    kinds : kind -> the mean over its changes. mean : over all changes. any : the share of images whose diagnosis at
        least one change flips. aim, met : `FLIP_AIM`, and whether the mean is below it.

    Raises `DataError` unless all answers are to the same images.
    """
    flipped = {}
    for kind, answers in changed.items():
        for one in answers.values():
            check_same_images(clean, one)
        flipped[kind] = np.stack([one.predicted != clean.predicted for one in answers.values()], axis=1)
    together = np.concatenate(list(flipped.values()), axis=1)

    def measures(weights: Floats) -> dict[str, Floats]:
        share = weights / weights.sum(axis=1, keepdims=True)
        found = {"mean": (share @ together).mean(axis=1), "any": share @ together.any(axis=1)}
        for kind, flips in flipped.items():
            found[kind] = (share @ flips).mean(axis=1)
            found |= {f"{kind} {name}": one for name, one in zip(changed[kind], (share @ flips).T, strict=True)}
        return found

    figures = measured(measures, clean.lesions, resamples, seed)
    return {
        "changes": {kind: {name: figures[f"{kind} {name}"] for name in answers} for kind, answers in changed.items()},
        "kinds": {kind: figures[kind] for kind in changed},
        "mean": figures["mean"],
        "any": figures["any"],
        "aim": FLIP_AIM,
        "met": (figures["mean"]["value"] or 0.0) < FLIP_AIM,
    }


def overlay_table(
    clean: Predictions,
    drawn: Mapping[str, Sequence[Predictions]],
    point: OperatingPoint | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Return how many more benign images are called malignant for what is drawn over them, JSON-able.

    Parameters
    ----------
    drawn : overlay -> answers at each of `SEVERITIES`. point : the threshold from which on an image is called
        malignant; None asks whether the diagnosis is a malignant one.

    Keys, each figure {value, low, high}
    ----
    images, lesions : how many benign ones there are. called_by : what makes an image malignant, in words.
    clean : the share called malignant of the images as they are.
    by_name : overlay -> [{severity, called, rise}]: the share with the overlay, and how much more that is.
    largest : {overlay, severity, rise}. aim, met : `RISE_AIM`, and whether the largest rise is no more.

    Without a benign image only images and undefined, which says why. Raises `DataError` unless all answers are to the
    same images.
    """
    benign = ~np.isin(clean.truth, columns(MALIGNANT))
    if not benign.any():
        return {"images": 0, "undefined": "no image shows a benign lesion"}
    names = {(name, level): one for name, each in drawn.items() for level, one in zip(SEVERITIES, each, strict=True)}
    for one in names.values():
        check_same_images(clean, one)
    called = np.stack([_called(one, point)[benign] for one in (clean, *names.values())], axis=1)
    lesions = np.unique(clean.lesions[benign], return_inverse=True)[1].astype(np.int64)

    def measures(weights: Floats) -> dict[str, Floats]:
        share = weights @ called / weights.sum(axis=1, keepdims=True)
        found = {"clean": share[:, 0]}
        for (name, level), one in zip(names, share[:, 1:].T, strict=True):
            found[f"{name} {level} called"], found[f"{name} {level} rise"] = one, one - share[:, 0]
        return found

    figures = measured(measures, lesions, resamples, seed)
    rises = {(name, level): figures[f"{name} {level} rise"]["value"] or 0.0 for name, level in names}
    overlay, severity = max(rises, key=lambda one: rises[one])
    return {
        "images": int(benign.sum()),
        "lesions": int(lesions.max()) + 1,
        "called_by": f"chance of malignant at least {point.threshold:.3f} ({point.aim})" if point else "the diagnosis",
        "clean": figures["clean"],
        "by_name": {
            name: [
                {"severity": level, **{key: figures[f"{name} {level} {key}"] for key in ("called", "rise")}}
                for level in SEVERITIES
            ]
            for name in drawn
        },
        "largest": {"overlay": overlay, "severity": severity, "rise": figures[f"{overlay} {severity} rise"]},
        "aim": RISE_AIM,
        "met": rises[overlay, severity] <= RISE_AIM,
    }


def _called(predictions: Predictions, point: OperatingPoint | None) -> Bools:
    """Return which images (n,) are called malignant."""
    if point:
        return np.asarray(chance_of("malignant", predictions.probabilities) >= point.threshold)
    return np.isin(predictions.predicted, columns(MALIGNANT))
