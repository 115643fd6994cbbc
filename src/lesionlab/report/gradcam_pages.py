"""Pages of Grad-CAM maps: models beside each other, one image of each class, and mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lesionlab.data.cases import Case, pick
from lesionlab.data.images import load_image, squash
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError, UsageError
from lesionlab.evaluation.predictions import Predictions
from lesionlab.report.attention import Look
from lesionlab.report.heatmaps import overlay, shrink
from lesionlab.report.pages import Cell, draw_page

MISTAKEN: tuple[tuple[str, str], ...] = (("akiec", "bkl"), ("nv", "mel"))
"""The pairs whose mistakes the seed paper looks at (section 3.4)."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class MistakesPage:
    """The mistakes between two diagnoses: how many of each direction there are, and the picture (None without any)."""

    pair: tuple[str, str]
    first_as_second: int
    second_as_first: int
    picture: Path | None


def one_of_each(cases: Sequence[Case], seed: int = 0) -> list[Case]:
    """Return one case of each diagnosis that there is, in the order of `CODES`, chosen by hash."""
    return [pick(mine, 1, seed)[0] for code in CODES if (mine := [case for case in cases if case.dx == code])]


def gradcam_table(models: Mapping[str, Path], cases: Sequence[Case], out: Path, target: str | None = None) -> None:
    """Draw the photographs of `cases` and below them one row of maps per model, label -> path, as PNG.

    Every model sees the same images, as in the seed paper's Tables 4 and 5.

    Parameters
    ----------
    target : the diagnosis that the maps speak for; each model's own answer where None.

    Raises `UsageError` for an unknown diagnosis, `DataError` without models or cases.
    """
    if target is not None and target not in CODES:
        raise UsageError(f"{target}: no such diagnosis", f"known are {', '.join(CODES)}")
    if not models or not cases:
        raise DataError(f"{out}: {len(models)} models and {len(cases)} images", "name at least one of each")
    photographs = [shrink(load_image(Path(case.path), case.image_id)) for case in cases]
    first = [Cell(photo, _named(case)) for photo, case in zip(photographs, cases, strict=True)]
    rows: list[tuple[str, list[Cell | None]]] = [("photograph", [*first])]
    wanted = [CODES.index(target)] * len(cases) if target else None
    for label, path in models.items():
        rows.append((label, [*_maps(Look(path), cases, photographs, wanted)]))
    said = f"what speaks for {target}" if target else "what speaks for each answer"
    draw_page(rows, out, f"Grad-CAM: {said}")


def class_panel(model: Path, cases: Sequence[Case], out: Path, label: str = "") -> None:
    """Draw photographs, such as `one_of_each`, and below each the map that speaks for its true class, as PNG.

    This is the seed paper's Figures 8 and 9. Raises `DataError` for a case without diagnosis.
    """
    if not cases or any(case.dx not in CODES for case in cases):
        raise DataError(f"{out}: images with a diagnosis are needed", "name one image of each class")
    photographs = [shrink(load_image(Path(case.path), case.image_id)) for case in cases]
    first = [Cell(photo, _named(case)) for photo, case in zip(photographs, cases, strict=True)]
    second = _maps(Look(model), cases, photographs, [CODES.index(case.dx) for case in cases])
    draw_page([("photograph", [*first]), ("map of the true class", [*second])], out, label)


def mistakes_page(
    model: Path,
    predictions: Predictions,
    cases: Sequence[Case],
    out: Path,
    pairs: Sequence[tuple[str, str]] = MISTAKEN,
    count: int = 4,
    label: str = "",
    name: str = "",
) -> list[MistakesPage]:
    """Draw the surest mistakes between two diagnoses, one PNG per pair in the folder `out`.

    A row shows a photograph, the map that speaks for the wrong answer and the map that speaks for the truth; the left
    half takes the first diagnosis for the second, the right half the other way round.

    Parameters
    ----------
    predictions : the model's answers; `cases` must hold their images (`DataError`).
    count : most mistakes of one direction to draw, of different lesions. label : of the model, above the pictures.
    name : of the model in the files, mistakes_NAME_A_B.png.
    """
    by_id = {case.image_id: case for case in cases}
    if missing := [image_id for image_id in predictions.image_ids if image_id not in by_id]:
        raise DataError(f"{len(missing)} predicted images are not in the source: {missing[0]}", "name their source")
    look, pages = Look(model), []
    for a, b in pairs:
        halves = [_surest(predictions, truth, said) for truth, said in ((a, b), (b, a))]
        drawn = [
            _mistakes(look, _one_a_lesion([by_id[predictions.image_ids[row]] for row in rows])[:count], truth, said)
            for rows, (truth, said) in zip(halves, ((a, b), (b, a)), strict=True)
        ]
        file = "_".join(part for part in ("mistakes", name, a, b) if part)
        picture = out / f"{file}.png" if any(drawn) else None
        if picture:
            empty: list[Cell | None] = [None] * 3
            height = max(map(len, drawn))
            left, right = ([*half, *([empty] * (height - len(half)))] for half in drawn)
            page = [("", [*one, *other]) for one, other in zip(left, right, strict=True)]
            title = f"{a} taken for {b} ({len(halves[0])}), and {b} taken for {a} ({len(halves[1])})"
            draw_page(page, picture, f"{label}: {title}" if label else title)
        pages.append(MistakesPage((a, b), len(halves[0]), len(halves[1]), picture))
    return pages


def _surest(predictions: Predictions, truth: str, said: str) -> list[int]:
    """Return the rows in which `truth` was taken for `said`, the surest first."""
    k = CODES.index(said)
    rows = np.flatnonzero((predictions.truth == CODES.index(truth)) & (predictions.predicted == k))
    return [int(row) for row in rows[np.argsort(-predictions.probabilities[rows, k], kind="stable")]]


def _one_a_lesion(cases: Sequence[Case]) -> list[Case]:
    """Return the first case of each lesion."""
    first: dict[str, Case] = {}
    for case in cases:
        first.setdefault(case.lesion_id, case)
    return list(first.values())


def _mistakes(look: Look, cases: Sequence[Case], truth: str, said: str) -> list[list[Cell | None]]:
    """Return one row for each mistake: photograph, map of the wrong answer, map of the truth."""
    if not cases:
        return []
    photographs = [shrink(load_image(Path(case.path), case.image_id)) for case in cases]
    first = [Cell(photo, _named(case)) for photo, case in zip(photographs, cases, strict=True)]
    wrong, right = (_maps(look, cases, photographs, [CODES.index(code)] * len(cases)) for code in (said, truth))
    return [[*row] for row in zip(first, wrong, right, strict=True)]


def _maps(look: Look, cases: Sequence[Case], photographs: Sequence[Pixels], classes: list[int] | None) -> list[Cell]:
    """Return each photograph under its map; the caption tells class and probability."""
    pixels = np.stack([squash(load_image(Path(case.path)), look.model.size) for case in cases])
    probabilities, heats = look(pixels, classes)
    shown = probabilities.argmax(axis=1) if classes is None else classes
    cells = []
    for row, (photo, heat, k) in enumerate(zip(photographs, heats, shown, strict=True)):
        caption = f"{CODES[k]} {probabilities[row, k]:.0%}" + ("" if heat.any() else ", no map")
        cells.append(Cell(overlay(photo, heat), caption))
    return cells


def _named(case: Case) -> str:
    return f"{case.image_id}\n{case.dx}" if case.dx else case.image_id
