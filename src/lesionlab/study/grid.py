"""The grid: every model of a study, the paper's figures for it, and the budgets it can be run with; read from YAML."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from lesionlab.errors import UsageError
from lesionlab.files import read_text
from lesionlab.study.rows import Budget, EnsembleRow, MixRow, Name, Part, Published, Row
from lesionlab.training.recipe import Recipe, load_recipe, validate


class Grid(Part):
    """Every model of a study. Unknown keys are errors."""

    name: Name
    title: str
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Of the split, and of every row that sets none."""
    rows: Annotated[tuple[Row, ...], Field(min_length=1)]
    ensembles: tuple[EnsembleRow, ...] = ()
    mixes: tuple[MixRow, ...] = ()
    budgets: Annotated[dict[Literal["full", "cpu", "smoke"], Budget], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> Grid:
        faults = [*self._twice(), *self._dangling(), *self._unpaired()]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def ids(self) -> tuple[str, ...]:
        """The id of every row, ensemble and Mix-Model, in order."""
        return (*(r.id for r in self.rows), *(e.id for e in self.ensembles), *(m.id for m in self.mixes))

    def row(self, identifier: str) -> Row:
        """Return the row of that id."""
        return next(row for row in self.rows if row.id == identifier)

    def _twice(self) -> list[str]:
        ids = [f"the id {name!r} is given twice" for name in dict.fromkeys(self.ids) if self.ids.count(name) > 1]
        named = [(e.id, "member", e.members) for e in self.ensembles]
        named += [(m.id, "specialist", m.specialists) for m in self.mixes]
        return ids + [f"{who}: a {what} is named twice" for who, what, names in named if len(set(names)) < len(names)]

    def _dangling(self) -> list[str]:
        """Return in words every name of a row that does not exist, or is of the wrong kind."""
        general = [row.id for row in self.rows if row.parent is None]
        special = [row.id for row in self.rows if row.parent is not None]
        wanted = [
            *((row.id, "parent", row.parent, general) for row in self.rows if row.parent is not None),
            *((e.id, "member", name, general) for e in self.ensembles for name in e.members),
            *((m.id, "base", m.base, general) for m in self.mixes),
            *((m.id, "specialist", name, special) for m in self.mixes for name in m.specialists),
            *((f"budget {key}", "row", name, general + special) for key, b in self.budgets.items() for name in b.rows),
            *((f"budget {key}", "row", b.siblings.row, general) for key, b in self.budgets.items() if b.siblings),
        ]
        lost = [w for w in wanted if w[2] not in w[3]]
        faults = [f"{who}: {what} {name!r} is not a row of it{_near(name, known)}" for who, what, name, known in lost]
        return faults + [
            f"{mix.id}: specialist {name!r} has another parent than base {mix.base!r}"
            for mix in self.mixes
            for name in mix.specialists
            if name in special and self.row(name).parent != mix.base
        ]

    def _unpaired(self) -> list[str]:
        return [
            f"{row.id}: a specialist's set names its pair, as in classes: [mel, nv]"
            for row in self.rows
            if row.parent is not None and len(row.set.get("classes") or ()) != 2
        ]


def packaged_grids() -> list[str]:
    """Return the names of the grids that are installed with the package."""
    found = resources.files("lesionlab.study").iterdir()
    return sorted(Path(item.name).stem for item in found if item.name.endswith(".yaml"))


def load_grid(name: str) -> Grid:
    """Return a packaged grid by name, or one from a YAML file, with every row's recipe checked in every budget.

    Raises `UsageError` for an unknown grid, an unknown key (with the nearest known one), a wrong value, an id given
    twice, a parent or member that is missing, and settings that are no recipe. Networks are checked by
    `check_networks`, which needs torch.
    """
    if name in packaged_grids():
        text = (resources.files("lesionlab.study") / f"{name}.yaml").read_text(encoding="utf-8")
    elif name.endswith((".yaml", ".yml")):
        if not Path(name).is_file():
            raise UsageError(f"{name}: no such grid file", "check the path")
        text = read_text(Path(name))
    else:
        raise UsageError(f"unknown study {name!r}", f"installed are {', '.join(packaged_grids())}, or name a .yaml")
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"{name}: not valid YAML: {str(error).splitlines()[0]}", "mend the file") from None
    try:
        grid = Grid.model_validate(values)
    except ValidationError as error:
        faults = [_fault(item["loc"], item["type"], item["msg"]) for item in error.errors()]
        raise UsageError(f"grid {name}: {'; '.join(faults)}", "the installed grids show every key") from None
    for budget in grid.budgets:
        for row in grid.rows:
            settings(grid, row, budget)
    return grid


def chosen_budget(grid: Grid, name: str) -> Budget:
    """Return a budget by name; `UsageError` where the grid has none of that name."""
    for key, budget in grid.budgets.items():
        if key == name:
            return budget
    raise UsageError(f"the study {grid.name} has no budget {name!r}", f"it has {', '.join(grid.budgets)}")


def settings(grid: Grid, row: Row, budget: str) -> Recipe:
    """Return the row's recipe: the budget's recipe, the parent's settings, its own, the budget's for all, for it."""
    spending = chosen_budget(grid, budget)
    values = load_recipe(spending.recipe).model_dump(mode="json") | {"seed": grid.seed}
    parent = grid.row(row.parent).set if row.parent else {}
    for more in (parent, row.set, spending.set, spending.rows.get(row.id, {})):
        values |= more
    return validate(values, f"of row {row.id}, budget {budget}")


def check_networks(grid: Grid, budget: str) -> None:
    """Raise `UsageError`, naming the row and the closest known names, where a network of this budget is unknown."""
    from lesionlab.models.backbones import timm_name

    for row in grid.rows:
        try:
            timm_name(settings(grid, row, budget).architecture)
        except UsageError as error:
            raise UsageError(f"grid {grid.name}, row {row.id}: {error.message}", error.hint) from None


def fingerprint(grid: Grid, budget: str) -> str:
    """Return 16 hex digits that name all that shapes a result: every recipe, rule and routing, not the labels."""
    told = {"label", "published", "base_published"}
    shapes = {
        "budget": budget,
        "seed": grid.seed,
        "rows": {row.id: settings(grid, row, budget).model_dump(mode="json") for row in grid.rows},
        "ensembles": [item.model_dump(mode="json", exclude=told) for item in grid.ensembles],
        "mixes": [item.model_dump(mode="json", exclude=told) for item in grid.mixes],
    }
    return hashlib.sha256(json.dumps(shapes, sort_keys=True).encode()).hexdigest()[:16]


def check_only(grid: Grid, only: Iterable[str]) -> tuple[str, ...]:
    """Return the ids asked for, all where none is; `UsageError`, with the nearest id, for one that is not there."""
    asked = tuple(dict.fromkeys(only))
    for name in (name for name in asked if name not in grid.ids):
        hint = _near(name, grid.ids).strip(" ()") or f"it has {', '.join(grid.ids)}"
        raise UsageError(f"the study {grid.name} has no row {name!r}", hint)
    return asked or grid.ids


def _near(name: str | None, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(name), list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _fault(location: tuple[int | str, ...], kind: str, message: str) -> str:
    """Return one fault in words, with the nearest known key for an unknown one."""
    where = ".".join(map(str, location))
    if kind != "extra_forbidden":
        return f"{where}: {message}" if where else message.removeprefix("Value error, ")
    parts: dict[str, type[Part]] = {"rows": Row, "ensembles": EnsembleRow, "mixes": MixRow, "budgets": Budget}
    part = parts.get(str(location[0]), Grid) if len(location) > 1 else Grid
    if location[-2:-1] == ("published",):
        part = Published
    return f"unknown key {where!r}{_near(str(location[-1]), part.model_fields)}"
