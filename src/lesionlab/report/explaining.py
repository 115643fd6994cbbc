"""Images explained by several methods, and what was measured on each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from lesionlab.data.cases import Case
from lesionlab.data.masks import Masks
from lesionlab.evaluation.attention import shares
from lesionlab.evaluation.faithfulness import MEASURES, STEPS, area, order, pointing, walk
from lesionlab.evaluation.metrics import Bools
from lesionlab.evaluation.predictions import Floats, Ints
from lesionlab.prediction.attributions import Attributions, erased
from lesionlab.prediction.cam import Maps, Pixels
from lesionlab.prediction.predictor import Predictor
from lesionlab.report.opened import Opened
from lesionlab.report.parts import Counted

CHUNK = 8
"""Images that are explained together."""

WALKS: tuple[str, ...] = ("insertion", "deletion")


@dataclass(frozen=True, eq=False)
class Explained:
    """What was measured on n images.

    answers (n,) : the explained classes. whole, erased (n,) : the answer's chance on the image and on the erased one.
    walked (n,) : whether the image has curves, which it has where the erased one gets another answer. areas (n,) : the
    lesion's share of the frame, NaN without a mask. measures : method -> measure -> (n,), NaN where there is none.
    walks : method -> insertion, deletion -> (n, STEPS + 1). maps : image_id -> method -> map (size, size), of the
    images to be drawn.
    """

    cases: list[Case]
    answers: Ints
    whole: Floats
    erased: Floats
    walked: Bools
    areas: Floats
    measures: dict[str, dict[str, Floats]]
    walks: dict[str, dict[str, Floats]]
    maps: dict[str, dict[str, Maps]] = field(default_factory=dict)

    @classmethod
    def of(cls, cases: list[Case], methods: Sequence[str]) -> Explained:
        """Return where the measures of some images go."""
        n = len(cases)
        return cls(
            cases,
            answers=np.zeros(n, np.int64),
            whole=np.zeros(n),
            erased=np.zeros(n),
            walked=np.zeros(n, bool),
            areas=np.full(n, np.nan),
            measures={method: {name: np.full(n, np.nan) for name in MEASURES} for method in methods},
            walks={method: {name: np.full((n, STEPS + 1), np.nan) for name in WALKS} for method in methods},
        )

    @property
    def lesions(self) -> Ints:
        """(n,) number of each image's lesion, from 0."""
        return np.unique([case.lesion_id for case in self.cases], return_inverse=True)[1].astype(np.int64)


def explain(
    opened: Opened,
    attributions: Attributions,
    chosen: Sequence[Case],
    outlines: Mapping[str, Masks],
    drawn: Collection[str],
    progress: Counted | None = None,
) -> Explained:
    """Return what was measured on the chosen images, in the order of the pack.

    Parameters
    ----------
    outlines : image_id -> mask, bool (size, size). drawn : the images whose maps are kept.
    """
    predictor, packed = Predictor(opened.model, views=1), opened.pack
    rows = packed.rows({case.image_id for case in chosen})
    found = Explained.of([packed.cases[row] for row in rows], attributions.methods)
    for first in range(0, len(rows), CHUNK):
        places = np.arange(first, min(first + CHUNK, len(rows)))
        names = [found.cases[place].image_id for place in places]
        pixels = packed.pixels[rows[places]]
        blank = erased(pixels)
        _answer(found, places, predictor.probabilities(pixels), predictor.probabilities(blank))
        maps = attributions.maps(pixels, found.answers[places].tolist(), names)
        _walk(found, places, predictor, (blank, pixels), maps)
        _compare(found, places, maps, outlines)
        for row, name in enumerate(names):
            if name in drawn:
                found.maps[name] = {method: each[row] for method, each in maps.items()}
        if progress:
            progress("explaining", first + len(places), len(rows))
    return found


def _answer(found: Explained, places: Ints, whole: Floats, nothing: Floats) -> None:
    """Note the answers, from probabilities (b, 7) of whole and erased images."""
    classes = whole.argmax(axis=1)
    found.answers[places], found.walked[places] = classes, nothing.argmax(axis=1) != classes
    found.whole[places], found.erased[places] = (one[np.arange(len(places)), classes] for one in (whole, nothing))


def _walk(
    found: Explained, places: Ints, predictor: Predictor, ends: tuple[Pixels, Pixels], maps: Mapping[str, Maps]
) -> None:
    """Measure insertion and deletion between the `ends`, the erased and the whole images."""
    rows = np.flatnonzero(found.walked[places])
    if not len(rows):
        return
    there = places[rows]
    blank, whole = (one[rows] for one in ends)

    def chance(shown: Pixels) -> Floats:
        told: Floats = predictor.probabilities(shown)[np.arange(len(rows)), found.answers[there]]
        return told

    for method, each in maps.items():
        ranks = order(each[rows])
        pair = (walk(blank, whole, ranks, chance), walk(whole, blank, ranks, chance))
        for name, curves in zip(WALKS, pair, strict=True):
            found.walks[method][name][there] = curves
            found.measures[method][name][there] = area(curves)
        found.measures[method]["gap"][there] = area(pair[0]) - area(pair[1])


def _compare(found: Explained, places: Ints, maps: Mapping[str, Maps], outlines: Mapping[str, Masks]) -> None:
    """Measure energy and maximum inside the lesion on those images that have a mask."""
    rows = np.array([row for row, place in enumerate(places) if found.cases[place].image_id in outlines], np.int64)
    if not len(rows):
        return
    there = places[rows]
    masks = np.stack([outlines[found.cases[place].image_id] for place in there])
    found.areas[there] = masks.mean(axis=(1, 2))
    for method, each in maps.items():
        found.measures[method]["inside"][there] = shares(each[rows], masks)["inside"]
        found.measures[method]["pointing"][there] = pointing(each[rows], masks)
