"""Images with a part hidden: which part it is, how they look, and what a model says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lesionlab.data.cases import Case, Problem
from lesionlab.data.hiding import Colour, boxed, colour_around, filled, grown
from lesionlab.data.masks import Masks, find_masks
from lesionlab.data.packs import Pack
from lesionlab.errors import DataError
from lesionlab.evaluation.predictions import Floats, Predictions, from_cases
from lesionlab.evaluation.shortcuts import BACKGROUND, BACKGROUND_BOX, LESION, MODEL
from lesionlab.prediction.network import Pixels
from lesionlab.prediction.predictor import Predictor
from lesionlab.report.attention import read_masks
from lesionlab.report.parts import Counted

LARGEST_BOX = 0.9
"""Share of the frame that a box may hide; where the lesion is larger, hardly any background is left to judge."""

CHUNK = 32
"""Images that are hidden in part and asked about together."""


@dataclass(frozen=True, eq=False)
class Outlines:
    """image_id -> what is hidden of it, bool (size, size), in the order of the pack; and the images left out."""

    regions: dict[str, Masks]
    left_out: list[Problem]


def find_outlines(cases: Sequence[Case], folder: Path, size: int) -> Outlines:
    """Return the grown masks of those cases that have one; `DataError` where none has one that leaves background."""
    found, left_out = read_masks(cases, find_masks(folder, [case.image_id for case in cases]), size)
    regions = {}
    for case in (case for case in cases if case.image_id in found):
        region = grown(found[case.image_id])
        if boxed(region).mean() <= LARGEST_BOX:
            regions[case.image_id] = region
        else:
            detail = f"a box around the lesion takes more than {LARGEST_BOX:.0%} of the frame"
            left_out.append(Problem("no background", case.image_id, "", detail))
    if not regions:
        raise DataError(f"{folder}: every lesion with a mask fills the frame", "there is no background to judge")
    return Outlines(regions, left_out)


def usual_colour(pack: Pack, regions: Mapping[str, Masks]) -> Colour:
    """Return the mean colour (3,) around the regions, image_id -> bool (size, size), of a pack's images."""
    rows = pack.rows(set(regions))
    colours = [colour_around(pack.pixels[row], regions[pack.cases[row].image_id]) for row in rows]
    return np.asarray(np.mean(colours, axis=0))


def hidden(pixels: Pixels, region: Masks, colour: Colour) -> dict[str, Pixels]:
    """Return the versions of an image, uint8 (size, size, 3), of which the lesion covers a region (size, size).

    The lesion is filled with the colour around what is hidden, which tells nothing that is not to be seen anyway; the
    background with one `colour` (3,) for all images, which tells nothing at all.
    """
    box = boxed(region)
    return {
        MODEL: pixels,
        BACKGROUND: filled(pixels, region, colour_around(pixels, region)),
        BACKGROUND_BOX: filled(pixels, box, colour_around(pixels, box)),
        LESION: filled(pixels, ~region, colour),
    }


def ask_hidden(
    predictor: Predictor, pack: Pack, regions: Mapping[str, Masks], colour: Colour, progress: Counted | None
) -> dict[str, Predictions]:
    """Return what a model answers to each version with a part hidden, of the images that have a region."""
    rows = pack.rows(set(regions))
    cases = [pack.cases[row] for row in rows]
    tables: dict[str, list[Floats]] = {BACKGROUND: [], BACKGROUND_BOX: [], LESION: []}
    for first in range(0, len(rows), CHUNK):
        chunk = cases[first : first + CHUNK]
        pixels = pack.pixels[rows[first : first + CHUNK]]
        shown = [hidden(one, regions[case.image_id], colour) for one, case in zip(pixels, chunk, strict=True)]
        for name, parts in tables.items():
            parts.append(predictor.probabilities(np.stack([versions[name] for versions in shown])))
        if progress:
            progress("predicting images with a part hidden", first + len(chunk), len(rows))
    return {name: from_cases(cases, np.concatenate(parts)) for name, parts in tables.items()}
