"""What a grid is made of: its rows, what is combined of them, and its budgets."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,60}$")]
Figure = Annotated[float, Field(ge=0, le=1)]


class Part(BaseModel):
    """A part of a grid: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Published(Part):
    """What the paper reports for a model; None where it reports nothing."""

    accuracy: Figure | None = None
    macro_precision: Figure | None = None
    macro_recall: Figure | None = None
    macro_f1: Figure | None = None


class Row(Part):
    """One training run: table and number are its place in the paper, None where it has none.

    set : recipe settings. parent : of a specialist, the row whose settings it takes over and whose training images
    it shares; `set` then names its pair, as in classes: [mel, nv].
    """

    id: Name
    label: str
    table: Literal[2, 3] | None = None
    number: int | None = None
    set: dict[str, Any] = {}
    parent: Name | None = None
    published: Published | None = None


class EnsembleRow(Part):
    """An ensemble of rows, combined by a rule of `models.ensemble`."""

    id: Name
    label: str
    rule: Literal["average", "vote", "max", "weighted", "stacked"]
    members: Annotated[tuple[Name, ...], Field(min_length=2)]
    published: Published | None = None


class MixRow(Part):
    """A Mix-Model: a base whose answers specialists re-decide."""

    id: Name
    label: str
    base: Name
    specialists: Annotated[tuple[Name, ...], Field(min_length=1)]
    routing: Literal["paper", "margin"]
    published: Published | None = None
    base_published: Published | None = None
    """What the paper's Table 6 reports for the base."""


class Siblings(Part):
    """The paired leak experiment (`study.siblings`): whose settings it takes, and how many seeds."""

    row: Name
    seeds: Annotated[int, Field(ge=1)] = 3


class Budget(Part):
    """How much a study may cost: a recipe, settings that override every row's own, then those of single rows.

    weights : what networks start from unless the command says otherwise. siblings : the paired leak
    experiment, None for none. note : said in every caption.
    """

    recipe: str
    set: dict[str, Any] = {}
    weights: Literal["imagenet", "none"] = "imagenet"
    rows: dict[Name, dict[str, Any]] = {}
    siblings: Siblings | None = None
    note: str = ""
