"""What of a test set is in the training set as well: other photographs of a lesion, copies, and images that look alike.

A lesion's photographs are found by lesion_id, copies by the search of `data.audit`, whatever their lesion_id says.
Images that a network finds most alike are candidates to look at and never counted as leaks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lesionlab.data.audit import Audit, Progress, audit
from lesionlab.data.cases import Case
from lesionlab.data.sources.listing import Listing
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError

KINDS: dict[str, str] = {"exact": "exact copy", "near": "near copy", "lesion": "same lesion"}
"""Ways in which a test image is in the training set, the strongest first.

exact: the same bytes or the same pixels. near: turned, flipped, re-encoded, resized or mildly cropped; see
`data.duplicates`. lesion: the same lesion_id.
"""

NEIGHBOUR = "neighbour"
"""The kind of a match that is no more than a candidate."""

ALL, UNKNOWN = "all", "unknown"

LESION_LIMIT = 1000
"""Most images that one lesion_id may have; more make it a filler."""

_BLOCK = 1024

Vectors = npt.NDArray[np.float32]
Counts = dict[str, dict[str, int | float | None]]


@dataclass(frozen=True)
class Match:
    """A test image and a training image that go together.

    kinds : keys of `KINDS`, or `NEIGHBOUR`. score : how well a near copy agrees once aligned (0 to 1), or the cosine
    similarity of a neighbour; None for the others.
    """

    test: Case
    train: Case
    kinds: tuple[str, ...]
    score: float | None = None

    @property
    def contradicts(self) -> bool:
        """Whether the two have different diagnoses."""
        return bool(self.test.dx and self.train.dx) and self.test.dx != self.train.dx


@dataclass(frozen=True)
class Found:
    """All matches, the strongest first; and the training and test images whose file could be read."""

    matches: list[Match]
    train: list[Case]
    test: list[Case]


def find_matches(
    train: Sequence[Case], test: Sequence[Case], *, near: bool = True, progress: Progress | None = None
) -> Found:
    """Return every pair of a test and a training image that show one lesion or are copies.

    Parameters
    ----------
    near : also look for copies that are not pixel for pixel the same. progress : as in `data.audit.audit`.

    Cases without a file (path "") are compared by lesion_id only. Raises `DataError` where one lesion_id stands for
    more than `LESION_LIMIT` images.
    """
    cases = [*train, *test]
    lesions = _by_lesion(cases)
    files = [replace(case, image_id=str(row)) for row, case in enumerate(cases) if case.path]
    seen = audit(Listing("pair", Path(), files, []), near=near, progress=progress)
    ties: dict[tuple[int, int], dict[str, float]] = defaultdict(dict)
    for kind, some, others, score in _tied(lesions, seen):
        for first, second in map(sorted, product(some, others)):
            if first < len(train) <= second:
                ties[second, first][kind] = score
    matches = [
        Match(cases[one], cases[other], tuple(kind for kind in KINDS if kind in kinds), kinds.get("near"))
        for (one, other), kinds in sorted(ties.items())
    ]
    bad = {int(problem.image_id) for problem in seen.problems if problem.kind == "unreadable image"}
    readable = [row for row, case in enumerate(cases) if case.path and row not in bad]
    return Found(
        sorted(matches, key=lambda match: (list(KINDS).index(match.kinds[0]), -(match.score or 0))),
        [cases[row] for row in readable if row < len(train)],
        [cases[row] for row in readable if row >= len(train)],
    )


def _tied(lesions: Iterable[list[int]], seen: Audit) -> Iterator[tuple[str, list[int], list[int], float]]:
    """Yield a kind, two lists of rows of which each one goes with each other one, and the score."""
    for rows in lesions:
        yield "lesion", rows, rows, 1.0
    equal: dict[int, list[int]] = {}
    for group in ([int(row) for row in names] for names in seen.exact):
        yield "exact", group, group, 1.0
        equal |= dict.fromkeys(group, group)
    for pair in seen.near:  # of images that are equal, the audit compares one
        first, second = (equal.get(int(row), [int(row)]) for row in (pair.first, pair.second))
        yield "near", first, second, pair.score


def _by_lesion(cases: Sequence[Case]) -> Iterable[list[int]]:
    """Return the rows of each lesion's images."""
    lesions: dict[str, list[int]] = defaultdict(list)
    for row, case in enumerate(cases):
        lesions[case.lesion_id].append(row)
    for lesion, rows in lesions.items():
        if len(rows) > LESION_LIMIT:
            raise DataError(
                f"lesion_id {lesion[:40]!r} stands for {len(rows):,} images: that is no lesion",
                "leave the cell empty where the lesion is not known",
            )
    return lesions.values()


def counts(test: Sequence[Case], matches: Sequence[Match]) -> Counts:
    """Return how many test images leak, by diagnosis: each of the seven, `UNKNOWN` where there are some, and `ALL`.

    Keys of each: images, one per kind of `KINDS`, any (one kind or more), share (any / images, None without images).
    """
    leaking = {kind: {match.test.image_id for match in matches if kind in match.kinds} for kind in KINDS}
    leaking["any"] = set().union(*leaking.values())
    groups = {dx: {case.image_id for case in test if case.dx == dx} for dx in CODES}
    groups[UNKNOWN] = {case.image_id for case in test if not case.dx}
    groups[ALL] = {case.image_id for case in test}
    found: Counts = {}
    for name, ids in groups.items():
        if ids or name != UNKNOWN:
            row = {kind: len(ids & members) for kind, members in leaking.items()}
            found[name] = {"images": len(ids), **row, "share": row["any"] / len(ids) if ids else None}
    return found


def hidden(matches: Sequence[Match]) -> int:
    """Return how many test images have a copy in the training set, but no photograph of their own lesion_id.

    A split by lesion_id does not keep such images apart.
    """
    by_lesion = {match.test.image_id for match in matches if "lesion" in match.kinds}
    return len({match.test.image_id for match in matches} - by_lesion)


@dataclass(frozen=True)
class Neighbours:
    """The most alike pairs of test images that leak in no other way, and how far such a search can be trusted.

    known : test images with another photograph of their lesion, but no copy, in the training set. recognised : those
    of them whose nearest training image is one of that lesion.
    """

    candidates: list[Match]
    known: int
    recognised: int


def neighbours(found: Found, train: Vectors, test: Vectors, count: int = 24) -> Neighbours:
    """Return the `count` most alike of the pairs of a test image and its nearest training image.

    `train` and `test` are unit vectors, one for each of the readable images of `found`; alike is the cosine.
    """
    nearest = [
        Match(case, found.train[row], (NEIGHBOUR,), round(float(cosine), 4))
        for case, (row, cosine) in zip(found.test, _nearest(train, test), strict=True)
    ]
    leaking = {match.test.image_id for match in found.matches}
    copied = {match.test.image_id for match in found.matches if match.kinds != ("lesion",)}
    known = {one.test.image_id for one in nearest} & (leaking - copied)
    recognised = [one for one in nearest if one.test.image_id in known and one.test.lesion_id == one.train.lesion_id]
    fresh = sorted((one for one in nearest if one.test.image_id not in leaking), key=lambda one: -(one.score or 0))
    return Neighbours(fresh[:count], len(known), len(recognised))


def _nearest(train: Vectors, test: Vectors) -> list[tuple[int, float]]:
    """Return for each test vector the row of the training vector with the largest cosine, and the cosine."""
    found: list[tuple[int, float]] = []
    for first in range(0, len(test), _BLOCK):
        cosines = test[first : first + _BLOCK] @ train.T
        best = cosines.argmax(axis=1)
        found += zip(best.tolist(), cosines.max(axis=1).tolist(), strict=True)
    return found
