"""Does a trained model go by the lesion? It is judged beside metadata alone, and on images with a part hidden."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from lesionlab.data.cases import Case, write_rows
from lesionlab.data.hiding import AROUND, MARGIN, boxed
from lesionlab.errors import DataError, UserError
from lesionlab.evaluation.metadata import from_metadata
from lesionlab.evaluation.predictions import Predictions, from_cases
from lesionlab.evaluation.shortcuts import CAUTION, METADATA, MODEL, shortcut_table
from lesionlab.files import write_json
from lesionlab.prediction.predictor import Predictor
from lesionlab.report.asking import predict_cases
from lesionlab.report.evaluate_model import answered
from lesionlab.report.gradcam_pages import one_of_each
from lesionlab.report.hidden import LARGEST_BOX, Outlines, ask_hidden, find_outlines, hidden, usual_colour
from lesionlab.report.opened import Opened, open_part
from lesionlab.report.parts import Counted, Images, learnt_images
from lesionlab.report.shortcut_pictures import draw_examples, draw_forest

RESULT, TABLE, FOREST, SHEET = "shortcuts.json", "shortcuts.csv", "shortcuts.png", "shortcuts_images.png"

COLUMNS: tuple[str, ...] = (
    *("section", "version", "images", "lesions", "metric", "value", "low", "high"),
    *("difference", "difference_low", "difference_high"),
)
"""The columns of `TABLE`, one row per version and metric."""

SECTIONS: tuple[str, ...] = ("metadata", "masked")

FIGURE = ("value", "low", "high")

Made = TypeVar("Made")


def find_shortcuts(
    model: Path,
    images: Images,
    part: str = "test",
    masks: Path | None = None,
    split_file: Path | None = None,
    out: Path | None = None,
    resamples: int = 2000,
    command: str = "",
) -> dict[str, Any]:
    """Judge metadata alone, and the model on images with a part hidden; write `RESULT`, `TABLE`, `FOREST`, `SHEET`.

    Parameters
    ----------
    model, part, split_file, resamples, command : as in `evaluate_model`; only images with a diagnosis are taken.
    masks : folder of the lesion masks; the source itself where None.
    out : where to write; RUN/shortcuts/PART where None.

    Keys
    ----
    those of `Opened.told`. caution : what to keep in mind.
    metadata : what `evaluation.shortcuts.shortcut_table` tells of `METADATA`, with baseline : what
        `evaluation.metadata.from_metadata` tells; or {undefined : why}.
    masked : what it tells of `BACKGROUND`, `BACKGROUND_BOX`, `LESION` and the size of the box, with left_out :
        [{image_id, kind, reason}], and hiding : {margin, around, largest_box, background : the colour (3,) of a hidden
        background}; or {undefined : why}.

    Images without a mask are left out. Where there is none, or no metadata, that section is undefined; without masks
    there is no `SHEET`. Raises `DataError` where both are undefined and where named masks are not there, and as
    `open_part` does.
    """
    opened = open_part(model, images, part, split_file, out, resamples, "shortcuts")
    known = opened.diagnosed(images.data)

    def outline() -> Outlines:
        return find_outlines(known, masks or images.folder, opened.model.size)

    outlines = outline() if masks else _or_why(outline)
    baseline = _or_why(lambda: _baseline(opened, model, images, split_file, known))
    if isinstance(outlines, str) and isinstance(baseline, str):
        raise DataError(f"there is nothing to compare the model with: {outlines}; {baseline}")
    predictor = Predictor(opened.model)
    whole = predict_cases(predictor, opened.pack, known, images.progress)
    sections: list[dict[str, Any]] = [{"undefined": told} for told in (baseline, outlines)]
    if not isinstance(baseline, str):
        sections[0] = shortcut_table(whole, {METADATA: baseline[0]}, None, resamples) | {"baseline": baseline[1]}
    if not isinstance(outlines, str):
        sections[1] = _masked(opened, predictor, whole, outlines, resamples, images.progress)
    result: dict[str, Any] = {
        **opened.told(whole.image_ids, resamples, command),
        **dict(zip(SECTIONS, sections, strict=True)),
        "caution": CAUTION,
    }
    write_json(opened.folder / RESULT, result)
    write_rows(opened.folder / TABLE, COLUMNS, _rows(result))
    draw_forest({name: result[name] for name in SECTIONS}, opened.folder / FOREST, f"{opened.model.title}, {part}")
    return result


def _or_why(make: Callable[[], Made]) -> Made | str:
    """Return what is made, or why it cannot be."""
    try:
        return make()
    except UserError as error:
        return error.message


def _baseline(
    opened: Opened, model: Path, images: Images, split_file: Path | None, known: Sequence[Case]
) -> tuple[Predictions, dict[str, Any]]:
    """Return what metadata alone say of the cases, learnt from the images that the model learnt from."""
    learnt = learnt_images(opened.model, model, images, split_file)
    train, validate = ([case for case in cases if case.dx] for cases in (learnt.train, learnt.validate))
    return from_metadata(train, validate, known)


def _masked(
    opened: Opened,
    predictor: Predictor,
    whole: Predictions,
    outlines: Outlines,
    resamples: int,
    progress: Counted | None,
) -> dict[str, Any]:
    """Ask a model about images with a part hidden, draw some of them, and return the section "masked"."""
    pack, regions = opened.pack, outlines.regions
    cases = [case for case in pack.cases if case.image_id in regions]
    colour = usual_colour(pack, regions)
    shown = from_cases(*answered(pack, cases, whole))
    answers = ask_hidden(predictor, pack, regions, colour, progress)
    pictures = {
        case.image_id: hidden(pack.pixels[pack.rows({case.image_id})[0]], regions[case.image_id], colour)
        for case in one_of_each(cases)
    }
    title = f"{opened.model.title}, {opened.part}: as the model sees them"
    draw_examples(pictures, {MODEL: shown, **answers}, opened.folder / SHEET, title)
    sizes = np.array([boxed(regions[case.image_id]).mean() for case in cases])
    left_out = [{"image_id": one.image_id, "kind": one.kind, "reason": one.detail} for one in outlines.left_out]
    hiding = {"margin": MARGIN, "around": AROUND, "largest_box": LARGEST_BOX, "background": colour.tolist()}
    return shortcut_table(shown, answers, sizes, resamples) | {"left_out": left_out, "hiding": hiding}


def _rows(result: Mapping[str, Any]) -> Iterator[list[object]]:
    """Yield the rows of `TABLE`."""
    for section in SECTIONS:
        for version, figures in result[section].get("versions", {}).items():
            for metric, figure in figures.items():
                counts = (result[section]["images"], result[section]["lesions"])
                numbers = (one.get(key) for one in (figure, figure.get("difference", {})) for key in FIGURE)
                yield [section, version, *counts, metric, *numbers]
