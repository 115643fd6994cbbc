"""The report as a folder: one page that needs nothing else, figures, tables, JSON; nothing of others is lost."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from html_page import Page

from lesionlab.errors import DataError
from lesionlab.files import read_json, write_json
from lesionlab.report.evidence.gathering import STUDIES, gather
from lesionlab.report.evidence.page import report_model
from lesionlab.report.parts import Images


@pytest.mark.parametrize("which", ["judged", "studied"])
def test_a_page_that_needs_nothing_else(which: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    run = request.getfixturevalue(which)
    page, missing = report_model(run, "val", out=tmp_path / "out")
    text = page.read_text(encoding="utf-8")
    found = Page(text)
    assert all(load.startswith("data:image/webp") for load in found.sources) and found.sources and "<link" not in text
    assert len(set(found.ids)) == len(found.ids)
    for link in found.links:
        assert link[1:] in found.ids if link.startswith("#") else (page.parent / link).is_file()
    assert "not a medical device" in text and ("stress" in missing) == (which == "judged")
    assert ('id="stress-section"' in text) == (which == "studied")
    assert not re.search(r"photographs\"|mistakes", text.lower().split("<main>")[1]), "no photograph without the images"


def test_json_holds_everything_and_names_no_folder(studied: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(studied, tmp_path / "own"))
    write_json(
        own / "run.json", read_json(own / "run.json") | {"command": "lesionlab train --data /home/someone/images"}
    )
    page, _ = report_model(own, "val")
    assert page == own / "report" / "val" / "index.html"
    content = read_json(page.parent / "evidence.json")
    assert content["metrics"] == gather(own, "val").metrics
    assert set(content["studies"]) == set(STUDIES)
    card = (page.parent / "model_card.md").read_text()
    assert content["summary"][0] in card and "## Limits" in card
    for text in (page.read_text(), (page.parent / "evidence.json").read_text(), card):
        assert str(tmp_path) not in text and "/home/someone" not in text


def test_mistakes_are_shown_where_the_images_are_given(judged: Path, synthetic: Path, tmp_path: Path) -> None:
    page, _ = report_model(judged, "val", Images(synthetic), tmp_path / "out")
    shown = list((tmp_path / "out" / "figures").glob("mistakes_*.png"))
    assert shown and 'id="photographs"' in page.read_text()


def test_a_page_of_another_kind_is_left_alone(judged: Path, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(DataError, match="no report of this kind"):
        report_model(judged, "val", out=tmp_path)
    assert (tmp_path / "index.html").read_text() == "mine" and len(list(tmp_path.iterdir())) == 1
