"""Whether a trained model's maps can be believed: a table, curves and a page of maps for one part of a source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lesionlab.data.cases import Case, write_rows
from lesionlab.data.masks import Masks, find_masks
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError
from lesionlab.evaluation.faithfulness import GRID, MEASURES, STEPS, faithfulness_table, verdict
from lesionlab.files import write_json
from lesionlab.models.bundle import read_bundle
from lesionlab.prediction.attributions import BLUR, CENTRE_SIGMA, IG_STEPS, STRIDE, WINDOW, Attributions
from lesionlab.prediction.network import chosen_views
from lesionlab.report.attention import read_masks
from lesionlab.report.explaining import Explained, explain
from lesionlab.report.faithfulness_pictures import draw_curves, draw_maps
from lesionlab.report.gradcam_pages import one_of_each
from lesionlab.report.opened import open_part
from lesionlab.report.parts import Images
from lesionlab.report.stress import counted, stratified

RESULT, TABLE = "faithfulness.json", "faithfulness.csv"
CURVES, PAGE = "faithfulness_curves.png", "faithfulness_maps.png"

COLUMNS: tuple[str, ...] = (
    *("image_id", "lesion_id", "truth", "explained", "chance_whole", "chance_erased", "lesion_area", "method"),
    *MEASURES,
)
"""The columns of `TABLE`, one row per image and method; empty cells where an image has no such measure."""

CAUTION = (
    "Only insertion and deletion test a map against the model. Energy outside the lesion is no fault of a map where "
    "the model does look there."
)


def measure_faithfulness(
    model: Path,
    images: Images,
    part: str = "test",
    masks: Path | None = None,
    count: int | None = 200,
    split_file: Path | None = None,
    out: Path | None = None,
    resamples: int = 2000,
    seed: int = 0,
    command: str = "",
    views: int | None = None,
) -> dict[str, Any]:
    """Explain a trained model's answers by every method of `METHODS`; write `RESULT`, `TABLE`, `CURVES` and `PAGE`.

    Parameters
    ----------
    model : one network; it answers on a single view. Without weights for torch, `METHODS` are those of `Attributions`.
    masks : folder of the lesion masks; the source itself where None. Without any, only insertion and deletion are told.
    count, seed : as in `report.stress.stress_model`. out : where to write; RUN/faithfulness/PART where None. views :
        that Grad-CAM averages, as in `Predictor`. The rest is as in `report.evaluate_model`.

    Keys
    ----
    those of `Opened.told` and of `report.stress.counted`.
    masks : {images, left_out : [{image_id, reason}]}, None without masks.
    answers : {same_when_erased : how many images are left out of the curves because the erased image gets the same
        answer; images : how many have curves; whole, erased : the mean chance of their answers, None without}.
    chance, methods : see `evaluation.faithfulness.faithfulness_table`.
    curves : {share : of the frame, 0 to 1; by_method : method -> {insertion, deletion : mean chance at each share}},
        None where no image has curves; then there is no picture of them.
    settings : {grad_cam_views, erased, grid, steps, integrated_gradients_steps, occlusion_window, occlusion_stride,
        centre_sigma}.
    verdict : what it comes to, in sentences. caution : what to keep in mind.

    Raises `ModelError` for a model of several networks or none that keeps a plane, `DataError` for a source without
    diagnoses and for named masks that are not there, and as `open_part` does.
    """
    bundle = read_bundle(model)
    attributions = Attributions(bundle, views)
    opened = open_part(model, images, part, split_file, out, resamples, "faithfulness")
    known = opened.diagnosed(images.data)
    chosen = stratified(known, count, seed)
    outlines, told = _outlines(chosen, masks, images, opened.model.size)
    drawn = {case.image_id for case in one_of_each(chosen)}
    found = explain(opened, attributions, chosen, outlines, drawn, images.progress)
    table = faithfulness_table(found.measures, found.areas, found.lesions, resamples)
    result = {
        **opened.told([case.image_id for case in chosen], resamples, command),
        **counted(chosen, known, seed),
        "masks": told,
        "answers": _answers(found),
        **table,
        "curves": _curves(found),
        "settings": {
            "grad_cam_views": chosen_views(bundle, views),
            "erased": f"blurred, standard deviation {BLUR} of the side",
            "grid": GRID,
            "steps": STEPS,
            "integrated_gradients_steps": IG_STEPS,
            "occlusion_window": WINDOW,
            "occlusion_stride": STRIDE,
            "centre_sigma": CENTRE_SIGMA,
        },
        "verdict": [verdict(table, "grad_cam")],
        "caution": CAUTION,
    }
    write_json(opened.folder / RESULT, result)
    write_rows(opened.folder / TABLE, COLUMNS, _rows(found))
    title = f"{opened.model.title}, {part}"
    if result["curves"]:
        draw_curves(result, opened.folder / CURVES, title)
    draw_maps(found, outlines, opened.model.frame_aspect, opened.folder / PAGE, title)
    return result


def _outlines(
    cases: Sequence[Case], masks: Path | None, images: Images, size: int
) -> tuple[dict[str, Masks], dict[str, Any] | None]:
    """Return image_id -> mask, bool (size, size), and what to tell of them; {} and None where there is none."""
    try:
        files = find_masks(masks or images.folder, [case.image_id for case in cases])
        found, left_out = read_masks(cases, files, size)
    except DataError:
        if masks:
            raise
        return {}, None
    reasons = [{"image_id": one.image_id, "reason": one.detail} for one in left_out]
    return found, {"images": len(found), "left_out": reasons}


def _answers(found: Explained) -> dict[str, Any]:
    some = found.walked.any()
    return {
        "same_when_erased": int((~found.walked).sum()),
        "images": int(found.walked.sum()),
        "whole": float(found.whole[found.walked].mean()) if some else None,
        "erased": float(found.erased[found.walked].mean()) if some else None,
    }


def _curves(found: Explained) -> dict[str, Any] | None:
    if not found.walked.any():
        return None
    return {
        "share": [step / STEPS for step in range(STEPS + 1)],
        "by_method": {
            method: {name: each[found.walked].mean(axis=0).tolist() for name, each in walks.items()}
            for method, walks in found.walks.items()
        },
    }


def _rows(found: Explained) -> Iterator[list[object]]:
    """Yield the rows of `TABLE`."""
    for row, case in enumerate(found.cases):
        head = [case.image_id, case.lesion_id, case.dx, CODES[found.answers[row]]]
        chances = [float(found.whole[row]), float(found.erased[row])]
        for method, measures in found.measures.items():
            numbers = (found.areas[row], *(values[row] for values in measures.values()))
            lesion, *cells = (None if np.isnan(number) else float(number) for number in numbers)
            yield [*head, *chances, lesion, method, *cells]
