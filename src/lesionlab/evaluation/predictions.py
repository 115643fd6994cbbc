"""Predicted probabilities beside the truth: the only form in which an evaluation takes its input; CSV in and out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionlab.data.cases import Case, parse_dx, read_rows, write_rows
from lesionlab.diagnoses import CODES, ISIC_ORDER
from lesionlab.errors import DataError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SUM_TOLERANCE = 1e-4
"""How far the probabilities of one image may be from adding up to 1."""

PROBABILITIES: tuple[str, ...] = tuple(f"p_{code}" for code in CODES)
COLUMNS: tuple[str, ...] = ("image_id", "lesion_id", "truth", "diagnosis", *PROBABILITIES)
"""The columns of a predictions file, p_akiec to p_vasc in the order of `CODES`."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """The truth and the predicted probabilities of n images; checked when made, read-only afterwards.

    Parameters
    ----------
    image_ids : n distinct, non-empty names.
    lesion_ids : n non-empty names; images of one lesion share one.
    truth : (n,) integers, indices into `CODES`.
    probabilities : (n, 7) float64 in 0 to 1, columns in the order of `CODES`, rows adding up to 1.

    Raises
    ------
    DataError : naming the first row at fault.
    """

    image_ids: tuple[str, ...]
    lesion_ids: tuple[str, ...]
    truth: Ints
    probabilities: Floats

    def __post_init__(self) -> None:
        truth = np.asarray(self.truth)
        if truth.dtype.kind not in "iu":
            raise DataError(f"predictions: the truth has type {truth.dtype}", "give indices into the seven codes")
        fields: dict[str, Any] = {
            "image_ids": tuple(self.image_ids),
            "lesion_ids": tuple(self.lesion_ids),
            "truth": truth.astype(np.int64),
            "probabilities": np.array(self.probabilities, dtype=np.float64),
        }
        for name, value in fields.items():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
            object.__setattr__(self, name, value)
        self._check_shapes()
        self._check_names()
        self._check_values()

    def __len__(self) -> int:
        return len(self.image_ids)

    @cached_property
    def predicted(self) -> Ints:
        """(n,) index of the most probable class; the first in `CODES` where several are equal."""
        largest: Ints = self.probabilities.argmax(axis=1)
        return largest

    @cached_property
    def lesions(self) -> Ints:
        """(n,) number of each image's lesion, 0 to the number of lesions - 1."""
        return np.unique(np.array(self.lesion_ids), return_inverse=True)[1].astype(np.int64)

    def _check_shapes(self) -> None:
        n = len(self.image_ids)
        if n == 0:
            raise DataError("predictions: there is no image", "an evaluation needs at least one")
        if len(self.lesion_ids) != n or self.truth.shape != (n,) or self.probabilities.shape != (n, len(CODES)):
            raise DataError(
                f"predictions: {n} image_ids, {len(self.lesion_ids)} lesion_ids, truth of shape {self.truth.shape} "
                f"and probabilities of shape {self.probabilities.shape} do not fit together",
                f"every image needs one lesion, one truth and {len(CODES)} probabilities",
            )

    def _check_names(self) -> None:
        seen: set[str] = set()
        for row, image_id in enumerate(self.image_ids):
            if not image_id or not self.lesion_ids[row]:
                raise self._fault(row, "its image_id or lesion_id is empty", "give every image both")
            if image_id in seen:
                raise self._fault(row, "the image_id stands twice", "give each image one row")
            seen.add(image_id)

    def _check_values(self) -> None:
        p = self.probabilities
        outside = (self.truth < 0) | (self.truth >= len(CODES))
        faults = (
            (outside, "its truth is none of the seven diagnoses", f"give indices 0 to {len(CODES) - 1}"),
            (~np.isfinite(p).all(axis=1), "a probability is not a finite number", "the model failed on this image"),
            ((p < 0).any(axis=1), "a probability is negative", "give probabilities, not logits"),
            (np.abs(p.sum(axis=1) - 1) > SUM_TOLERANCE, "its probabilities do not add up to 1", "apply a softmax"),
        )
        wrong = np.array([mask for mask, _, _ in faults])
        if wrong.any():
            row = int(np.argmax(wrong.any(axis=0)))
            _, what, hint = faults[int(np.argmax(wrong[:, row]))]
            raise self._fault(row, what, hint)

    def _fault(self, row: int, what: str, hint: str) -> DataError:
        return DataError(f"predictions, row {row + 1} (image {self.image_ids[row]!r}): {what}", hint)


def from_cases(cases: Sequence[Case], probabilities: npt.ArrayLike) -> Predictions:
    """Return the predictions for labelled cases, in their order.

    `probabilities` is (n, 7) in the order of `CODES`. Raises `DataError` for a case without a diagnosis.
    """
    for case in cases:
        if case.dx not in CODES:
            raise DataError(f"image {case.image_id!r} has no diagnosis", "evaluate labelled images only")
    return Predictions(
        image_ids=tuple(case.image_id for case in cases),
        lesion_ids=tuple(case.lesion_id for case in cases),
        truth=np.array([CODES.index(case.dx) for case in cases], dtype=np.int64),
        probabilities=np.asarray(probabilities, dtype=np.float64),
    )


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write one row per image with the columns `COLUMNS`, atomically; `read_predictions` gives back the same."""
    rows = zip(
        predictions.image_ids,
        predictions.lesion_ids,
        (CODES[i] for i in predictions.truth),
        (CODES[i] for i in predictions.predicted),
        predictions.probabilities.tolist(),
        strict=True,
    )
    write_rows(path, COLUMNS, ([*head, *probabilities] for *head, probabilities in rows))


def read_predictions(path: Path) -> Predictions:
    """Read a predictions file; columns are found by name, in any order, and others are ignored.

    Raises `DataError` naming file and row for a missing column, an unknown code, a cell that is no number, a
    `diagnosis` that is not the most probable one, and whatever `Predictions` refuses.
    """
    rows = read_rows(path)
    if not rows:
        raise DataError(f"{path}: there is no row", "make the file with: lesionlab evaluate")
    missing = [name for name in COLUMNS if name not in rows[0]]
    if missing:
        raise DataError(f"{path}: column {missing[0]!r} is missing", f"needed are {', '.join(COLUMNS)}")
    places = [f"{path}, row {number} (image {row['image_id']!r})" for number, row in enumerate(rows, start=1)]
    truth = [_known(row["truth"], place) for row, place in zip(rows, places, strict=True)]
    probabilities = [_numbers(row, place) for row, place in zip(rows, places, strict=True)]
    try:
        predictions = Predictions(
            tuple(row["image_id"] for row in rows),
            tuple(row["lesion_id"] for row in rows),
            np.array(truth, dtype=np.int64),
            np.array(probabilities),
        )
    except DataError as error:
        raise DataError(f"{path}: {error.message}", error.hint) from None
    for row, place, values in zip(rows, places, probabilities, strict=True):
        if values[_known(row["diagnosis"], place)] != max(values):
            hint = "the columns p_... may be in another class order than their names say"
            raise DataError(f"{place}: diagnosis {row['diagnosis']!r} is not the most probable one", hint)
    return predictions


def _known(text: str, place: str) -> int:
    """Return the index of a code; `DataError` for an empty or unknown one."""
    code = parse_dx(text, place)
    if not code:
        raise DataError(f"{place}: the truth or the diagnosis is empty", "evaluate labelled images only")
    return CODES.index(code)


def _numbers(row: dict[str, str], place: str) -> list[float]:
    """Return the row's seven probabilities in the order of `CODES`."""
    try:
        return [float(row[name]) for name in PROBABILITIES]
    except ValueError as error:
        raise DataError(f"{place}: {error}", "probabilities are decimal numbers with a point") from None


def write_isic(path: Path, predictions: Predictions, truth: bool = False) -> None:
    """Write the CSV that ISIC 2018 Task 3 takes (image, MEL, NV, BCC, AKIEC, BKL, DF, VASC), atomically.

    With `truth` the one-hot ground truth is written instead of the probabilities; both files together are what
    `isic-challenge-scoring classification` scores. It counts an image whose two largest probabilities are equal
    as wrong, where this package takes the first in the order of `CODES`.
    """
    values = np.eye(len(CODES))[predictions.truth] if truth else np.clip(predictions.probabilities, 0.0, 1.0)
    columns = values[:, [CODES.index(code) for code in ISIC_ORDER]].tolist()
    header = ("image", *(code.upper() for code in ISIC_ORDER))
    write_rows(path, header, ([name, *row] for name, row in zip(predictions.image_ids, columns, strict=True)))
