"""How probabilities become an answer: calibration, operating points, prediction sets, abstaining, turning away.

All of it is fitted on validation images after training and stored in a model's bundle.json. Those images also chose
the epoch and the share of the class prior, so the figures kept here are a little too good; a test tells the truth.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from lesionlab.diagnoses import CODES, MALIGNANT
from lesionlab.errors import UsageError
from lesionlab.models.appearance import STATISTICS, statistics
from lesionlab.models.probabilities import softmax

Floats = npt.NDArray[np.float64]
Share = Annotated[float, Field(ge=0, le=1)]
Aim = Annotated[str, Field(pattern=r"^(sensitivity|specificity) 0\.[0-9]{2}$")]

FLOOR = 1e-12
"""Probabilities below this count as this much where a logarithm is taken: a vote can give a diagnosis 0."""

AHEAD = 1e-6
"""How much larger the answer's probability is than others that would be equal to it."""

TARGETS: dict[str, tuple[str, ...]] = {"melanoma": ("mel",), "malignant": MALIGNANT}
"""What an operating point asks for -> the diagnoses whose probabilities are added up for it."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Figure(_Part):
    """A figure with its 95 % interval, bootstrapped by lesion; None where there is none."""

    value: float
    low: float | None = None
    high: float | None = None


class Fit(_Part):
    """What the decisions were fitted on, and what calibrating did there; `nll` is in nats."""

    part: str
    images: Annotated[int, Field(ge=1)]
    lesions: Annotated[int, Field(ge=1)]
    nll_before: float
    nll_after: float
    ece_before: Figure
    ece_after: Figure


class OperatingPoint(_Part):
    """A threshold: an image is called `target` where its probability is at least so much.

    aim : what the threshold was chosen for, "sensitivity 0.90"; sensitivity, specificity : what it reached on the
    validation images.
    """

    target: Literal["melanoma", "malignant"]
    aim: Aim
    threshold: Share
    sensitivity: Share
    specificity: Share


class Conformal(_Part):
    """Prediction sets: diagnosis k, in the order of `CODES`, is in the set where p_k >= thresholds[k].

    coverage : the share of the images of each diagnosis whose set should hold it. images : validation images of each
    diagnosis that its threshold rests on; a diagnosis without any has the threshold 1 and the promise not.
    """

    coverage: Annotated[float, Field(gt=0, lt=1)]
    thresholds: Annotated[list[Share], Field(min_length=len(CODES), max_length=len(CODES))]
    images: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=len(CODES), max_length=len(CODES))]


Looks = Annotated[list[float], Field(min_length=len(STATISTICS), max_length=len(STATISTICS))]


class OutlierRule(_Part):
    """An image is turned away where it looks too unlike the training images.

    Its `appearance.statistics` are compared with theirs, as a Mahalanobis distance. mean : theirs (9,). whitener : a
    matrix (9, 9) of which whitener @ whitener.T is the inverse of their covariance. threshold : the distance above
    which an image is turned away. quantile : the share of validation images that are not.
    """

    method: Literal["appearance"] = "appearance"
    mean: Looks
    whitener: Annotated[list[Looks], Field(min_length=len(STATISTICS), max_length=len(STATISTICS))]
    threshold: Annotated[float, Field(gt=0)]
    quantile: Annotated[float, Field(gt=0, lt=1)]

    def outliers(self, images: Iterable[npt.NDArray[np.uint8]]) -> npt.NDArray[np.bool_]:
        """Return which of n uint8 RGB images (size, size, 3) are turned away, bool (n,)."""
        return np.asarray(self.distances(statistics(images)) > self.threshold)

    def distances(self, looks: Floats) -> Floats:
        """Return the Mahalanobis distance (n,) of images with these statistics (n, 9)."""
        apart = (looks - np.array(self.mean)) @ np.array(self.whitener)
        return np.asarray(np.sqrt((apart**2).sum(axis=1)))


class Decisions(_Part):
    """How a model's probabilities become an answer.

    temperature, bias : see `calibrate`. abstain_below : the model abstains where its largest calibrated probability
    is less. operating : thresholds, of which the one for "malignant" with the aim `default_point` decides unless
    another is asked for; "" where none could be fitted. conformal, outlier : None where they could not be fitted.
    """

    temperature: Annotated[float, Field(gt=0, le=100)]
    bias: Annotated[list[float], Field(min_length=len(CODES), max_length=len(CODES))] = [0.0] * len(CODES)
    fitted_on: Fit
    operating: list[OperatingPoint] = []
    default_point: Aim | Literal[""] = ""
    conformal: Conformal | None = None
    abstain_below: Share = 0.0
    outlier: OutlierRule | None = None

    @model_validator(mode="after")
    def _check_points(self) -> Decisions:
        names = [(point.target, point.aim) for point in self.operating]
        if len(set(names)) < len(names):
            raise ValueError("an operating point stands twice")
        if self.default_point and ("malignant", self.default_point) not in names:
            raise ValueError(f"there is no operating point {self.default_point!r} for malignant")
        return self

    def calibrated(self, probabilities: Floats) -> Floats:
        """Return a model's probabilities (n, 7) calibrated."""
        return calibrate(probabilities, self.temperature, np.array(self.bias))

    def point(self, aim: str | None = None) -> OperatingPoint | None:
        """Return the operating point for "malignant" with an aim, the default one where None.

        Raises `UsageError` for an aim that the model has no point for. None where it has no default.
        """
        known = {point.aim: point for point in self.operating if point.target == "malignant"}
        if aim is not None and aim not in known:
            raise UsageError(f"no operating point {aim!r} in this model", f"it has: {', '.join(known) or 'none'}")
        return known.get(self.default_point if aim is None else aim)


def calibrate(probabilities: Floats, temperature: float, bias: Floats) -> Floats:
    """Return softmax(log probabilities / temperature + bias), float64 (n, 7), with the same likeliest diagnoses.

    A network that was trained or set to find rare diagnoses gives them more than their share; the biases (7,) give it
    back, so that a probability means how often. Where another diagnosis would then be likelier than the network's
    answer, the answer and those above it get their mean, which is the nearest table with the answer on top.
    """
    scaled = softmax(np.log(np.maximum(probabilities, FLOOR)) / temperature + bias)
    answers = probabilities.argmax(axis=1)
    for row in np.flatnonzero(scaled.argmax(axis=1) != answers):
        scaled[row] = _kept(scaled[row], int(answers[row]))
    return scaled


def _kept(row: Floats, answer: int) -> Floats:
    """Return the probabilities (7,) nearest to `row` among which the answer's is the largest."""
    above = np.argsort(-row, kind="stable")
    above = above[above != answer]
    means = (row[answer] + np.concatenate([[0.0], row[above].cumsum()])) / np.arange(1, len(row) + 1)
    pooled = int((means >= np.append(row[above], 0.0)).argmax())
    found = row.copy()
    found[above[:pooled]] = means[pooled]
    found[answer] = means[pooled] + AHEAD
    return np.asarray(found / found.sum())


def chance_of(target: str, probabilities: Floats) -> Floats:
    """Return the probability (n,) of one of `TARGETS`: the sum over its diagnoses of probabilities (n, 7)."""
    return np.asarray(probabilities[:, columns(TARGETS[target])].sum(axis=1))


def prediction_sets(probabilities: Floats, conformal: Conformal) -> npt.NDArray[np.bool_]:
    """Return which diagnoses are in each set, bool (n, 7), of calibrated probabilities (n, 7).

    The likeliest one always is, so that no set is empty; coverage only grows by that.
    """
    inside = probabilities >= np.array(conformal.thresholds)
    inside[np.arange(len(inside)), probabilities.argmax(axis=1)] = True
    return np.asarray(inside)


def columns(codes: Sequence[str]) -> list[int]:
    """Return the places of diagnoses in `CODES`."""
    return [CODES.index(code) for code in codes]
