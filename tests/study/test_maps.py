"""Pages of Grad-CAM maps under the names of the paper's tables and figures."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from small_study import write_study

from lesionlab.study.maps import gradcam, mistaken
from lesionlab.study.results import Results, read_results


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return read_results(write_study(tmp_path_factory.mktemp("study"), images=70))


def captions(of: Results, folder: Path, *pages: str) -> tuple[list[str], list[str]]:
    """Return the captions, without where the models come from, of pages that lie in the folder of protocol grouped."""
    where = of.folder / "grouped" / "gradcam"
    where.mkdir(exist_ok=True)
    for old in where.iterdir():
        old.unlink()
    for page in pages:
        Image.new("RGB", (6, 4)).save(where / f"{page}.png")
    papers, others = ([one.caption.split(". Protocol")[0] for one in found] for found in gradcam(of, folder))
    return papers, others


def test_the_papers_pages_come_first(results: Results, tmp_path: Path) -> None:
    """Its network is the Mix-Model's base; pages of other networks and of other rows follow."""
    papers, others = captions(
        results, tmp_path,
        "each_class_gray", "each_class_leg", "each_class_xception", "maps_for_mel_xception", "maps_for_nv_xception",
        "maps_for_mel_efficientnet_lite2", "mistakes_xception_akiec_bkl", "mistakes_mix_nv_mel", "anything_else",
    )  # fmt: skip
    assert papers == [
        "Table 4: Grad-CAM for melanoma, models in rows (xception)",
        "Table 5: Grad-CAM for melanocytic nevus, models in rows (xception)",
        "Figure 8: activation map for each class, Xception, RGB",
        "Figure 9: activation map for each class, Xception, grayscale",
        "Mistakes between nv and mel (3.4), Mix-Model",
        "Mistakes between akiec and bkl (3.4), Xception, RGB",
    ]
    assert others == [
        "Anything else",
        "Activation map for each class, Xception, lower extremity",
        "Table 4: Grad-CAM for melanoma, models in rows (efficientnet_lite2)",
    ]


def test_pages_of_no_row_are_shown_all_the_same(results: Results, tmp_path: Path) -> None:
    papers, others = captions(results, tmp_path, "mistakes_nv_mel", "each_class_gone", "maps_for_bcc_gone")
    assert papers == ["Mistakes between nv and mel (3.4)"]
    assert others == ["Activation map for each class", "Maps for bcc gone"]
    assert sorted(path.name for path in tmp_path.iterdir())[0] == "gradcam_grouped_each_class_gone.png"


def test_no_pages(results: Results, tmp_path: Path) -> None:
    assert captions(results, tmp_path) == ([], [])


def test_whose_mistakes_are_shown(results: Results) -> None:
    assert [row["id"] for row in mistaken(results, "grouped")] == ["xception", "gray", "mix"]
    for row in results.state["protocols"]["grouped"]["rows"]:
        if row["id"] in ("gray", "mix"):
            row["status"] = "failed"
    assert [row["id"] for row in mistaken(results, "grouped")] == ["xception"]
