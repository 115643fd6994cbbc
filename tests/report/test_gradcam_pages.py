"""Pages of maps: what stands on them, and where."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from PIL import Image

from lesionlab.data.cases import Case
from lesionlab.data.sources import load_source
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError, UsageError
from lesionlab.evaluation.predictions import Predictions, from_cases
from lesionlab.report.gradcam_pages import class_panel, gradcam_table, mistakes_page, one_of_each
from lesionlab.report.pages import Cell

Rows = list[tuple[str, list[Cell | None]]]


@pytest.fixture(scope="module")
def cases(synthetic: Path) -> list[Case]:
    return load_source(synthetic).cases


def captions(rows: Rows) -> list[list[str]]:
    return [[cell.caption if cell else "" for cell in row] for _, row in rows]


def test_one_of_each_diagnosis(cases: list[Case]) -> None:
    chosen = one_of_each(cases)
    assert [case.dx for case in chosen] == list(CODES)
    assert chosen != one_of_each(cases, seed=1)
    assert [case.dx for case in one_of_each([case for case in cases if case.dx in ("mel", "bcc")])] == ["bcc", "mel"]


def test_a_table_has_models_in_rows_and_images_in_columns(run: Path, gray_run: Path, cases: list[Case]) -> None:
    with patch("lesionlab.report.gradcam_pages.draw_page") as drawn:
        gradcam_table({"RGB": run, "gray": gray_run}, cases[:3], Path("unused.png"), "mel")
    rows, _, title = drawn.call_args.args
    assert [label for label, _ in rows] == ["photograph", "RGB", "gray"] and "mel" in title
    told = captions(rows)
    assert told[0] == [f"{case.image_id}\n{case.dx}" for case in cases[:3]]
    assert all(caption.startswith("mel ") for row in told[1:] for caption in row)
    photographs = [cell.picture for cell in rows[0][1]]
    for _, row in rows[1:]:
        for cell, photo in zip(row, photographs, strict=True):
            assert cell.picture.shape == photo.shape
            assert np.array_equal(cell.picture, photo) == cell.caption.endswith("no map")
    assert any(not np.array_equal(a.picture, b.picture) for a, b in zip(rows[1][1], rows[2][1], strict=True))


def test_without_a_target_the_answers_are_explained(run: Path, cases: list[Case]) -> None:
    with patch("lesionlab.report.gradcam_pages.draw_page") as drawn:
        gradcam_table({"RGB": run}, cases[:8], Path("unused.png"))
    told = {caption.split()[0] for caption in captions(drawn.call_args.args[0])[1]}
    assert len(told) > 1 and told <= set(CODES)


def test_a_panel_explains_the_true_classes(run: Path, cases: list[Case], tmp_path: Path) -> None:
    chosen = one_of_each(cases)
    with patch("lesionlab.report.gradcam_pages.draw_page") as drawn:
        class_panel(run, chosen, Path("unused.png"), "tiny")
    assert [caption.split()[0] for caption in captions(drawn.call_args.args[0])[1]] == list(CODES)
    class_panel(run, chosen, tmp_path / "panel.png", "tiny")
    with Image.open(tmp_path / "panel.png") as picture:
        assert picture.width > 5 * picture.height / 2


def predictions(cases: list[Case], swaps: dict[str, str], sure: float = 0.9) -> Predictions:
    """Return answers that take every image of a diagnosis for what `swaps` says, each less sure than the one before."""
    said = [CODES.index(swaps.get(case.dx, case.dx)) for case in cases]
    p = np.full((len(cases), 7), 0.0)
    p[np.arange(len(cases)), said] = sure - 0.001 * np.arange(len(cases))
    return from_cases(cases, p + (1 - p.sum(axis=1, keepdims=True)) / 7)


def test_mistakes_stand_by_direction_the_surest_first(run: Path, cases: list[Case], tmp_path: Path) -> None:
    wrong = predictions(cases, {"akiec": "bkl", "nv": "mel", "mel": "nv"})
    with patch("lesionlab.report.gradcam_pages.draw_page") as drawn:
        pages = mistakes_page(run, wrong, cases, tmp_path, count=2)
        named = mistakes_page(run, wrong, cases, tmp_path, pairs=[("nv", "mel")], count=2, name="rgb")
    counts = {dx: sum(case.dx == dx for case in cases) for dx in CODES}
    assert [(page.pair, page.first_as_second, page.second_as_first) for page in pages] == [
        (("akiec", "bkl"), counts["akiec"], 0),
        (("nv", "mel"), counts["nv"], counts["mel"]),
    ]
    assert [page.picture for page in pages] == [tmp_path / "mistakes_akiec_bkl.png", tmp_path / "mistakes_nv_mel.png"]
    assert [page.picture for page in named] == [tmp_path / "mistakes_rgb_nv_mel.png"]
    first, second = (captions(call.args[0]) for call in drawn.call_args_list[:2])
    akiec = {case.lesion_id: case.image_id for case in reversed(cases) if case.dx == "akiec"}
    assert [row[0] for row in first] == [f"{image_id}\nakiec" for image_id in sorted(akiec.values())[:2]]
    assert [row[3:] for row in first] == [["", "", ""]] * 2
    assert [caption.split()[0] for caption in (*second[0][1:3], *second[0][4:])] == ["mel", "nv", "nv", "mel"]


def test_without_mistakes_there_is_no_picture(run: Path, cases: list[Case], tmp_path: Path) -> None:
    pages = mistakes_page(run, predictions(cases, {}), cases, tmp_path)
    assert [page.picture for page in pages] == [None, None] and not list(tmp_path.iterdir())


def test_mistakes(run: Path, cases: list[Case], tmp_path: Path) -> None:
    out = tmp_path / "x.png"
    with pytest.raises(UsageError, match="no such diagnosis"):
        gradcam_table({"RGB": run}, cases[:2], out, "naevus")
    with pytest.raises(DataError, match="at least one of each"):
        gradcam_table({}, cases[:2], out)
    with pytest.raises(DataError, match="one image of each class"):
        class_panel(run, [replace(cases[0], dx="")], out)
    with pytest.raises(DataError, match="not in the source"):
        mistakes_page(run, predictions(cases, {}), cases[1:], tmp_path)
    assert not out.exists()
