"""Why a figure is undefined, or has no interval: nothing is left out of a table in silence."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lesionlab.diagnoses import CODES
from lesionlab.evaluation.intervals import Interval
from lesionlab.evaluation.metrics import IS_MALIGNANT, MELANOMA
from lesionlab.evaluation.predictions import Predictions
from lesionlab.evaluation.table import OF_TARGET
from lesionlab.models.decisions import TARGETS


def undefined(
    predictions: Predictions, table: Mapping[str, Mapping[str, float | None]], intervals: Mapping[str, Interval]
) -> dict[str, str]:
    """Return metric -> reason for every value that is None and every interval that could not be given."""
    reasons = _reasons(predictions)
    without_value = {name: reasons[name] for name, metric in table.items() if metric["value"] is None}
    without_interval = {
        name: found.why for name, found in intervals.items() if found.low is None and name not in without_value
    }
    return {**without_value, **without_interval}


def one_sided(predictions: Predictions) -> dict[str, str]:
    """Return, for each of `TARGETS`, why it cannot be asked of these images; "" where it can."""
    malignant = IS_MALIGNANT[predictions.truth]
    either = "malignant" if malignant.all() else "benign"
    return {
        "melanoma": _of_class(predictions, MELANOMA),
        "malignant": "" if malignant.any() and not malignant.all() else f"every image in the truth is {either}",
    }


def _of_class(predictions: Predictions, k: int) -> str:
    """Return why a diagnosis cannot be told from the others on these images; "" where it can."""
    shown = predictions.truth == k
    if shown.any() and not shown.all():
        return ""
    return f"{'every' if shown.any() else 'no'} image in the truth is {CODES[k]}"


def _reasons(predictions: Predictions) -> dict[str, str]:
    """Return, for every metric that can be undefined, why it would be."""
    sides = {code: _of_class(predictions, k) for k, code in enumerate(CODES)}
    targets = one_sided(predictions)
    single = "the truth holds a single class"
    return {
        **{f"{name}.{code}": sides[code] for name in ("precision", "recall", "f1") for code in CODES},
        **{f"{name}.{code}": sides[code] for name in ("specificity", "auroc", "auprc") for code in CODES},
        **{f"npv.{code}": _no_negatives(sides[code], code) for code in CODES},
        **{f"{target}.{name}": why for target, why in targets.items() for name in OF_TARGET},
        **{f"{target}_auroc": targets[target] for target in TARGETS},
        "macro_auroc": single,
        "macro_auprc": single,
        "kappa": "truths and answers are one and the same class",
        "mcc": single if len(np.unique(predictions.truth)) == 1 else "the answers are a single class",
    }


def _no_negatives(side: str, code: str) -> str:
    return side if side.startswith("every") else f"every image is taken for {code}"
