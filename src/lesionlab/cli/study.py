"""`lesionlab study`: every model of a grid, trained, combined and judged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lesionlab.cli import illustrate, options, siblings, study_report
from lesionlab.cli.screen import Pace, Screen, clock, note, print_json, print_table, say

if TYPE_CHECKING:
    from lesionlab.study.plan import Planned

app = typer.Typer(
    help="Run a study: all models of a grid, and what they show.", no_args_is_help=True, rich_markup_mode=None
)

app.command("report")(study_report.report)
app.command("illustrate")(illustrate.illustrate)
app.command("siblings")(siblings.siblings)


@app.command("run")
def run(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="Installed study (paper, offline) or a .yaml file.")],
    data: options.Data,
    out: Annotated[Path, typer.Option("--out", metavar="OUT", help="Folder of the study; a second call goes on.")],
    protocol: Annotated[
        Literal["paper", "grouped", "both"],
        typer.Option("--protocol", help="Split by image as the paper does, by lesion, or both, one after the other."),
    ] = "both",
    budget: Annotated[Literal["full", "cpu", "smoke"], typer.Option("--budget", help="How much it may cost.")] = "full",
    weights: Annotated[
        str | None,
        typer.Option("--weights", metavar="imagenet|none|DIR", help="What networks start from [default: by budget]."),
    ] = None,
    only: Annotated[str, typer.Option("--only", metavar="ID,...", help="Only these models.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and about how long.")] = False,
    resamples: options.Resamples = 2000,
    source: options.Kind = None,
    cache: options.Cache = None,
    skip_bad: options.SkipBad = False,
    json: options.Json = False,
) -> None:
    """Train, combine and judge every model of a grid that is not done yet, and write the report.

    The same command goes on after a stop. Where something failed, the rest is made, the failures are listed, and the
    exit code is the lowest of theirs; missing weights are no failure. DIR holds ImageNet weights as
    TIMM_NAME.safetensors.

    Example: lesionlab study run paper --data ham10000 --out study --budget smoke
    """
    from lesionlab.study.grid import load_grid

    grid = load_grid(name)

    from lesionlab.study.runner import Study
    from lesionlab.study.state import PARTS
    from lesionlab.study.whole import run_whole
    from lesionlab.training.signals import RunStoppedError

    study = Study(
        grid, data, out, budget, tuple(PARTS) if protocol == "both" else (protocol,), weights,
        tuple(part.strip() for part in only.split(",") if part.strip()), Path(name).name, source, cache, skip_bad,
        resamples,
    )  # fmt: skip
    if dry_run:
        from lesionlab.study.plan import as_json, make_plan

        planned = make_plan(study)
        print_json(as_json(planned)) if json else show_plan(planned)
        return
    try:
        with StudyScreen() as screen:
            found = run_whole(study, screen)
    except RunStoppedError as stopped:
        note("stopped: the checkpoint is saved; the same command goes on")
        raise typer.Exit(stopped.exit_code) from None
    if json:
        print_json({**found.state, "page": str(found.page), "left_out": found.left_out})
    else:
        show(found.state, found.left_out)
        say(f"report: {found.page}")
    raise typer.Exit(found.exit_code)


@app.command("list")
def grids(json: options.Json = False) -> None:
    """List the installed studies with their budgets.

    Example: lesionlab study list
    """
    from lesionlab.study.grid import load_grid, packaged_grids

    found = {name: load_grid(name) for name in packaged_grids()}
    if json:
        print_json({name: grid.model_dump(mode="json") for name, grid in found.items()})
        return
    columns = ("study", "rows", "ensembles", "Mix-Models", "what")
    counts = [(n, len(g.rows), len(g.ensembles), len(g.mixes), g.title) for n, g in found.items()]
    print_table(columns, counts)
    print_table(
        ("study", "budget", "recipe", "remark"),
        [(name, key, budget.recipe, budget.note) for name, g in found.items() for key, budget in g.budgets.items()],
    )


class StudyScreen(Screen):
    """Progress of a study: that of one training run after the other."""

    def __enter__(self) -> StudyScreen:
        return self

    def begin(self, title: str, epochs: int) -> None:
        """Announce a model."""
        self.epochs, self._pace = epochs, Pace()
        self.line(title)

    def line(self, text: str) -> None:
        """Print a line that stays."""
        self.display.line(text)


def show_plan(planned: list[Planned]) -> None:
    """Print what a study would do."""
    columns = ("protocol", "id", "network", "px", "epochs", "batch", "images", "steps", "time", "remark")
    print_table(
        columns,
        [
            (one.protocol, one.id, one.architecture, one.size, one.epochs, one.batch, one.images, one.steps,
             None if one.seconds is None else clock(one.seconds), one.remark)
            for one in planned
        ],
    )  # fmt: skip
    total = clock(sum(one.seconds or 0 for one in planned))
    say(f"in all about {total} (h:mm:ss or m:ss), by a few steps of each network on this machine as it is now")


def show(found: dict[str, Any], left_out: dict[str, str]) -> None:
    """Print each protocol's figures beside the paper's, and which models and stages were not made and why."""
    from lesionlab.study.state import missing

    for protocol, about in found["protocols"].items():
        part = f"{about['images'].get(about['part'], 0):,} {about['part']} images"
        print_table(
            ("id", "model", "F1, paper", "F1, ours", "95 % interval", "accuracy, paper", "accuracy, ours"),
            [_figures(row) for row in about["rows"] if row["status"] == "done"],
            f"protocol {protocol}, {part}, budget {found['budget']}",
        )
    if lacking := [*missing(found), *(("", stage, "left out", reason) for stage, reason in left_out.items())]:
        print_table(("protocol", "id", "", "why"), lacking, "not done")


def _figures(row: dict[str, Any]) -> tuple[str, ...]:
    published, metrics = row["published"] or {}, row["figures"]["metrics"]
    f1 = metrics["macro_f1"]
    return (
        row["id"], row["label"], _number(published.get("macro_f1"), 2), _number(f1["value"]),
        "" if f1["low"] is None else f"{f1['low']:.3f} - {f1['high']:.3f}", _number(published.get("accuracy"), 2),
        _number(metrics["accuracy"]["value"]),
    )  # fmt: skip


def _number(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}"
