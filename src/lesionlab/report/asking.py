"""A model asked about packed images, and what it was asked before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from lesionlab.data.cases import Case
from lesionlab.data.packs import Pack
from lesionlab.errors import DataError
from lesionlab.evaluation.predictions import Floats, Predictions, from_cases, read_predictions
from lesionlab.prediction.predictor import Predictor
from lesionlab.report.parts import Counted

CHUNK = 256

CHECKED, CLOSE = 16, 1e-3
"""Predictions that lie in a run folder are taken over when the model still says the same of the first images."""


def answers_file(run: Path, part: str) -> Path:
    """Return where `evaluate_model` leaves a run's answers to one part."""
    return run / "evaluation" / part / "predictions.csv"


def predict_cases(
    predictor: Predictor, packed: Pack, chosen: Sequence[Case], progress: Counted | None = None
) -> Predictions:
    """Return the predictions for those of the chosen cases, of known diagnosis, that could be read."""
    return from_cases(*probabilities_of(predictor, packed, chosen, progress))


def probabilities_of(
    predictor: Predictor, packed: Pack, chosen: Sequence[Case], progress: Counted | None = None
) -> tuple[list[Case], Floats]:
    """Return those of the chosen cases that could be read, and their probabilities (n, 7)."""
    rows = packed.rows({case.image_id for case in chosen})
    if not len(rows):
        raise DataError("none of the images to evaluate can be read", "see: lesionlab data check")
    parts = []
    for first in range(0, len(rows), CHUNK):
        parts.append(predictor.probabilities(packed.pixels[rows[first : first + CHUNK]]))
        if progress:
            progress("predicting", min(first + CHUNK, len(rows)), len(rows))
    return [packed.cases[row] for row in rows], np.concatenate(parts)


def known_answers(
    files: Iterable[Path], predictor: Predictor, packed: Pack, chosen: Sequence[Case]
) -> Predictions | None:
    """Return what the first fitting file of predictions says of the chosen images.

    A file does not fit where it is of other images, or where the model now answers some of them otherwise. None where
    none fits or is there.
    """
    found = (_known(file, predictor, packed, chosen) for file in files)
    return next((one for one in found if one), None)


def _known(file: Path, predictor: Predictor, packed: Pack, chosen: Sequence[Case]) -> Predictions | None:
    if not file.is_file():
        return None
    found = read_predictions(file)
    if found.image_ids != tuple(case.image_id for case in packed.readable(chosen)):
        return None
    now = predict_cases(predictor, packed, chosen[:CHECKED])
    row = {name: number for number, name in enumerate(found.image_ids)}
    before = found.probabilities[[row[name] for name in now.image_ids]]
    return found if np.allclose(before, now.probabilities, atol=CLOSE) else None
