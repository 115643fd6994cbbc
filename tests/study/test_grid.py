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
from lesionlab.study.rows import Published


@pytest.mark.parametrize("name", ["paper", "offline"])
def test_installed_grids_hold_the_papers_design(name: str) -> None:
    grid = load_grid(name)
    assert {mix.routing for mix in grid.mixes} == {"paper", "margin"}
    assert {item.rule for item in grid.ensembles} == {"average", "vote", "max", "weighted", "stacked"}
    pairs = [settings(grid, row, "full").classes for row in grid.rows if row.parent]
    assert pairs == [("mel", "nv"), ("akiec", "bcc"), ("mel", "bkl")]
    for budget in grid.budgets:
        check_networks(grid, budget)
        together = [*(item.members for item in grid.ensembles), *((mix.base, *mix.specialists) for mix in grid.mixes)]
        for names in together:
            sizes = {settings(grid, grid.row(name), budget).size for name in names}
            assert len(sizes) == 1, "members of ensembles and Mix-Models need one size"
    assert {settings(grid, row, "smoke").architecture for row in grid.rows} == {"tiny"}


PAPER: dict[tuple[int, int], tuple[str, str, str, str, float, float, float, float]] = {
    (3, 1): ("resnet50", "rgb", "paper", "", 0.89, 0.77, 0.81, 0.79),
    (3, 2): ("resnet50", "gray", "paper", "", 0.81, 0.63, 0.74, 0.67),
    (3, 3): ("xception", "rgb", "paper", "", 0.87, 0.75, 0.82, 0.78),
    (3, 4): ("xception", "gray", "paper", "", 0.80, 0.61, 0.71, 0.66),
    (3, 5): ("inception_resnet_v2", "rgb", "paper", "", 0.85, 0.74, 0.78, 0.76),
    (3, 6): ("inception_resnet_v2", "gray", "paper", "", 0.83, 0.67, 0.73, 0.70),
    (3, 7): ("vgg19", "rgb", "paper", "", 0.73, 0.57, 0.69, 0.61),
    (3, 8): ("resnet50", "rgb", "none", "", 0.87, 0.77, 0.78, 0.76),
    (3, 9): ("resnet50", "rgb", "paper", "lower extremity", 0.88, 0.80, 0.79, 0.79),
    (2, 1): ("vit_b32", "rgb", "paper", "", 0.85, 0.71, 0.80, 0.74),
    (2, 2): ("vit_b32", "gray", "paper", "", 0.71, 0.49, 0.67, 0.53),
}
"""Table and number -> network, colour, augmentation, site; accuracy, macro precision, recall and F1 as published."""

MIX = (0.89, 0.78, 0.85, 0.81)
BASE = (0.88, 0.77, 0.81, 0.79)
"""Table 6: the Mix-Model and ResNet50, of which Table 3 says .89."""


def figures(published: Published | None) -> tuple[float | None, ...]:
    return tuple(published.model_dump().values()) if published else ()


def test_the_papers_tables_are_whole() -> None:
    assert packaged_grids() == ["offline", "paper"]
    grid = load_grid("paper")
    found = {}
    for row in (row for row in grid.rows if row.table and row.number):
        recipe = settings(grid, row, "full")
        design = (recipe.architecture, recipe.colour, recipe.augmentation, recipe.site)
        found[row.table, row.number] = (*design, *figures(row.published))
    assert found == PAPER
    assert {item.id: figures(item.published) for item in grid.ensembles if item.published} == {
        "average": (None, None, None, 0.82), "vote": (None, None, None, 0.81),
    }  # fmt: skip
    assert {item.id: figures(item.published) for item in grid.mixes if item.published} == {"mix-paper": MIX}
    assert figures(grid.mixes[0].base_published) == BASE
    assert [grid.row(name).number for name in grid.ensembles[0].members] == [1, 3, 5]
    assert all(grid.row(mix.base).number == 1 for mix in grid.mixes)


def test_the_offline_grid_claims_only_what_the_paper_says() -> None:
    """Xception's figures are its own; combined models' are of other networks, which their labels say."""
    grid = load_grid("offline")
    rows = {(row.table, row.number): figures(row.published) for row in grid.rows if row.published}
    assert rows == {place: PAPER[place][4:] for place in ((3, 3), (3, 4))}
    combined = {item.id: item for item in (*grid.ensembles, *grid.mixes) if item.published}
    assert {name: figures(item.published)[-1] for name, item in combined.items()} == {
        "average": 0.82, "vote": 0.81, "mix-paper": 0.81,
    }  # fmt: skip
    assert all("the paper's" in item.label for item in combined.values())


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
