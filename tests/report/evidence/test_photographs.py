"""Which mistakes are shown."""

from __future__ import annotations

import numpy as np

from lesionlab.diagnoses import CODES
from lesionlab.evaluation.predictions import Predictions
from lesionlab.report.evidence.photographs import most_mistaken


def answers(*pairs: tuple[str, str]) -> Predictions:
    """Return answers of (truth, answer)."""
    table = np.full((len(pairs), 7), 0.01)
    for row, (_, said) in enumerate(pairs):
        table[row, CODES.index(said)] = 0.94
    names = tuple(str(row) for row in range(len(pairs)))
    return Predictions(names, names, np.array([CODES.index(truth) for truth, _ in pairs]), table)


def test_the_most_frequent_mistakes_both_ways() -> None:
    said = [("bkl", "akiec"), ("akiec", "bkl"), ("df", "nv"), ("nv", "nv"), ("bcc", "vasc"), ("bcc", "vasc")]
    assert most_mistaken(answers(*said, ("vasc", "bcc")), 2) == [("bcc", "vasc"), ("akiec", "bkl")]


def test_melanoma_and_nevus_come_first() -> None:
    said = [("bkl", "akiec"), ("bkl", "akiec"), ("nv", "mel")]
    assert most_mistaken(answers(*said)) == [("mel", "nv"), ("akiec", "bkl")]
    assert most_mistaken(answers(("nv", "nv"))) == []
