"""What a study would do, and about how long it would take on this machine."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from lesionlab.data.cases import Case
from lesionlab.data.sources import narrowed
from lesionlab.data.splits import Split
from lesionlab.errors import UserError
from lesionlab.study import state
from lesionlab.study.arms import ARMS, make_arms
from lesionlab.study.grid import settings
from lesionlab.study.illustrate import MEASURED
from lesionlab.study.pace import Clock, steps_in
from lesionlab.study.rows import EnsembleRow, MixRow, Row, Siblings
from lesionlab.study.runner import Study, check_study, make_split
from lesionlab.study.siblings import arm_folder, is_judged
from lesionlab.study.views import FOLDER, VIEWS
from lesionlab.study.weights import NotRunError, find_weights
from lesionlab.training.material import labelled_cases
from lesionlab.training.recipe import Recipe

MAPS, SEVERAL, PAIRED = "pictures and maps", "several views", "paired leak experiment"
"""What the plan calls the stages after the models."""


@dataclass(frozen=True)
class Planned:
    """A model or stage of a study: images are those trained on, steps those of all epochs, seconds an estimate.

    seconds holds training and judging; None where nothing would be made, and remark says why. The other numbers are
    None for what is not trained. protocol is "" for what belongs to none.
    """

    protocol: str
    id: str
    architecture: str = ""
    size: int | None = None
    epochs: int | None = None
    batch: int | None = None
    images: int | None = None
    steps: int | None = None
    seconds: float | None = None
    remark: str = ""


def make_plan(study: Study) -> list[Planned]:
    """Return every model and stage that `whole.run_whole` would take up, in order, and write nothing.

    Raises `UserError` as `run_study` does for what concerns all models.
    """
    only = check_study(study)
    _, cases = labelled_cases(study.data, study.source, study.skip_bad)
    clock, planned, shown = Clock(), [], []
    for protocol in study.protocols:
        sheet = _Sheet(study, protocol, cases, make_split(protocol, cases, study.grid.seed), clock)
        planned += [sheet.planned(item) for item in state.items(study.grid) if item.id in only]
        shown += [sheet.maps(), sheet.views()]
    paired = [_paired(study, study.paired, cases, clock)] if study.paired else []
    return [*planned, *shown, *paired]


def as_json(planned: list[Planned]) -> dict[str, Any]:
    """Return the plan and the sum of its seconds, ready for JSON."""
    return {"models": [asdict(one) for one in planned], "seconds": sum(one.seconds or 0 for one in planned)}


class _Sheet:
    """The plan of one protocol; it remembers which models there will be, and whose validation answers."""

    def __init__(self, study: Study, protocol: str, cases: list[Case], split: Split, clock: Clock) -> None:
        self.study, self.protocol, self.cases, self.split, self.clock = study, protocol, cases, split, clock
        self.judged = len(split.select(cases, state.PARTS[protocol]))
        self.validated = len(split.select(cases, "val"))
        self.made = {item.id for item in state.items(study.grid) if self._is_done(item)}
        self.asked: set[str] = set()
        self.new = False

    def planned(self, item: state.Item) -> Planned:
        """Return what would be done for one model."""
        found = self._trained(item) if isinstance(item, Row) else self._combined(item)
        if found.seconds is not None:
            self.made.add(item.id)
            self.new |= found.remark != "done"
        return found

    def maps(self) -> Planned:
        """Return what it would take to draw and measure the maps of all rows that there are then."""
        rows = [row for row in self.study.grid.rows if row.id in self.made and not row.parent]
        if not rows:
            return Planned(self.protocol, MAPS, remark="no model to look at")
        if not self.new and (self.study.out / self.protocol / "attention.json").is_file():
            return Planned(self.protocol, MAPS, seconds=0.0, remark="done, unless images or masks changed")
        seconds = min(MEASURED, self.judged) * sum(self.clock.map(self._recipe(row)) for row in rows)
        return Planned(self.protocol, MAPS, seconds=seconds, remark=f"of {len(rows)} rows")

    def views(self) -> Planned:
        """Return what it would take to judge one network with several numbers of views."""
        wanted = [
            *(mix.base for mix in self.study.grid.mixes),
            *(row.id for row in self.study.grid.rows if not row.parent),
        ]
        name = next((name for name in wanted if name in self.made), None)
        if name is None:
            return Planned(self.protocol, SEVERAL, remark="no model to judge")
        if not self.new and (self.study.out / self.protocol / FOLDER).is_dir():
            return Planned(self.protocol, SEVERAL, seconds=0.0, remark="done")
        recipe = self._recipe(self.study.grid.row(name))
        several = [recipe.model_copy(update={"views": views}) for views in VIEWS]
        seconds = sum(self._judging(self.judged, one) for one in several)
        return Planned(self.protocol, SEVERAL, seconds=seconds, remark=f"of {name}")

    def _trained(self, row: Row) -> Planned:
        recipe = self._recipe(row)
        about = (self.protocol, row.id, recipe.architecture, recipe.size, recipe.epochs, recipe.batch_size)
        try:
            wanted = narrowed(self.cases, recipe.site, recipe.classes)
            train, validate, judged = (
                len(self.split.select(wanted, part)) for part in ("train", "val", state.PARTS[self.protocol])
            )
            steps = _steps(recipe, train)
            if self._is_done(row):
                return Planned(*about, train, steps, 0.0, "done")
            if row.parent and row.parent not in self.made:
                return Planned(*about, remark=f"not run: {row.parent} is not done")
            find_weights(self.study.start, recipe.architecture)
            seconds = self.clock.training(recipe, train, validate) + self._judging(judged, recipe)
            return Planned(*about, train, steps, seconds, f"needs {row.parent}" if row.parent else "")
        except NotRunError as reason:
            return Planned(*about, remark=f"not run: {reason}")
        except UserError as error:
            return Planned(*about, remark=f"would fail: {error}")

    def _combined(self, item: EnsembleRow | MixRow) -> Planned:
        needs = state.needs(item)
        if self._is_done(item):
            return Planned(self.protocol, item.id, seconds=0.0, remark="done")
        if missing := [name for name in needs if name not in self.made]:
            return Planned(self.protocol, item.id, remark=f"not run: {missing[0]} is not done")
        recipes = {name: self._recipe(self.study.grid.row(name)) for name in needs}
        unasked = [recipe for name, recipe in recipes.items() if name not in self.asked]
        self.asked |= set(needs)
        seconds = self.validated * sum(map(self.clock.answer, unasked)) + self._judging(self.judged, *recipes.values())
        return Planned(self.protocol, item.id, seconds=seconds, remark=f"of {', '.join(needs)}")

    def _judging(self, images: int, *members: Recipe) -> float:
        answers = images * sum(map(self.clock.answer, members))
        return answers + self.clock.evaluation(images, self.study.resamples)

    def _recipe(self, row: Row) -> Recipe:
        return settings(self.study.grid, row, self.study.budget)

    def _is_done(self, item: state.Item) -> bool:
        return state.is_done(self.study.out, self.protocol, item, self.study.grid)


def _steps(recipe: Recipe, train: int) -> int:
    return steps_in(recipe, train) * recipe.epochs if recipe.mode == "finetune" else 0


def _paired(study: Study, paired: Siblings, cases: list[Case], clock: Clock) -> Planned:
    """Return what the paired experiment would take: both arms train on equally many images."""
    recipe = settings(study.grid, study.grid.row(paired.row), study.budget)
    about = ("", PAIRED, recipe.architecture, recipe.size, recipe.epochs, recipe.batch_size)
    arms = f"{paired.seeds} seeds x {len(ARMS)} arms"
    try:
        parts = list(make_arms(cases, study.grid.seed)[0]["clean"].parts.values())
        train, validate, test = (parts.count(part) for part in ("train", "val", "test"))
        runs = [arm_folder(study.out, arm, seed) for seed in range(paired.seeds) for arm in ARMS]
        left = [run for run in runs if not is_judged(run)]
        steps = len(runs) * _steps(recipe, train)
        if not left:
            return Planned(*about, train, steps, 0.0, "done")
        find_weights(study.start, recipe.architecture)
        one = clock.training(recipe, train, validate) + test * clock.answer(recipe)
        return Planned(*about, train, steps, len(left) * (one + clock.evaluation(test, study.resamples)), arms)
    except NotRunError as reason:
        return Planned(*about, remark=f"not run: {reason}")
    except UserError as error:
        return Planned(*about, remark=f"would fail: {error}")
