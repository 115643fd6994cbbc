"""Captions tell of what they stand under, not of the study at large."""

from __future__ import annotations

import pytest
from small_study import write_study

from lesionlab.study.captions import how_trained, row_caption, study_caption
from lesionlab.study.results import Results, Row, read_results

SPLIT = "split 5108e729dd2a87ef."


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return read_results(write_study(tmp_path_factory.mktemp("study")))


def row(of: Results, name: str, protocol: str = "paper") -> Row:
    found = of.row(protocol, name)
    assert found is not None
    return found


def test_a_rows_own_images_and_epochs(results: Results) -> None:
    assert row_caption(results, "paper", row(results, "akiec-bcc")) == (
        f"Protocol paper: 70 validation images of akiec and bcc, {SPLIT} Seed 0. "
        "Budget cpu (xception, 12 epochs at 128 px)."
    )
    leg = row_caption(results, "grouped", row(results, "leg", "grouped"))
    assert leg.startswith(f"Protocol grouped: 70 test images of lower extremity, {SPLIT}")
    assert row_caption(results, "paper", row(results, "xception")).startswith("Protocol paper: 210 validation images, ")
    assert "210" not in row_caption(results, "paper", row(results, "xception"), images=False)


def test_a_combined_model_tells_the_epochs_of_its_parts(results: Results) -> None:
    told = row_caption(results, "paper", row(results, "mix"))
    assert told.endswith("Seed 0. Budget cpu (4 epochs at 128 px). Other numbers of epochs: akiec or bcc: 12 epochs.")
    assert how_trained(row(results, "mix")["recipe"]) == ""
    assert how_trained({"architecture": "a", "epochs": 1, "size": 160, "train_sizes": [128, 160]}) == (
        "a, 1 epoch at 128 to 160 px"
    )


def test_several_rows_tell_only_what_concerns_them(results: Results) -> None:
    assert study_caption(results) == (
        f"Protocol paper: 210 validation images, {SPLIT} Protocol grouped: 210 test images, {SPLIT} Seed 0. "
        "Budget cpu (4 epochs at 128 px)."
    )
    shown = study_caption(results, results.designs("row"))
    assert "210 validation images (Xception, lower extremity: 70), split" in shown
    assert "Fitted" not in shown and "Other numbers" not in shown
    assert "Fitted on the images that judge under protocol paper: Weighted average;" in study_caption(
        results, results.designs("ensemble")
    )
    assert "protocol grouped" not in study_caption(results, results.designs("mix"))  # fitted on other images there
    assert "Protocol grouped" not in study_caption(results, protocols=["paper"])
