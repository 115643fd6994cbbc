"""The paper's large networks go the whole way at the smallest scale, from random weights: the path, and no figure."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lesionlab.data.sources import load_source
from lesionlab.data.sources.synthetic import generate
from lesionlab.files import read_json
from lesionlab.models.backbones import timm_name
from lesionlab.report.gradcam_pages import class_panel, one_of_each
from lesionlab.study.grid import Grid, load_grid, settings
from lesionlab.study.runner import Study
from lesionlab.study.whole import run_whole

SIZES = {"resnet50-rgb": 64, "vgg19-rgb": 224, "inception-rgb": 96, "vit-gray": 64}
"""Rows of the study `paper`, and the least side in pixels that the network takes, or nearly."""


class Quiet:
    """A screen that says nothing."""

    def begin(self, title: str, epochs: int) -> None: ...
    def counted(self, what: str, done: int, total: int) -> None: ...
    def step(self, epoch: int, position: int, steps: int, figures: dict[str, float]) -> None: ...
    def epoch(self, row: dict[str, object]) -> None: ...
    def line(self, text: str) -> None: ...


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that is emptied at once: a checkpoint of VGG19 has two gigabytes."""
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


def alone(identifier: str, **values: Any) -> Grid:
    """Return the study `paper` with one row and a budget of one epoch with the paper's own recipe."""
    content = load_grid("paper").model_dump(mode="json", exclude_none=True)
    rows = [row for row in content["rows"] if row["id"] == identifier]
    smoke = {"recipe": "paper", "set": {"epochs": 1, "precision": "fp32", **values}, "weights": "none"}
    return Grid.model_validate(content | {"rows": rows, "ensembles": [], "mixes": [], "budgets": {"smoke": smoke}})


@pytest.mark.slow
@pytest.mark.parametrize("identifier", SIZES)
def test_a_network_of_the_paper_is_trained_judged_and_explained(identifier: str, folder: Path) -> None:
    grid = alone(identifier, size=SIZES[identifier], batch_size=4)
    source = generate(folder / "source", lesions=14, seed=7, size=(96, 72))
    study = Study(grid, source, folder / "out", "smoke", ("grouped",), cache=folder / "cache", resamples=40)
    found = run_whole(study, Quiet())
    (row,) = found.state["protocols"]["grouped"]["rows"]
    assert (row["status"], row["reason"], found.left_out, found.exit_code) == ("done", "", {}, 0)
    network = timm_name(settings(grid, grid.rows[0], "smoke").architecture)
    assert read_json(study.out / row["run"] / "model" / "bundle.json")["architecture"] == network
    assert row["figures"]["images"] > 0 and 0 <= row["figures"]["metrics"]["accuracy"]["value"] <= 1
    (told,) = read_json(study.out / "grouped" / "attention.json")["models"].values()
    assert told["images"] - told["empty"] > 0
    page = folder / "each_class.png"
    class_panel(study.out / row["run"], one_of_each(load_source(source).cases), page)
    assert page.is_file()
    assert row["label"] in found.page.read_text()
