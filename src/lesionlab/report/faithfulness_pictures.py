"""Pictures of a faithfulness test: insertion and deletion curves, and a page of maps by every method."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lesionlab.data.cases import Case
from lesionlab.data.images import frame, load_image
from lesionlab.data.masks import Masks
from lesionlab.diagnoses import CODES
from lesionlab.evaluation.evaluate import with_interval
from lesionlab.evaluation.faithfulness import METHODS
from lesionlab.prediction.cam import Maps, Pixels
from lesionlab.report.explaining import WALKS, Explained
from lesionlab.report.figures import COLOURS, LARGE, MEDIUM, SMALL, figure, save
from lesionlab.report.heatmaps import overlay, shrink
from lesionlab.report.pages import Cell, draw_page

STYLES: dict[str, dict[str, Any]] = {
    "grad_cam": {"color": COLOURS[6], "linestyle": "-", "linewidth": 2.2},
    "integrated_gradients": {"color": COLOURS[4], "linestyle": "--", "linewidth": 1.6},
    "occlusion": {"color": COLOURS[2], "linestyle": "-.", "linewidth": 1.6},
    "saliency": {"color": COLOURS[3], "linestyle": ":", "linewidth": 2.0},
    "centre": {"color": "0.25", "linestyle": (0, (6, 2)), "linewidth": 1.4},
    "random": {"color": "0.6", "linestyle": "-", "linewidth": 1.4},
}
"""How each method's curve is drawn."""

LINE = 3
"""Width of a lesion's outline, in pixels of the photograph as it is drawn."""

BRIGHTEST = 0.99
"""Share of a map's values that are drawn below full strength; else single pixels would leave the rest invisible."""


def draw_curves(result: Mapping[str, Any], path: Path, title: str = "") -> None:
    """Draw the mean insertion and deletion curves of every method, with the areas under them, as PNG.

    `result` is what `report.faithfulness.measure_faithfulness` returns, with curves.
    """
    curves = result["curves"]
    drawn = figure(11.5, 5.2)
    for axes, name in zip(drawn.subplots(1, 2, sharey=True), WALKS, strict=True):
        for method, each in curves["by_method"].items():
            told = with_interval(result["methods"][method]["measures"][name])
            axes.plot(curves["share"], each[name], label=f"{METHODS[method]}: {told}", **STYLES[method])
        better = "steep is good, a large area" if name == "insertion" else "steep is good, a small area"
        axes.set_title(f"{name.capitalize()} ({better})", fontsize=LARGE)
        axes.set_xlabel("share of the frame shown" if name == "insertion" else "share erased", fontsize=MEDIUM)
        axes.set(xlim=(0, 1), ylim=(0, 1))
        axes.tick_params(labelsize=SMALL)
        axes.grid(color="0.9", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(title="area", loc="best", fontsize=SMALL, frameon=False, handlelength=3.2)
        axes.set_ylabel("mean chance of the answer" if name == "insertion" else "", fontsize=MEDIUM)
    told = f"{result['answers']['images']:,} images whose answer changes when they are erased"
    drawn.suptitle(f"{title}: {told}" if title else told, fontsize=LARGE)
    save(drawn, path)


def draw_maps(found: Explained, outlines: Mapping[str, Masks], aspect: float, path: Path, title: str = "") -> None:
    """Draw the photographs whose maps were kept, with the lesion's outline, above the maps of every method, as PNG.

    Photographs are cropped to `aspect`, width over height, as the model sees them.
    """
    places = [place for place, case in enumerate(found.cases) if case.image_id in found.maps]
    places.sort(key=lambda place: CODES.index(found.cases[place].dx))
    cases = [found.cases[place] for place in places]
    photographs = [shrink(frame(load_image(Path(case.path), case.image_id), aspect)) for case in cases]
    first = [
        Cell(_outlined(photo, outlines.get(case.image_id)), _named(case, found, place))
        for photo, case, place in zip(photographs, cases, places, strict=True)
    ]
    rows: list[tuple[str, list[Cell | None]]] = [("photograph", [*first])]
    for method in found.measures:
        cells = [
            Cell(overlay(photo, _visible(found.maps[case.image_id][method])), _inside(found, method, place))
            for photo, case, place in zip(photographs, cases, places, strict=True)
        ]
        rows.append((METHODS[method], [*cells]))
    draw_page(rows, path, f"{title}: what speaks for each answer" if title else "What speaks for each answer")


def _outlined(photograph: Pixels, mask: Masks | None) -> Pixels:
    """Return the photograph with the lesion's outline in white, as it is where there is no mask."""
    from scipy.ndimage import binary_erosion

    if mask is None:
        return photograph
    height, width = photograph.shape[:2]
    lesion = np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST))
    edge = lesion & ~binary_erosion(lesion, iterations=LINE, border_value=1)
    return np.where(edge[..., None], np.uint8(255), photograph)


def _visible(heat: Maps) -> Maps:
    """Return a map in 0..1 whose value at the share `BRIGHTEST` is 1; as it is where that value is 0."""
    top = np.quantile(heat, BRIGHTEST)
    return np.minimum(heat / top, 1).astype(np.float32) if top > 0 else heat


def _named(case: Case, found: Explained, place: int) -> str:
    return f"{case.image_id}\n{case.dx}, called {CODES[found.answers[place]]} {found.whole[place]:.0%}"


def _inside(found: Explained, method: str, place: int) -> str:
    share = found.measures[method]["inside"][place]
    return "" if np.isnan(share) else f"{share:.0%} inside"
