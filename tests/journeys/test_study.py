"""An installed study by one command, on drawn images: every model, map, experiment and page that it promises."""

from __future__ import annotations

import base64
import re
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from lesionlab.cli.main import main
from lesionlab.data.sources.synthetic import generate
from lesionlab.files import read_json
from lesionlab.study.grid import load_grid


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory, cache: Path, one_thread: None) -> Path:
    """The study `offline` at smoke scale, under the split by lesion."""
    folder = tmp_path_factory.mktemp("study")
    source = generate(folder / "source", lesions=42, seed=7, size=(64, 48))
    command = ["study", "run", "offline", "--data", str(source), "--out", str(folder / "out"), "--budget", "smoke"]
    assert main([*command, "--protocol", "grouped", "--resamples", "40"]) == 0
    return folder / "out"


def test_every_model_of_the_grid_is_made_and_judged(out: Path) -> None:
    grid, found = load_grid("offline"), read_json(out / "study.json")
    rows = {row["id"]: row for row in found["protocols"]["grouped"]["rows"]}
    assert set(rows) == set(grid.ids) and {row["status"] for row in rows.values()} == {"done"}
    for row in rows.values():
        assert 0 <= row["figures"]["metrics"]["macro_f1"]["value"] <= 1
        assert (out / row["run"] / "model" / "bundle.json").is_file()
        assert row["command"].startswith("lesionlab study run offline --data SOURCE --out OUT --protocol grouped")
    assert {row["recipe"]["architecture"] for row in rows.values() if row["kind"] == "row"} == {"tiny"}
    assert (found["budget"], "proves the path" in found["note"]) == ("smoke", True)
    assert read_json(out / "siblings" / "siblings.json")["seeds"] == [0]


def test_maps_are_drawn_and_measured_for_every_row(out: Path) -> None:
    rows = [row for row in load_grid("offline").rows if not row.parent]
    assert set(read_json(out / "grouped" / "attention.json")["models"]) == {row.label for row in rows}
    assert len(list((out / "grouped" / "gradcam").glob("*.png"))) >= len(rows)
    assert (out / "population" / "samples.png").is_file()


def test_the_page_shows_all_and_asks_nobody(out: Path) -> None:
    page = (out / "report" / "index.html").read_text()
    grid = load_grid("offline")
    for item in (*grid.rows, *grid.ensembles, *grid.mixes):
        assert item.label.replace("'", "&#39;") in page or item.label in page, item.id
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", page)
    pictures = [
        Image.open(BytesIO(base64.b64decode(one))) for one in re.findall(r"data:image/\w+;base64,([^\"']+)", page)
    ]
    assert len(pictures) > 20 and all(min(picture.size) > 50 for picture in pictures)
    assert len(list((out / "report").rglob("*.csv"))) > 5
