"""What is fitted on validation images when models are combined: weights, a stacking regression, a margin.

The same images say how good the combination is, so `out_of_fold` answers each of them with what was fitted on the
others, whole lesions apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError
from lesionlab.models.cascade import Floats, Ints, Pair, route
from lesionlab.models.ensemble import FLOOR, RULES, Fitted
from lesionlab.training.choosing import NEVER, validation_figures

FOLDS = 5
PENALTIES = (0.001, 0.01, 0.1, 1.0)
"""Inverse strengths C of the stacking regression's penalty that are tried."""

MARGINS: tuple[float, ...] = tuple(np.linspace(0, 1, 21).round(2).tolist())
"""Margins tried for the routing `margin`; 0 asks no specialist."""

_K = len(CODES)
_MELANOMA = CODES.index("mel")


def fit_weights(tables: Floats, truth: Ints) -> Fitted:
    """Return the convex weights of members' probabilities (m, n, 7) with the least log loss for the classes truth (n,).

    The loss is convex in the weights, so what is found is the least there is.
    """
    from scipy.optimize import minimize

    members = len(tables)
    hits = np.maximum(tables[:, np.arange(len(truth)), truth], FLOOR)

    def loss(weights: Floats) -> tuple[float, Floats]:
        mixed = np.maximum(weights @ hits, FLOOR)
        return float(-np.log(mixed).mean()), -(hits / mixed).mean(axis=1)

    found = minimize(
        loss, np.full(members, 1 / members), jac=True, method="SLSQP", bounds=[(0, 1)] * members,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
    )  # fmt: skip
    weights = np.clip(found.x, 0, 1)
    return Fitted(weights=(weights / weights.sum()).tolist())


def fit_stacking(tables: Floats, truth: Ints, lesions: Ints) -> Fitted:
    """Return the stacking regression of the classes truth (n,) on the logarithms of members' probabilities (m, n, 7).

    Of `PENALTIES` the one with the least log loss on images of lesions left out is taken; `lesions` (n,) are their
    numbers. A diagnosis that no image shows is never answered.
    """

    def loss(penalty: float) -> float:
        left_out = out_of_fold(lambda rows: _stacker(_regress(tables[:, rows], truth[rows], penalty)), tables, lesions)
        return float(-np.log(np.maximum(left_out[np.arange(len(truth)), truth], FLOOR)).mean())

    return _regress(tables, truth, min(PENALTIES, key=loss))


def _stacker(fitted: Fitted) -> Callable[[Floats], Floats]:
    return lambda tables: RULES["stacked"](tables, fitted)


def _regress(tables: Floats, truth: Ints, penalty: float) -> Fitted:
    from sklearn.linear_model import LogisticRegression

    logs = np.log(np.maximum(tables, FLOOR)).transpose(1, 0, 2).reshape(len(truth), -1)
    shown = np.unique(truth)
    matrix, intercept = np.zeros((_K, logs.shape[1])), np.full(_K, NEVER)
    intercept[shown] = 0.0
    if len(shown) > 1:
        regression = LogisticRegression(C=penalty, max_iter=2000).fit(logs, truth)
        answered = shown[-len(regression.coef_) :]  # of two classes only the second has a row; the first stays at 0
        matrix[answered], intercept[answered] = regression.coef_, regression.intercept_
    coefficients = matrix.reshape(_K, len(tables), _K).transpose(1, 0, 2)
    return Fitted(coefficients=coefficients.tolist(), intercept=intercept.tolist())


def choose_margin(general: Floats, specialists: Mapping[Pair, Floats], truth: Ints) -> float:
    """Return the margin with the best macro F1 among those that lose no melanoma recall; the least of equals.

    `MARGINS` are tried. `general` and the specialists' tables are probabilities (n, 7), truth (n,) the classes.
    """
    melanomas = truth == _MELANOMA

    def found(margin: float) -> tuple[int, float]:
        mixed, _ = route(general, specialists, "margin", margin)
        hits = int((mixed[melanomas].argmax(axis=1) == _MELANOMA).sum())
        return hits, validation_figures(truth, mixed)["macro_f1"]

    figures = {margin: found(margin) for margin in MARGINS}
    kept = [margin for margin in MARGINS if figures[margin][0] >= figures[0.0][0]]
    return max(kept, key=lambda margin: figures[margin][1])


def out_of_fold(fit: Callable[[Ints], Callable[[Floats], Floats]], tables: Floats, lesions: Ints) -> Floats:
    """Return answers (n, 7) to each image by what was fitted on images of other lesions.

    `fit` takes rows and returns what combines tables (m, n, 7). `lesions` (n,) are the lesions' numbers. Raises
    `DataError` when there is a single lesion.
    """
    answers = np.empty(tables.shape[1:])
    for rest, held in _folds(lesions):
        answers[held] = fit(rest)(tables[:, held])
    return answers


def _folds(lesions: Ints) -> Iterator[tuple[Ints, Ints]]:
    from sklearn.model_selection import GroupKFold

    count = len(np.unique(lesions))
    if count < 2:
        raise DataError("the validation images show a single lesion", "fitting needs several; take another split")
    yield from GroupKFold(min(FOLDS, count)).split(lesions, groups=lesions)
