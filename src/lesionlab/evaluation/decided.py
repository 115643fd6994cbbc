"""What a model's decisions come to on images that they were not fitted on: thresholds, prediction sets, abstaining."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionlab.diagnoses import CODES
from lesionlab.evaluation.intervals import measured
from lesionlab.evaluation.metrics import ratio
from lesionlab.evaluation.operating import DEFAULT
from lesionlab.evaluation.predictions import Floats, Predictions
from lesionlab.evaluation.stated import Stated
from lesionlab.evaluation.transferred import transferred
from lesionlab.models.decisions import Conformal, Decisions, prediction_sets

Bools = npt.NDArray[np.bool_]
Figure = Mapping[str, float | None]
"""{value, low, high}"""

LEAST_CERTAIN = 0.10
"""The share of images, those with the smallest largest probability, without which balanced accuracy is given too."""


def evaluate_decisions(
    predictions: Predictions,
    decisions: Decisions,
    outliers: Bools | None = None,
    resamples: int = 2000,
    seed: int = 0,
    stated: Stated | None = None,
) -> dict[str, Any]:
    """Return how the decisions do, with 95 % intervals bootstrapped by lesion, as a JSON-able dictionary.

    Parameters
    ----------
    predictions : calibrated, of images that the decisions were not fitted on. outliers : which of them the model turns
        away, bool (n,); None where it cannot tell. stated : prevalences for the operating points.

    Keys, each figure {value, low, high}
    ----
    operating : a row for each operating point, as `transferred` tells it.
    sets : {coverage, covered, size, per_class: code -> covered}: the share of images whose set holds the truth, and
        the mean number of diagnoses in a set; None for a model without sets.
    abstaining : {below, abstained, balanced_accuracy, answered, gain}: the share of images of which the model
        abstains, balanced accuracy on all images and on the others, and the difference; least_certain : {share,
        answered, gain}, the same without the `LEAST_CERTAIN` of these very images.
    turned_away : the share of images that it takes for no dermoscopy; None where it cannot tell.
    """
    prevalence = (stated or Stated()).prevalence
    figures = measured(_measures(predictions, decisions, outliers), predictions.lesions, resamples, seed)
    return {
        "operating": transferred(predictions, decisions.operating, prevalence, resamples, seed),
        "sets": decisions.conformal and _sets(decisions.conformal, figures),
        "abstaining": {
            "below": decisions.abstain_below,
            "abstained": figures["abstained"],
            "balanced_accuracy": figures["all"],
            "answered": figures["answered"],
            "gain": figures["answered gain"],
            "least_certain": {
                "share": LEAST_CERTAIN,
                "answered": figures["certain"],
                "gain": figures["certain gain"],
            },
        },
        "turned_away": figures.get("turned away"),
    }


def _sets(conformal: Conformal, figures: Mapping[str, Figure]) -> dict[str, Any]:
    return {
        "coverage": conformal.coverage,
        "covered": figures["covered"],
        "size": figures["size"],
        "per_class": {code: figures[f"covered {code}"] for code in CODES if f"covered {code}" in figures},
    }


def _measures(
    predictions: Predictions, decisions: Decisions, outliers: Bools | None
) -> Callable[[Floats], dict[str, Floats]]:
    """Return what gives every figure (b,) by name for image weights (b, n)."""
    sets = prediction_sets(predictions.probabilities, decisions.conformal) if decisions.conformal else None
    largest = predictions.probabilities.max(axis=1)
    answered = {
        "answered": largest >= decisions.abstain_below,
        "certain": largest > np.quantile(largest, LEAST_CERTAIN),
    }
    shares = _shares(predictions, ~answered["answered"], outliers, sets)
    right = _by_class(predictions)

    def measures(weights: Floats) -> dict[str, Floats]:
        found = {name: ratio(weights @ (part & whole), weights @ whole) for name, (part, whole) in shares.items()}
        found["all"] = _balanced(weights, right)
        for name, rows in answered.items():
            found[name] = _balanced(weights * rows, right)
            found[f"{name} gain"] = found[name] - found["all"]
        if sets is not None:
            found["size"] = weights @ sets.sum(1) / weights.sum(axis=1)
        return found

    return measures


def _shares(
    predictions: Predictions, abstained: Bools, outliers: Bools | None, sets: Bools | None
) -> dict[str, tuple[Bools, Bools]]:
    """Return name -> (part, whole): the figure is the share of the images (n,) of the whole that are in the part."""
    everything = np.ones(len(predictions), bool)
    found = {"abstained": (abstained, everything)}
    if outliers is not None:
        found["turned away"] = (outliers, everything)
    if sets is not None:
        inside = sets[np.arange(len(predictions)), predictions.truth]
        found["covered"] = (inside, everything)
        for k, code in enumerate(CODES):
            if (shown := predictions.truth == k).any():
                found[f"covered {code}"] = (inside, shown)
    return found


def _by_class(predictions: Predictions) -> list[tuple[Bools, Bools]]:
    """Return which images are answered rightly and which show it, for each diagnosis in the truth."""
    right = predictions.predicted == predictions.truth
    shown = [predictions.truth == k for k in range(len(CODES))]
    return [(right & rows, rows) for rows in shown if rows.any()]


def _balanced(weights: Floats, right: list[tuple[Bools, Bools]]) -> Floats:
    """Return balanced accuracy (b,) for image weights (b, n); NaN where a diagnosis has no weight."""
    return np.asarray(np.mean([ratio(weights @ hits, weights @ shown) for hits, shown in right], axis=0))


def decision_rows(found: Mapping[str, Any]) -> list[tuple[str, Mapping[str, float | None]]]:
    """Return what a person is told of an `evaluate_decisions` result: (figure in words, {value, low, high})."""
    rows = []
    for point in found["operating"]:
        rows += point_rows(point)
    if sets := found["sets"]:
        rows.append((f"sets that hold the truth (meant: {sets['coverage']:.2f})", sets["covered"]))
        rows += [(f"... of {code}", figure) for code, figure in sets["per_class"].items()]
        rows.append(("diagnoses in a set", sets["size"]))
    abstaining = found["abstaining"]
    least = abstaining["least_certain"]
    rows += [
        ("abstained", abstaining["abstained"]),
        ("balanced accuracy of the others, more by", abstaining["gain"]),
        (f"... without the {least['share']:.0%} least certain, more by", least["gain"]),
    ]
    return rows + ([("turned away", found["turned_away"])] if found["turned_away"] else [])


def point_rows(point: Mapping[str, Any]) -> list[tuple[str, Mapping[str, float | None]]]:
    """Return what is told of an operating point, in full of the one that decides; a row of old has less to tell."""
    name, fitted = f"{point['target']} at {point['aim']}", point.get("fitted", {})
    before = {
        figure: f" (validation: {fitted[figure]:.3f})" if fitted else "" for figure in ("sensitivity", "specificity")
    }
    rows = [(f"{name}: {figure}{told}", point[figure]) for figure, told in before.items()]
    if point["aim"] == DEFAULT and fitted:
        among = f"... where {point['prevalence']:.1%} are {point['target']}"
        rows += [
            (f"{among}: others flagged for each found", point["flagged_per_found"]),
            (f"{among}: PPV", point["ppv"]),
            (f"{among}: NPV", point["npv"]),
        ]
    return rows
