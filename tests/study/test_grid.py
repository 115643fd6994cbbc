"""Grids: what they make of recipes, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_grid import content, load, write

from lesionlab.errors import UsageError
from lesionlab.study.grid import check_networks, check_only, fingerprint, load_grid, packaged_grids, settings


@pytest.mark.parametrize("name", ["paper", "offline"])
def test_installed_grids_hold_the_papers_design(name: str) -> None:
    grid = load_grid(name)
    assert {mix.routing for mix in grid.mixes} == {"paper", "margin"}
    assert {item.rule for item in grid.ensembles} == {"average", "vote", "max", "weighted", "stacked"}
    pairs = [settings(grid, row, "full").classes for row in grid.rows if row.parent]
    assert pairs == [("mel", "nv"), ("akiec", "bcc"), ("mel", "bkl")]
    for budget in grid.budgets:
        check_networks(grid, budget)
        sizes = {settings(grid, row, budget).size for row in grid.rows}
        assert len(sizes) == 1, "members of ensembles and Mix-Models need one size"
    assert {settings(grid, row, "smoke").architecture for row in grid.rows} == {"tiny"}


def test_the_papers_tables_are_whole() -> None:
    assert packaged_grids() == ["offline", "paper"]
    rows = [row for row in load_grid("paper").rows if row.table]
    assert sorted((row.table, row.number) for row in rows) == [(2, 1), (2, 2), *((3, n) for n in range(1, 10))]
    assert all(row.published and None not in row.published.model_dump().values() for row in rows)


def test_later_settings_win(tmp_path: Path) -> None:
    """Recipe, seed of the grid, parent, row, budget, budget's row."""
    values = content()
    values["seed"] = 5
    values["rows"][0]["set"] = {"batch_size": 4, "colour": "gray", "size": 48}
    values["rows"][2]["set"] |= {"colour": "rgb", "seed": 6}
    grid = load(tmp_path, values)
    rgb, gray, special = (settings(grid, row, "smoke") for row in grid.rows)
    assert (rgb.batch_size, rgb.size, rgb.seed, rgb.colour) == (4, 32, 5, "gray")
    assert gray.batch_size == 8
    assert (special.batch_size, special.colour, special.seed, special.classes) == (4, "rgb", 6, ("mel", "nv"))


def test_the_fingerprint_names_what_shapes_a_result(tmp_path: Path) -> None:
    values = content()
    before = fingerprint(load(tmp_path, values), "smoke")
    values["rows"][0]["label"] = "another"
    values["rows"][0]["published"] = {"accuracy": 0.1}
    assert fingerprint(load(tmp_path, values), "smoke") == before
    assert fingerprint(load(tmp_path, values), "full") != before
    values["ensembles"][0]["rule"] = "vote"
    assert fingerprint(load(tmp_path, values), "smoke") != before


def put(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    """Return a change to a grid's content."""

    def change(values: Any) -> None:
        for key in path[:-1]:
            values = values[key]
        values[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put("rowz", value=[]), "did you mean 'rows'"),
        (put("rows", 0, "labl", value="x"), "unknown key 'rows.0.labl' (did you mean 'label'?)"),
        (put("rows", 0, "published", "macro_f", value=0.5), "did you mean 'macro_f1'"),
        (put("rows", 0, "published", "macro_f1", value=79), "less than or equal to 1"),
        (put("rows", 0, "set", value={"epoch": 3}), "did you mean 'epochs'"),
        (put("rows", 1, "id", value="rgb"), "the id 'rgb' is given twice"),
        (put("ensembles", 0, "id", value="gray"), "the id 'gray' is given twice"),
        (put("rows", 2, "parent", value="rbg"), "mel-nv: parent 'rbg' is not a row of it (did you mean 'rgb'?)"),
        (put("rows", 2, "set", "classes", value=["mel", "wart"]), "classes"),
        (put("rows", 2, "set", value={}), "names its pair"),
        (put("ensembles", 0, "members", value=["rgb", "grey"]), "both: member 'grey' is not a row of it"),
        (put("ensembles", 0, "members", value=["rgb", "mel-nv"]), "both: member 'mel-nv'"),
        (put("ensembles", 0, "members", value=["rgb", "rgb"]), "both: a member is named twice"),
        (put("ensembles", 0, "rule", value="mean"), "average"),
        (put("mixes", 0, "base", value="mel-nv"), "mix: base 'mel-nv'"),
        (put("mixes", 0, "base", value="gray"), "mix: specialist 'mel-nv' has another parent than base 'gray'"),
        (put("mixes", 0, "specialists", value=["gray"]), "mix: specialist 'gray'"),
        (put("budgets", "smoke", "rows", value={"grey": {}}), "budget smoke: row 'grey'"),
        (put("budgets", "huge", value={"recipe": "tiny"}), "'full', 'cpu' or 'smoke'"),
        (put("budgets", "full", "recipe", value="huge"), "unknown recipe 'huge'"),
        (put("rows", 0, "id", value="../up"), "rows.0.id"),
    ],
)
def test_a_wrong_grid_is_refused(change: Callable[[dict[str, Any]], None], words: str, tmp_path: Path) -> None:
    values = content()
    change(values)
    with pytest.raises(UsageError) as error:
        load(tmp_path, values)
    assert words in str(error.value)


def test_an_unknown_network_is_refused_by_row(tmp_path: Path) -> None:
    values = content()
    values["rows"][1]["set"]["architecture"] = "resnet5o"
    with pytest.raises(UsageError, match=r"row gray: unknown backbone 'resnet5o'.*resnet50"):
        check_networks(load(tmp_path, values), "smoke")


@pytest.mark.parametrize("text", ["", "a: [", "- 1", "3"])
def test_what_is_no_grid_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(text)
    with pytest.raises(UsageError):
        load_grid(str(tmp_path / "small.yaml"))


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="offline, paper"):
        load_grid("papers")
    with pytest.raises(UsageError, match="no such grid file"):
        load_grid(str(tmp_path / "none.yaml"))
    grid = load(tmp_path)
    with pytest.raises(UsageError, match="it has full, smoke"):
        settings(grid, grid.rows[0], "cpu")
    with pytest.raises(UsageError, match="did you mean 'gray'"):
        check_only(grid, ["rgb", "grey"])
    assert check_only(grid, ["mix", "mix"]) == ("mix",)
    assert check_only(grid, []) == grid.ids == ("rgb", "gray", "mel-nv", "both", "mix")


def test_a_written_grid_reads_back(tmp_path: Path) -> None:
    grid = load_grid("paper")
    dumped = yaml.safe_load(yaml.safe_dump(grid.model_dump(mode="json", exclude_none=True)))
    assert load_grid(write(tmp_path, dumped)) == grid
