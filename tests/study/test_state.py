"""A study's folder: what it tells of each model, whose it is, and that no process writes an older view over a newer."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_grid import content, load

from lesionlab.data.cases import Case, labelled
from lesionlab.data.sources import load_source
from lesionlab.data.splits import paper, read_split
from lesionlab.errors import DataError, UsageError
from lesionlab.files import read_json, write_json
from lesionlab.study import state
from lesionlab.study.grid import Grid
from lesionlab.study.rows import Row
from lesionlab.study.state import begin, begin_protocol, collect, folder_of, is_current, is_done, items, missing, needs


@pytest.fixture(scope="module")
def cases(synthetic: Path) -> list[Case]:
    return labelled(load_source(synthetic).cases, "synthetic")


@pytest.fixture
def grid(tmp_path: Path) -> Grid:
    return load(tmp_path)


@pytest.fixture
def out(tmp_path: Path, grid: Grid, cases: list[Case]) -> Path:
    """A study that is begun with protocol paper, and nothing done."""
    begin(tmp_path / "out", grid, begun())
    begin_protocol(tmp_path / "out", "paper", paper(cases), cases)
    return tmp_path / "out"


def begun(budget: str = "smoke", weights: str = "none") -> dict[str, Any]:
    return {"named": "small.yaml", "budget": budget, "weights": weights, "created": "2026-01-02"}


def make(out: Path, grid: Grid, *names: str, trained: int = 1) -> None:
    """Make and judge models of protocol paper; `trained` tells one training from another."""
    for item in (item for item in items(grid) if item.id in names):
        folder = folder_of(out, "paper", item)
        rows = {name: state.model_digest(folder_of(out, "paper", grid.row(name))) for name in needs(item)}
        write_json(
            folder / "model" / "bundle.json", {"trained": trained} if isinstance(item, Row) else {"members": rows}
        )
        if isinstance(item, Row):
            write_json(folder / "run.json", {"training": {"seconds": 2.5}})
        write_json(folder / "evaluation" / "val" / "metrics.json", {"metrics": {"accuracy": {"value": 0.5}}})


def rows_of(out: Path) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in collect(out)["protocols"]["paper"]["rows"]}


def done(out: Path, grid: Grid) -> list[str]:
    """Return the models that are done, both ways of asking."""
    asked = [item.id for item in items(grid) if is_done(out, "paper", item, grid)]
    assert asked == [name for name, row in rows_of(out).items() if row["status"] == "done"]
    return asked


def test_all_that_the_report_needs(out: Path, grid: Grid) -> None:
    make(out, grid, *grid.ids)
    found = collect(out)
    about, rows = found["protocols"]["paper"], rows_of(out)
    assert (found["study"], found["budget"], found["note"], found["created"]) == (
        "small",
        "smoke",
        "smoke",
        "2026-01-02",
    )
    split = read_split(out / "paper" / "split.csv")
    assert (about["split"], about["part"]) == (split.fingerprint, "val")
    assert sum(about["images"].values()) == len(split.parts)
    assert sum(images for _, images in about["leak"].values()) == about["images"]["val"]
    assert [row["kind"] for row in rows.values()] == ["row", "row", "specialist", "ensemble", "mix"]
    assert (rows["rgb"]["table"], rows["rgb"]["number"], rows["rgb"]["published"]["accuracy"]) == (3, 1, 0.9)
    assert rows["gray"]["published"] is None and rows["gray"]["recipe"]["colour"] == "gray"
    assert rows["rgb"]["seconds"] == 2.5 and rows["both"]["seconds"] is None
    assert rows["mix"]["run"] == "paper/combined/mix" and rows["rgb"]["run"] == "paper/rows/rgb"
    assert rows["mix"]["recipe"] == {"base": "rgb", "specialists": ["mel-nv"], "routing": "paper"}
    assert rows["rgb"]["figures"]["metrics"]["accuracy"]["value"] == 0.5
    assert rows["mix"]["command"].endswith("--protocol paper --budget smoke --only rgb,mel-nv,mix")
    assert missing(found) == []


def test_a_combined_model_is_done_only_while_its_members_are_the_same(out: Path, grid: Grid) -> None:
    make(out, grid, *grid.ids)
    everything = [item.id for item in items(grid)]
    assert done(out, grid) == everything
    make(out, grid, "gray", trained=2)
    assert done(out, grid) == ["rgb", "gray", "mel-nv", "mix"]
    both = rows_of(out)["both"]
    assert both["status"] == "unfinished" and "trained anew" in both["reason"] and both["figures"] is None
    make(out, grid, "both")
    assert done(out, grid) == everything
    make(out, grid, "mel-nv", trained=2)
    assert done(out, grid) == ["rgb", "gray", "mel-nv", "both"]
    folder = folder_of(out, "paper", grid.ensembles[0])
    (folder / "model" / "bundle.json").unlink()
    assert not is_current(out, "paper", grid.ensembles[0], grid) and "both" not in done(out, grid)


def test_members_in_another_order_are_not_the_same(out: Path, grid: Grid) -> None:
    make(out, grid, "rgb", "gray", "both", trained=1)
    make(out, grid, "gray", trained=2)
    make(out, grid, "both")
    card = folder_of(out, "paper", grid.ensembles[0]) / "model" / "bundle.json"
    write_json(card, {"members": dict(reversed(read_json(card)["members"].items()))})
    assert "both" not in done(out, grid)


def test_how_far_a_model_is(out: Path, grid: Grid) -> None:
    rgb, gray, special = grid.rows
    write_json(folder_of(out, "paper", rgb) / "run.json", {"status": "training"})
    for item, note in (
        (gray, {"status": "failed", "reason": "no memory", "exit_code": 3}),
        (special, {"status": "not run", "reason": "rgb is not done", "exit_code": None}),
    ):
        write_json(state.note_of(folder_of(out, "paper", item)), note)
    told = {name: (row["status"], row["reason"], row["exit_code"]) for name, row in rows_of(out).items()}
    assert told == {
        "rgb": ("unfinished", "the same command goes on with it", None),
        "gray": ("failed", "no memory", 3),
        "mel-nv": ("not run", "rgb is not done", None),
        "both": ("not run", "not begun", None),
        "mix": ("not run", "not begun", None),
    }
    assert ("paper", "gray", "failed", "no memory") in missing(collect(out)) and len(missing(collect(out))) == 5


def test_a_folder_of_another_study_is_refused(out: Path, grid: Grid, tmp_path: Path) -> None:
    before = (out / "grid.yaml").read_bytes()
    other = content()
    other["rows"][0]["set"] = {"batch_size": 4}
    with pytest.raises(UsageError, match="not study small with budget smoke as it is now"):
        begin(out, load(tmp_path, other), begun())
    with pytest.raises(UsageError, match="with budget full"):
        begin(out, grid, begun("full"))
    with pytest.raises(UsageError, match="start from none, not from DIR"):
        begin(out, grid, begun(weights="DIR"))
    assert (out / "grid.yaml").read_bytes() == before
    (tmp_path / "strange" / "paper").mkdir(parents=True)
    with pytest.raises(UsageError, match="is no study"):
        begin(tmp_path / "strange", grid, begun())
    with pytest.raises(DataError, match="no study is here"):
        collect(tmp_path / "strange")


def test_new_labels_are_taken_up(out: Path, tmp_path: Path) -> None:
    values = content()
    values["rows"][0]["label"] = "another"
    begin(out, load(tmp_path, values), begun())
    assert (
        yaml.safe_load((out / "grid.yaml").read_text())["rows"][0]["label"] == rows_of(out)["rgb"]["label"] == "another"
    )


def test_other_images_are_refused(out: Path, cases: list[Case]) -> None:
    with pytest.raises(DataError, match="not the split of these images"):
        begin_protocol(out, "paper", paper(cases[:-3]), cases[:-3])


def test_no_older_view_is_written_over_a_newer(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first process is slow between looking and writing; the second looks only when it has written."""
    looked, calls = threading.Event(), []

    def slow(out: Path) -> dict[str, int]:
        calls.append(len(calls))
        looked.set()
        if len(calls) == 1:
            time.sleep(0.5)
            return {"seen": 0}
        return {"seen": 1}

    monkeypatch.setattr(state, "collect", slow)
    first = threading.Thread(target=state.write_state, args=(out,))
    first.start()
    assert looked.wait(30)
    state.write_state(out)
    first.join()
    assert read_json(out / "study.json") == {"seen": 1}
