"""The report: one page that needs nothing else, complete, and without photographs where they must not be."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from html_page import Page
from small_study import NO_WEIGHTS, PHOTOGRAPHS, add_attention, add_pictures, add_siblings, add_views, write_study

from lesionlab.data.cases import read_rows
from lesionlab.errors import DataError
from lesionlab.files import read_json, write_json, write_text
from lesionlab.study.report import write_report

POPULATION = [name for name in PHOTOGRAPHS if name.startswith("population")]


def photographic(name: str) -> bool:
    """Return whether a figure of that name shows photographs."""
    return name in ("samples", "augmentation") or name.startswith("gradcam")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with everything a report can show, and its report."""
    out = write_study(tmp_path_factory.mktemp("study"))
    add_siblings(out)
    add_attention(out)
    add_pictures(out)
    add_views(out)
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
    assert page.sources and all(source.startswith("data:image/webp;base64,") for source in page.sources)
    assert all(page.alternatives)
    assert not re.search(r"https?:|url\(|@import|<script|<link", text)
    assert len(page.ids) == len(set(page.ids))
    inside = [link.removeprefix("#") for link in page.links if link.startswith("#")]
    assert set(inside) <= set(page.ids)
    beside = [link for link in page.links if not link.startswith("#")]
    assert beside and all((study / "report" / link).is_file() for link in beside)


def test_the_page_tells_everything(page: Page) -> None:
    tables = [f"Table {number}" for number in (1, 2, 3, 4, 6)]
    figures = [f"Figure {number}" for number in (1, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16)]
    headings = (
        "Ensembles",
        "Harm report",
        "The leak",
        "The paired experiment",
        "An ensemble of views",
        "Figures to reach",
    )
    for words in (
        *tables,
        *figures,
        "Figures 6 and 7",
        *headings,
        "RGB minus grayscale",
        "Where the models look",
        "not a medical device",
        "ours without the leak",
    ):
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
    of_images = ("Not made", "Table 1", "Figure 1:", "Figure 4", "before any split")
    trained = [c for c in captions if not any(words in c for words in of_images)]
    assert len(trained) > 20
    for caption in trained:
        assert "Protocol" in caption or "training seeds" in caption, caption
        assert "Budget cpu" in caption or "4 epochs" in caption, caption


def test_mix_model_and_base_stand_side_by_side(page: Page) -> None:
    shown = [alternative for alternative in page.alternatives if alternative.startswith(("Figure 15", "Figure 16"))]
    assert [text[:9] for text in shown] == ["Figure 15", "Figure 16"] * 2
    assert [text.split(": ")[2].split(",")[0] for text in shown] == ["ours"] * 2 + ["ours without the leak"] * 2


def test_figures_and_tables_lie_beside(study: Path) -> None:
    figures = {path.name for path in (study / "report" / "figures").iterdir()}
    assert {"confusion_paper_xception.png", "confusion_grouped_mel-nv.png", "curves_paper_xception.png"} <= figures
    assert {"diagram_mix.png", "diagram_vote.png", "samples.png", "gradcam_grouped_each_class_gray.png"} <= figures
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
    add_pictures(bare)
    with_them = len(Page(write_report(bare).read_text(encoding="utf-8")).sources)
    figures = bare / "report" / "figures"
    assert (figures / "samples.png").is_file()
    own = figures / "notes.txt"
    write_text(own, "mine")
    page = Page(write_report(bare, photographs=False).read_text(encoding="utf-8"))
    assert {path.name for path in figures.iterdir() if path.suffix == ".png"} == {
        "class_distribution.png",
        "diagram_margin.png",
        "diagram_mix.png",
        "diagram_vote.png",
        "diagram_weighted.png",
    }
    assert len(page.sources) == with_them - len(POPULATION) and own.is_file()
    assert "Photographs are left out" in page.words


def test_nothing_was_run(bare: Path) -> None:
    page = Page(write_report(bare).read_text(encoding="utf-8"))
    assert "0 of 13 models ran" in page.words and "ours without the leak" not in page.words
    assert not (bare / "report" / "tables" / "leak_worth.csv").exists()


def test_a_report_to_pass_on(tmp_path: Path) -> None:
    """No file shows a photograph or names a folder of the machine; another folder is as good as the study's own."""
    out = write_study(tmp_path / "home" / "someone" / "study", images=70)
    add_siblings(out)
    add_attention(out)
    add_pictures(out)
    state = read_json(out / "study.json")
    state["command"] = f"/opt/venv/bin/lesionlab study run {out}/grid.yaml --data {tmp_path}/ham10000 --out {out}"
    state["protocols"]["paper"]["rows"][0]["reason"] = f"{tmp_path}/weights/x.safetensors: no such file"
    row = next(row for row in state["protocols"]["grouped"]["rows"] if row["id"] == "xception")
    row["command"] = f"lesionlab train --data {tmp_path}/ham10000 --out {out}/grouped/rows/xception"
    write_json(out / "study.json", state)
    write_json(
        out / "siblings" / "siblings.json", read_json(out / "siblings" / "siblings.json") | {"command": str(out)}
    )
    folder = tmp_path / "docs" / "paper"
    write_report(out)
    assert (out / "report" / "figures" / "samples.png").is_file()
    for again in (folder, out / "report"):
        write_report(out, photographs=False, folder=None if again == out / "report" else again)
        files = [path for path in again.rglob("*") if path.is_file()]
        assert {path.suffix for path in files} == {".html", ".png", ".csv", ".md", ".json"}
        assert not [path.name for path in files if photographic(path.stem)]
        assert not {path.read_bytes() for path in out.glob("*/gradcam/*.png")} & {path.read_bytes() for path in files}
        for path in files:
            if path.suffix != ".png":
                text = re.sub(r"base64,[A-Za-z0-9+/=]+", "", path.read_text(encoding="utf-8"))
                assert not re.search(r"(?<![\w.<])/(?:tmp|home|opt|root|work)\b|someone", text), path
        words = Page((again / "index.html").read_text(encoding="utf-8")).words
        assert "x.safetensors: no such file" in words and "--out xception" in words
        assert "Grad-CAM for" not in words and "Mistakes" not in words and "Figure 1:" not in words
    content = read_json(folder / "results.json")
    assert content["protocols"]["paper"]["rows"][1]["run"] == "paper/rows/xception"
    assert content["siblings"]["seeds"] == [0, 1] and "grouped" in content["attention"]


def test_a_folder_that_holds_something_else_is_left_alone(bare: Path, tmp_path: Path) -> None:
    mine = tmp_path / "docs" / "figures" / "mine.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    with pytest.raises(DataError, match=r"no report \(figures\)"):
        write_report(bare, folder=tmp_path / "docs")
    assert [*(tmp_path / "docs").rglob("*.*")] == [mine]
    (tmp_path / "paper").mkdir()
    write_text(tmp_path / "paper" / "README.md", "mine")
    write_report(bare, folder=tmp_path / "paper")
    write_report(bare, folder=tmp_path / "paper")
    assert (tmp_path / "paper" / "README.md").read_text() == "mine"


def test_no_study(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no study here"):
        write_report(tmp_path)
    assert not (tmp_path / "report").exists()


def test_a_report_needs_no_torch() -> None:
    code = "import sys, lesionlab.study.report; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "False\n"
