"""The report's pictures: which stand for which of the paper's figures, and what they count."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest
from small_study import add_pictures, write_study

from lesionlab.report.html import Picture
from lesionlab.study import pictures
from lesionlab.study.results import Results, read_results


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return read_results(write_study(tmp_path_factory.mktemp("study"), images=70))


@pytest.fixture(autouse=True)
def drawn() -> object:
    """Nothing is drawn: the figures' own tests do that."""
    with (
        patch("lesionlab.report.figures.confusion_matrix") as confusion,
        patch("lesionlab.report.figures.curves"),
        patch("lesionlab.study.pictures.ensemble_diagram"),
        patch("lesionlab.study.pictures.mix_diagram"),
    ):
        yield confusion


def names(found: list[Picture]) -> list[tuple[str, str]]:
    """Return file name and the caption up to its first colon or full stop."""
    return [(picture.path.stem, picture.caption.replace(":", ".").split(".")[0]) for picture in found]


def test_figure_5_is_of_the_best_network_under_both_protocols(results: Results, tmp_path: Path) -> None:
    found = names(pictures.models(results, tmp_path))
    assert found[:2] == [
        ("confusion_paper_xception", "Figure 5, the best network"),
        ("confusion_grouped_xception", "Figure 5, the best network"),
    ]
    assert [name for name, _ in found[2:]] == [
        "confusion_paper_gray", "confusion_grouped_gray", "confusion_paper_lite2", "confusion_paper_leg",
        "confusion_grouped_leg",
    ]  # fmt: skip
    assert not any(title.startswith("Figure") for _, title in found[2:])


def test_the_specialists_are_figures_12_to_14(results: Results, tmp_path: Path) -> None:
    found = names(pictures.specialists(results, tmp_path))
    assert [(name, title) for name, title in found if "paper" in name] == [
        ("confusion_paper_mel-nv", "Figure 12"),
        ("confusion_paper_akiec-bcc", "Figure 13"),
        ("confusion_paper_mel-bkl", "Figure 14"),
    ]


def test_a_specialists_matrix_is_of_its_pair(results: Results, tmp_path: Path, drawn: object) -> None:
    pictures.specialists(results, tmp_path)
    counts, path = drawn.call_args_list[2].args  # type: ignore[attr-defined]
    assert path.stem == "confusion_paper_akiec-bcc" and counts.shape == (2, 2) and counts.sum() == 70 // 3
    assert drawn.call_args_list[2].kwargs["codes"] == ["akiec", "bcc"]  # type: ignore[attr-defined]


def test_figures_15_and_16_stand_side_by_side(results: Results, tmp_path: Path) -> None:
    first, second = "Figure 15, the Mix-Model", "Figure 16, its base"
    other, base = "Confusion matrix of Mix-Model where unsure", "Confusion matrix of Xception, RGB"
    assert names(pictures.mixes(results, tmp_path)) == [
        ("confusion_paper_mix", first),
        ("confusion_paper_xception", second),
        ("confusion_grouped_mix", first),
        ("confusion_grouped_xception", second),
        ("confusion_paper_margin", other),
        ("confusion_paper_xception", base),
        ("confusion_grouped_margin", other),
        ("confusion_grouped_xception", base),
    ]
    assert [name for name, _ in names(pictures.ensembles(results, tmp_path))] == ["confusion_paper_weighted"]


def test_the_bases_curves_are_figures_6_and_7(results: Results, tmp_path: Path) -> None:
    found = pictures.curves(results, tmp_path)
    assert [name for name, _ in names(found)][:3] == [
        "curves_paper_xception", "curves_grouped_xception", "curves_paper_gray",
    ]  # fmt: skip
    assert ["Figures 6 and 7" in picture.caption for picture in found[:3]] == [True, True, False]
    akiec = next(picture for picture in found if picture.path.stem == "curves_paper_akiec-bcc")
    assert "12 epochs at 128 px" in akiec.caption and "images" not in akiec.caption


def test_diagrams_are_figures_10_and_11(results: Results, tmp_path: Path) -> None:
    made, missing = pictures.ensemble_diagrams(results, tmp_path)
    assert made.caption.startswith("Figure 10: ") and "Protocol paper" in made.caption
    assert missing.caption.endswith("Not made: a member is missing.")
    assert [picture.caption.split(":")[0] for picture in pictures.mix_diagrams(results, tmp_path)] == ["Figure 11"] * 2


def test_photographs_only_where_asked_for(results: Results, tmp_path: Path) -> None:
    add_pictures(results.folder)
    found = names(pictures.population(results, tmp_path / "all", photographs=True))
    assert found == [("samples", "Figure 1"), ("augmentation", "Figure 4"), ("class_distribution", "Table 1, drawn")]
    shown = pictures.population(results, tmp_path / "all", photographs=True)
    assert [picture.photographic for picture in shown] == [True, True, False]
    plain = pictures.population(results, tmp_path / "plain", photographs=False)
    assert names(plain) == [("class_distribution", "Table 1, drawn")]
    assert [path.name for path in (tmp_path / "plain").iterdir()] == ["class_distribution.png"]
