"""From probabilities to a verdict: diagnosis, malignant or not, prediction set, and whether the model abstains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lesionlab.diagnoses import CODES, MALIGNANT, NAMES
from lesionlab.models.decisions import Decisions, chance_of, prediction_sets

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

UNLIKE = "unlike the dermoscopic photographs that the model knows"
"""The reason for abstaining from an image that is turned away."""


@dataclass(frozen=True)
class Verdict:
    """What a model says of one image, or of one lesion.

    diagnosis : code of the likeliest one. probabilities : seven, in the order of `CODES`, calibrated where the model
    has decisions. malignant : whether the chance of a malignant diagnosis reaches the operating point. prediction_set :
    codes, likeliest first, of which one is right with the model's coverage. abstained, reason : whether the model
    would rather not say, and why. outlier : whether that is because the image is no dermoscopy to it. What the model
    has no decision for is None; reason is "" unless it abstains.
    """

    diagnosis: str
    probabilities: tuple[float, ...]
    malignant: bool | None = None
    prediction_set: tuple[str, ...] | None = None
    abstained: bool | None = None
    reason: str = ""
    outlier: bool | None = None

    @property
    def name(self) -> str:
        """The diagnosis in words."""
        return NAMES[self.diagnosis]

    @property
    def probability(self) -> float:
        """The probability of the diagnosis."""
        return self.probabilities[CODES.index(self.diagnosis)]

    @property
    def malignant_probability(self) -> float:
        """The chance that the lesion is malignant: the sum over the malignant diagnoses."""
        return sum(self.probabilities[CODES.index(code)] for code in MALIGNANT)


def judge(
    probabilities: Floats, decisions: Decisions | None = None, outliers: Bools | None = None, aim: str | None = None
) -> list[Verdict]:
    """Return a verdict for each row of calibrated probabilities (n, 7).

    Parameters
    ----------
    decisions : the model's; without, a verdict is no more than probabilities.
    outliers : which images are turned away, bool (n,); None where the model cannot tell.
    aim : of the operating point for malignant, as in "sensitivity 0.95"; the model's own where None.

    Raises `UsageError` for an aim that the model has no point for.
    """
    if decisions is None:
        return [Verdict(CODES[int(row.argmax())], _numbers(row)) for row in probabilities]
    point = decisions.point(aim)
    malignant = chance_of("malignant", probabilities) >= point.threshold if point else None
    inside = prediction_sets(probabilities, decisions.conformal) if decisions.conformal else None
    verdicts = []
    for number, row in enumerate(probabilities):
        turned_away = None if outliers is None else bool(outliers[number])
        reason = UNLIKE if turned_away else _uncertain(float(row.max()), decisions.abstain_below)
        verdicts.append(
            Verdict(
                diagnosis=CODES[int(row.argmax())],
                probabilities=_numbers(row),
                malignant=None if malignant is None else bool(malignant[number]),
                prediction_set=None if inside is None else _codes(row, inside[number]),
                abstained=bool(reason),
                reason=reason,
                outlier=turned_away,
            )
        )
    return verdicts


def _numbers(row: Floats) -> tuple[float, ...]:
    return tuple(float(value) for value in row)


def _uncertain(largest: float, least: float) -> str:
    """Return why a model abstains from an image with this largest probability; "" where it does not."""
    return f"not certain enough: {largest:.1%} for the likeliest, {least:.1%} needed" if largest < least else ""


def _codes(row: Floats, inside: Bools) -> tuple[str, ...]:
    """Return the codes that are inside, the likeliest first."""
    return tuple(CODES[k] for k in np.argsort(-row, kind="stable") if inside[k])
