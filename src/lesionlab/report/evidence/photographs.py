"""The report's pictures of photographs: the mistakes that a model makes most, with its maps."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from lesionlab.data.sources import load_source
from lesionlab.diagnoses import CODES
from lesionlab.evaluation.predictions import Predictions
from lesionlab.report.evidence.gathering import Evidence
from lesionlab.report.gradcam_pages import mistakes_page
from lesionlab.report.html import Picture
from lesionlab.report.parts import Images

SHOWN = 3
"""Pairs of diagnoses of which mistakes are shown."""


def mistakes(of: Evidence, images: Images, folder: Path, count: int = 4) -> list[Picture]:
    """Draw the surest mistakes between the diagnoses that are mistaken most, with Grad-CAM maps, into `folder`.

    Melanoma taken for nevus, or nevus for melanoma, is always among them where it happens. Raises `DataError` where the
    source lacks a judged image, and as models and images do that cannot be read. Needs torch.
    """
    cases = load_source(images.data, images.source).cases
    pairs = most_mistaken(of.predictions)
    pages = mistakes_page(of.model.folder, of.predictions, cases, folder, pairs, count)
    return [
        Picture(
            page.picture,
            f"{page.pair[0]} taken for {page.pair[1]} {page.first_as_second} times, the other way round "
            f"{page.second_as_first} times; the surest, each with the map of the answer and the map of the truth.",
            f"mistakes between {page.pair[0]} and {page.pair[1]}",
            wide=True,
            photographic=True,
        )
        for page in pages
        if page.picture
    ]


def most_mistaken(predictions: Predictions, shown: int = SHOWN) -> list[tuple[str, str]]:
    """Return the pairs of diagnoses most often mistaken for each other, melanoma and nevus first where they are."""
    wrong = np.flatnonzero(predictions.predicted != predictions.truth)
    counts = Counter(tuple(sorted((int(predictions.truth[row]), int(predictions.predicted[row])))) for row in wrong)
    first = (CODES.index("mel"), CODES.index("nv"))
    ordered = sorted(counts, key=lambda pair: (pair != first, -counts[pair], pair))
    return [(CODES[a], CODES[b]) for a, b in ordered[:shown]]
