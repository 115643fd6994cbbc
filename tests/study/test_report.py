"""The report: one page that needs nothing else, complete, and without photographs where they must not be."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from small_study import NO_WEIGHTS, add_attention, add_photographs, add_siblings, write_study

from lesionlab.data.cases import read_rows
from lesionlab.errors import DataError
from lesionlab.files import read_json, write_json, write_text
from lesionlab.study.report import write_report

VOID = ("meta", "img", "br", "link", "input")


class Page(HTMLParser):
    """What a page holds: ids, addresses it names, its text; fails on tags that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.alternatives: list[str] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given["href"] or ""] if "href" in given else []
        self.sources += [given["src"] or ""] if "src" in given else []
        self.alternatives += [given.get("alt") or ""] if tag == "img" else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with everything a report can show, and its report."""
    out = write_study(tmp_path_factory.mktemp("study"))
    add_siblings(out)
    add_attention(out)
    add_photographs(out)
    assert write_report(out) == out / "report" / "index.html"
    return out


@pytest.fixture(scope="module")
def page(study: Path) -> Page:
    return Page((study / "report" / "index.html").read_text(encoding="utf-8"))


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A study of which nothing was run, protocol paper only."""
    out = write_study(tmp_path / "bare", images=14)
    state = read_json(out / "study.json")
    del state["protocols"]["grouped"]
    for row in state["protocols"]["paper"]["rows"]:
        row |= {"status": "not run", "reason": NO_WEIGHTS, "run": None, "figures": None, "seconds": None}
    write_json(out / "study.json", state)
    return out


def test_the_page_needs_nothing_else(study: Path, page: Page) -> None:
    text = (study / "report" / "index.html").read_text(encoding="utf-8")
    assert page.sources and all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert all(page.alternatives)
    assert not re.search(r"https?:|url\(|@import|<script|<link", text)
    assert len(page.ids) == len(set(page.ids))
    inside = [link.removeprefix("#") for link in page.links if link.startswith("#")]
    assert set(inside) <= set(page.ids)
    beside = [link for link in page.links if not link.startswith("#")]
    assert beside and all((study / "report" / link).is_file() for link in beside)


def test_the_page_tells_everything(page: Page) -> None:
    headings = ("Table 2", "Table 3", "Table 6", "Ensembles", "Harm report", "The leak", "The paired experiment")
    for words in (*headings, "Where the models look", "not a medical device", "ours without the leak"):
        assert words in page.words
    assert f"not run: {NO_WEIGHTS}" in page.words
    assert "failed: out of memory <8 GB>" in page.words  # text of a study is escaped
    assert "Budget cpu (4 epochs at 128 px)." in page.words and "Seed 0." in page.words
    assert "lesionlab train --data source --out grouped/rows/xception" in page.words
    assert "made-paper-xception" in page.ids


def test_every_caption_tells_protocol_and_budget(study: Path) -> None:
    text = (study / "report" / "index.html").read_text(encoding="utf-8")
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", text, re.S) + re.findall(
        r'<p class="caption">(.*?)</p>', text, re.S
    )
    trained = [c for c in captions if "Not made" not in c and "(Table 1)" not in c and "(Figure 1)" not in c]
    assert len(trained) > 20
    for caption in trained:
        assert "Protocol" in caption or "training seeds" in caption, caption
        assert "Budget cpu" in caption or "4 epochs" in caption, caption


def test_figures_and_tables_lie_beside(study: Path) -> None:
    figures = {path.name for path in (study / "report" / "figures").iterdir()}
    assert {"confusion_paper_xception.png", "confusion_grouped_mel-nv.png", "curves_paper_xception.png"} <= figures
    assert {"diagram_mix.png", "diagram_vote.png", "samples.png", "gradcam_grouped_panel_rgb.png"} <= figures
    rows = read_rows(study / "report" / "tables" / "table3.csv")
    xception = next(row for row in rows if row["id"] == "xception" and row["metric"] == "macro_f1")
    figure = read_json(study / "study.json")["protocols"]["paper"]["rows"][1]["figures"]["metrics"]["macro_f1"]
    assert float(xception["ours"]) == figure["value"] and float(xception["low"]) == figure["low"]
    assert float(xception["difference"]) == figure["value"] - 0.78
    left_out = next(row for row in rows if row["id"] == "resnet50")
    assert (left_out["ours"], left_out["status"], left_out["reason"]) == ("", "not run", NO_WEIGHTS)
    assert (study / "report" / "tables.md").read_text(encoding="utf-8").startswith("# A small study")


def test_without_photographs(bare: Path) -> None:
    """What an earlier report left of photographs goes; a picture of counts stays."""
    add_photographs(bare)
    with_them = len(Page(write_report(bare).read_text(encoding="utf-8")).sources)
    figures = bare / "report" / "figures"
    assert (figures / "samples.png").is_file()
    own = figures / "notes.txt"
    write_text(own, "mine")
    page = Page(write_report(bare, photographs=False).read_text(encoding="utf-8"))
    assert {path.name for path in figures.iterdir() if path.suffix == ".png"} == {
        "class_distribution.png",
        "diagram_mix.png",
        "diagram_vote.png",
        "diagram_weighted.png",
    }
    assert len(page.sources) == with_them - 1 and own.is_file()
    assert "Photographs are left out" in page.words


def test_nothing_was_run(bare: Path) -> None:
    page = Page(write_report(bare).read_text(encoding="utf-8"))
    assert "0 of 10 models ran" in page.words and "ours without the leak" not in page.words
    assert not (bare / "report" / "tables" / "leak_worth.csv").exists()


def test_no_study(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no study here"):
        write_report(tmp_path)
    for content in ([], {"protocols": {}}, {"protocols": {"kfold": {}}}):
        write_json(tmp_path / "study.json", content)
        with pytest.raises(DataError, match=r"study\.json"):
            write_report(tmp_path)
    assert not (tmp_path / "report").exists()


def test_a_report_needs_no_torch() -> None:
    code = "import sys, lesionlab.study.report; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "False\n"
