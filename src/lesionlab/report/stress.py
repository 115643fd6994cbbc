"""A trained model under stress: corrupted photographs, small changes, and drawings over benign lesions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lesionlab.data.cases import Case, rank
from lesionlab.data.corruptions import CORRUPTIONS, SEVERITIES, Pixels, corrupt
from lesionlab.data.packs import Pack
from lesionlab.data.variations import VARIATIONS, vary
from lesionlab.diagnoses import CODES
from lesionlab.evaluation.predictions import Floats, Predictions, from_cases
from lesionlab.evaluation.stress import OVERLAYS, corruption_table, flip_table, overlay_table
from lesionlab.files import write_json
from lesionlab.models.bundle import Bundle
from lesionlab.models.composite import Composite
from lesionlab.prediction.network import dihedral
from lesionlab.prediction.predictor import Predictor
from lesionlab.report.opened import open_part
from lesionlab.report.parts import Counted, Images
from lesionlab.report.stress_pictures import draw_curves, draw_sheet

CHUNK = 32
"""Images that are changed and asked about together."""

FEWEST_IMAGES = 10
"""A choice of images takes so many of each diagnosis, or all there are, before shares count."""

RESULT, SHEET, CURVES = "stress.json", "stress_images.png", "stress_curves.png"

DIHEDRAL: dict[str, int] = {
    "mirrored left to right": 1,
    "mirrored top to bottom": 2,
    "turned by 180 degrees": 3,
    "mirrored on the diagonal": 4,
    "turned to the left": 5,
    "turned to the right": 6,
    "mirrored on the other diagonal": 7,
}
"""The eight dihedral views but for the image itself -> their number in `prediction.network.dihedral`."""

Key = tuple[str, str, int]
"""What was done to images: kind, name, severity (0 where there is none)."""

CLEAN: Key = ("clean", "", 0)


def stress_model(
    model: Path,
    images: Images,
    part: str = "test",
    count: int | None = None,
    split_file: Path | None = None,
    views: int | None = None,
    out: Path | None = None,
    resamples: int = 2000,
    seed: int = 0,
    command: str = "",
) -> dict[str, Any]:
    """Ask a trained model about changed photographs of one part; write `RESULT`, `SHEET` and `CURVES`.

    Parameters
    ----------
    count : how many images; all where None. Each diagnosis keeps its share, but has at least `FEWEST_IMAGES`; the same
        seed chooses the same images.
    out : where to write; RUN/stress/PART where None. The rest is as in `report.evaluate_model`.

    Keys
    ----
    those of `Opened.told` and of `counted`. views : test-time views of each network. corruptions, flips, overlays : see
    `evaluation.stress`.

    Raises as `open_part` does, and `DataError` for a source without diagnoses.
    """
    opened = open_part(model, images, part, split_file, out, resamples, "stress")
    described, packed = opened.model, opened.pack
    predictor, known = Predictor(described, views), opened.diagnosed(images.data)
    chosen = stratified(known, count, seed)
    names = [case.image_id for case in chosen]
    draw_sheet(packed.pixels[packed.rows({names[0]})], names[0], opened.folder / SHEET, seed)
    answers = ask_changed(predictor, packed, chosen, seed, images.progress)
    result = {
        **opened.told(names, resamples, command),
        **counted(chosen, known, seed),
        "views": _views(described, views),
        **tables(described, answers, resamples),
    }
    write_json(opened.folder / RESULT, result)
    draw_curves(result["corruptions"], opened.folder / CURVES, f"{described.title}, {part}")
    return result


def counted(chosen: Sequence[Case], known: Sequence[Case], seed: int) -> dict[str, Any]:
    """Return how many images were `stratified` of those known: images, lesions, per_class, chosen_of, seed."""
    return {
        "images": len(chosen),
        "lesions": len({case.lesion_id for case in chosen}),
        "per_class": {code: sum(case.dx == code for case in chosen) for code in CODES},
        "chosen_of": len(known),
        "seed": seed,
    }


def _views(model: Bundle | Composite, views: int | None) -> list[int]:
    bundles = model.bundles.values() if isinstance(model, Composite) else [model]
    return [bundle.views if views is None else views for bundle in bundles]


def stratified(cases: Sequence[Case], count: int | None, seed: int = 0) -> list[Case]:
    """Return about `count` of the cases in their order, by hash of `seed` and image_id; all of them where None.

    Each diagnosis keeps its share, rounded, but has at least `FEWEST_IMAGES` or all of its images.
    """
    if count is None or count >= len(cases):
        return list(cases)
    taken: set[str] = set()
    for code in CODES:
        mine = sorted((case for case in cases if case.dx == code), key=lambda case: rank(seed, case.image_id))
        wanted = max(FEWEST_IMAGES, round(count * len(mine) / len(cases)))
        taken |= {case.image_id for case in mine[:wanted]}
    return [case for case in cases if case.image_id in taken]


def ask_changed(
    predictor: Predictor, packed: Pack, chosen: Sequence[Case], seed: int = 0, progress: Counted | None = None
) -> dict[Key, Predictions]:
    """Return what a model answers to the chosen images of a pack, in its order, as they are and after each change."""
    rows = packed.rows({case.image_id for case in chosen})
    cases = [packed.cases[row] for row in rows]
    changes = _changes(seed)
    found: dict[Key, list[Floats]] = {key: [] for key in changes}
    for first in range(0, len(rows), CHUNK):
        pixels = packed.pixels[rows[first : first + CHUNK]]
        names = [case.image_id for case in cases[first : first + CHUNK]]
        for number, (key, change) in enumerate(changes.items(), start=1):
            found[key].append(predictor.probabilities(change(pixels, names)))
            if progress:
                done = first * len(changes) + number * len(pixels)
                progress("predicting changed images", done, len(rows) * len(changes))
    return {key: from_cases(cases, np.concatenate(parts)) for key, parts in found.items()}


def _changes(seed: int) -> dict[Key, Callable[[Pixels, Sequence[str]], Pixels]]:
    """Return everything that is done to images, as functions of pixels (n, side, side, 3) and their names."""
    return {
        CLEAN: _same,
        **{
            ("corruption", name, severity): partial(corrupt, name=name, severity=severity, seed=seed)
            for name in CORRUPTIONS
            for severity in SEVERITIES
        },
        **{("dihedral", name, 0): partial(_turned, view=view) for name, view in DIHEDRAL.items()},
        **{("photometric", name, 0): partial(_varied, name=name) for name in VARIATIONS},
    }


def _same(pixels: Pixels, image_ids: Sequence[str]) -> Pixels:
    return pixels


def _turned(pixels: Pixels, image_ids: Sequence[str], view: int) -> Pixels:
    return dihedral(pixels, view)


def _varied(pixels: Pixels, image_ids: Sequence[str], name: str) -> Pixels:
    return vary(pixels, name)


def tables(model: Bundle | Composite, answers: Mapping[Key, Predictions], resamples: int = 2000) -> dict[str, Any]:
    """Return the three tables of `evaluation.stress` by name."""
    clean = answers[CLEAN]
    corrupted = {name: [answers["corruption", name, level] for level in SEVERITIES] for name in CORRUPTIONS}
    changed = {
        kind: {name: answer for (what, name, _), answer in answers.items() if what == kind}
        for kind in ("dihedral", "photometric")
    }
    point = model.decisions.point() if model.decisions else None
    drawn = {name: corrupted[name] for name in OVERLAYS}
    return {
        "corruptions": corruption_table(clean, corrupted, resamples),
        "flips": flip_table(clean, changed, resamples),
        "overlays": overlay_table(clean, drawn, point, resamples),
    }
