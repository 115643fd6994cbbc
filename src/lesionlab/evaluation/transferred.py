"""What becomes of a model's operating points on images that they were not chosen on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lesionlab.evaluation.intervals import measured
from lesionlab.evaluation.metrics import Bools, ratio
from lesionlab.evaluation.predictions import Floats, Predictions
from lesionlab.evaluation.reasons import one_sided
from lesionlab.models.decisions import TARGETS, OperatingPoint, chance_of, columns

FIGURES: tuple[str, ...] = ("sensitivity", "specificity", "ppv", "npv", "flagged_per_found")
"""What is told of an operating point."""


def transferred(
    predictions: Predictions,
    points: Sequence[OperatingPoint],
    prevalence: Mapping[str, float],
    resamples: int = 2000,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Return what each operating point does to these images, with 95 % intervals bootstrapped by lesion, JSON-able.

    Parameters
    ----------
    predictions : calibrated. prevalence : see `stated.Stated`; the interval takes it as given.

    Keys of a row
    ----
    target, aim, threshold : the point. fitted : {sensitivity, specificity} on the validation images that chose it.
    sensitivity, specificity : shares of these images, {value, low, high}, as are the next.
    prevalence : the share of lesions for which the next three are told.
    ppv, npv : the share of lesions called so that are so, and of lesions not called so that are not, by Bayes' theorem
        from the four above. flagged_per_found : lesions that are not so but called so, for each that is and is found.
    undefined : figure -> why it is None.
    """
    if not points:
        return []
    of = {target: np.isin(predictions.truth, columns(codes)) for target, codes in TARGETS.items()}
    shares = {target: prevalence.get(target, _share_of_lesions(predictions, shown)) for target, shown in of.items()}
    called = [chance_of(point.target, predictions.probabilities) >= point.threshold for point in points]
    everything = [
        _measures(here, of[point.target], shares[point.target]) for point, here in zip(points, called, strict=True)
    ]

    def measures(weights: Floats) -> dict[str, Floats]:
        return {f"{n} {name}": figure for n, each in enumerate(everything) for name, figure in each(weights).items()}

    found = measured(measures, predictions.lesions, resamples, seed)
    why = one_sided(predictions)
    rows = []
    for n, point in enumerate(points):
        figures = {name: found[f"{n} {name}"] for name in FIGURES}
        rows.append(
            point.model_dump(include={"target", "aim", "threshold"})
            | {"fitted": point.model_dump(include={"sensitivity", "specificity"}), "prevalence": shares[point.target]}
            | figures
            | {"undefined": _undefined(figures, why[point.target], point.target)}
        )
    return rows


def _share_of_lesions(predictions: Predictions, shown: Bools) -> float:
    """Return the share of lesions that show the target (n,); photographs of a lesion share its one vote."""
    return float(np.average(shown, weights=1 / np.bincount(predictions.lesions)[predictions.lesions]))


def _measures(called: Bools, shown: Bools, prevalence: float) -> Callable[[Floats], dict[str, Floats]]:
    """Return what gives `FIGURES` (b,) for image weights (b, n), of the images called so and those that are so."""
    terms = np.stack([called & shown, shown, ~called & ~shown, ~shown], axis=1).astype(np.float64)

    def measures(weights: Floats) -> dict[str, Floats]:
        found, positives, spared, negatives = (weights @ terms).T
        sensitivity, specificity = ratio(found, positives), ratio(spared, negatives)
        hits, missed = sensitivity * prevalence, (1 - sensitivity) * prevalence
        passed, flagged = specificity * (1 - prevalence), (1 - specificity) * (1 - prevalence)
        return {
            "sensitivity": sensitivity,
            "specificity": specificity,
            "ppv": ratio(hits, hits + flagged),
            "npv": ratio(passed, passed + missed),
            "flagged_per_found": ratio(flagged, hits),
        }

    return measures


def _undefined(figures: Mapping[str, Mapping[str, float | None]], one_side: str, target: str) -> dict[str, str]:
    """Return figure -> why its value is None."""
    nothing = {
        "ppv": f"no image is called {target}",
        "npv": f"every image is called {target}",
        "flagged_per_found": f"no {target} image is found",
    }
    return {name: one_side or nothing[name] for name, figure in figures.items() if figure["value"] is None}
