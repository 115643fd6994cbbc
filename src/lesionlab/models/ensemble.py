"""Ensembles: several models' probabilities made into one answer.

A rule takes a table (m, n, 7) of m members' probabilities of n images and returns (n, 7), rows adding up to 1.
Averaging and voting are those of the seed paper (3.5.1, 3.5.2), as is `max`, of which its text also speaks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from lesionlab.diagnoses import CODES
from lesionlab.models.probabilities import softmax

Floats = npt.NDArray[np.float64]

FLOOR = 1e-7
"""Probabilities below this count as this much where a logarithm is taken."""

_K = len(CODES)
_Row = Annotated[list[float], Field(min_length=_K, max_length=_K)]


class Fitted(BaseModel):
    """What a rule needs that was fitted on validation images; empty for the rules that need nothing.

    weights : m shares, each at least 0, adding up to 1. coefficients : m matrices (7 outputs, 7 inputs) and
    intercept : 7 numbers of the stacking regression.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    weights: list[Annotated[float, Field(ge=0, le=1)]] = []
    coefficients: list[Annotated[list[_Row], Field(min_length=_K, max_length=_K)]] = []
    intercept: Annotated[list[float], Field(max_length=_K)] = []


def average(tables: Floats, fitted: Fitted) -> Floats:
    """Return the mean of the members' probabilities."""
    return np.asarray(tables.mean(axis=0))


def vote(tables: Floats, fitted: Fitted) -> Floats:
    """Return each diagnosis' share of the members' votes; a member votes for its likeliest diagnosis.

    Of diagnoses with equally many votes the first in ascending order of the labels is the answer, as in the seed
    paper, because an answer is the first largest value in the order of `CODES`, which is alphabetical.
    """
    return np.asarray(np.eye(_K)[tables.argmax(axis=2)].mean(axis=0))


def highest(tables: Floats, fitted: Fitted) -> Floats:
    """Return for each image the row of the member that is surest of its answer; the first of equally sure ones."""
    surest = tables.max(axis=2).argmax(axis=0)
    return np.asarray(tables[surest, np.arange(tables.shape[1])])


def weighted(tables: Floats, fitted: Fitted) -> Floats:
    """Return the mean of the members' probabilities under the fitted weights."""
    return np.asarray(np.tensordot(np.array(fitted.weights), tables, axes=1))


def stacked(tables: Floats, fitted: Fitted) -> Floats:
    """Return softmax(sum over members of coefficients @ log probabilities + intercept).

    Wolpert, "Stacked generalization", Neural Networks 5 (1992).
    """
    logs = np.log(np.maximum(tables, FLOOR))
    return softmax(np.einsum("mki,mni->nk", np.array(fitted.coefficients), logs) + np.array(fitted.intercept))


Rule = Callable[[Floats, Fitted], Floats]

RULES: dict[str, Rule] = {"average": average, "vote": vote, "max": highest, "weighted": weighted, "stacked": stacked}
"""The rules by name."""


def fits(rule: str, fitted: Fitted, members: int) -> bool:
    """Return whether `fitted` holds exactly what the rule needs for so many members."""
    weights = members if rule == "weighted" else 0
    matrices, intercept = (members, _K) if rule == "stacked" else (0, 0)
    return (
        (len(fitted.weights), len(fitted.coefficients), len(fitted.intercept)) == (weights, matrices, intercept)
        and (not weights or abs(sum(fitted.weights) - 1) < 1e-6)
    )  # fmt: skip
