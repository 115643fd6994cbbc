"""What trained runs say of the validation images of one split: taken from their run folders, or found out and kept."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lesionlab.data.cases import Case
from lesionlab.data.packs import Pack
from lesionlab.data.splits import Split
from lesionlab.errors import DataError
from lesionlab.evaluation.predictions import Predictions, write_predictions
from lesionlab.models.bundle import Bundle
from lesionlab.models.cascade import Floats, Ints
from lesionlab.prediction.predictor import Predictor
from lesionlab.report.asking import answers_file, known_answers, predict_cases
from lesionlab.report.parts import Counted, Images, part_images, run_folder

PART = "val"

KEPT = "validation.csv"
"""What a run says of all validation images, kept in its folder for the next model that it is made a member of."""


@dataclass(frozen=True)
class Seen:
    """What the members say of the n validation images: tables (m, n, 7), and of which images, as the first one."""

    tables: Floats
    first: Predictions

    @property
    def truth(self) -> Ints:
        """The classes (n,)."""
        return self.first.truth

    @property
    def lesions(self) -> Ints:
        """The lesions' numbers (n,)."""
        return self.first.lesions


def validation_answers(runs: Sequence[Path], members: Mapping[str, Bundle], split: Split, images: Images) -> Seen:
    """Return what each member says of the images with which the first one was validated.

    Predictions that `lesionlab evaluate` or an earlier call left in a run folder are taken over if they are of the same
    images and the model that lies there now still says so of some; others are made, and kept in `KEPT`.
    """
    first = next(iter(members.values()))
    packed, chosen = part_images(first, split, images, PART)
    found = [
        _answers(run, Predictor(bundle), packed, chosen, images.progress)
        for run, bundle in zip(runs, members.values(), strict=True)
    ]
    return Seen(np.stack([one.probabilities for one in found]), found[0])


def _answers(
    run: Path, predictor: Predictor, packed: Pack, chosen: Sequence[Case], progress: Counted | None
) -> Predictions:
    folder = run_folder(run)
    files = [answers_file(folder, PART), folder / KEPT] if folder else []
    if known := known_answers(files, predictor, packed, chosen):
        return known
    found = predict_cases(predictor, packed, chosen, progress)
    if folder:
        with contextlib.suppress(DataError):  # a run folder of someone else's may be read-only
            write_predictions(folder / KEPT, found)
    return found
