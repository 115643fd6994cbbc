"""`lesionlab train`: from a source to a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lesionlab.cli import options
from lesionlab.cli.screen import Screen, print_json, print_table, say
from lesionlab.cli.tables import figure_rows, leak_rows


def train(
    data: options.Data,
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="Run folder to write.")],
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", metavar="NAME|FILE", help="Settings [default: cpu; see `lesionlab models`]."),
    ] = None,
    settings: options.Settings = None,
    weights: options.Weights = "imagenet",
    split: Annotated[
        str, typer.Option("--split", metavar="grouped|paper|FILE", help="Protocol, or a file of `data split`.")
    ] = "grouped",
    fold: Annotated[int | None, typer.Option("--fold", min=0, help="Which fold of a k-fold split tests.")] = None,
    source: options.Kind = None,
    also: Annotated[
        list[Path] | None,
        typer.Option("--also", metavar="SOURCE", help="Train on four fifths of this source too; may be repeated."),
    ] = None,
    duplicates: options.Duplicates = None,
    cache: options.Cache = None,
    skip_bad: options.SkipBad = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run that is in the folder.")] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write TensorBoard's files too.")] = False,
    json: options.Json = False,
) -> None:
    """Train a classifier, choose on validation, and write the model.

    Example: lesionlab train --data ham10000 --out runs/first --recipe cpu
    """
    from lesionlab.data.audit import read_clusters
    from lesionlab.training.recipe import load_recipe

    kept = out / "recipe.yaml"
    name = recipe or (str(kept) if resume and kept.is_file() else "cpu")
    chosen = load_recipe(name, settings or ())
    clusters = tuple(map(tuple, read_clusters(duplicates))) if duplicates else ()

    from lesionlab.training import run
    from lesionlab.training.material import Job

    job = Job(
        data, out, chosen, source, split, fold, weights, clusters, cache, skip_bad, resume, tensorboard,
        tuple(also or ()),
    )  # fmt: skip
    with Screen(chosen.epochs) as screen:
        described = run.train(job, screen, screen.counted)
    if described:
        show(summary(out, described), json)


def summary(out: Path, described: dict[str, Any]) -> dict[str, Any]:
    """Return what there is to say about a finished run; {} values for what the run does not have."""
    from lesionlab.data.cases import read_cases
    from lesionlab.data.splits import read_split, siblings_across

    leak = {}
    if described["split"]["protocol"] == "paper":
        leak = siblings_across(read_cases(out / "cases.csv"), read_split(out / "split.csv"))
    curves = out / "curves.png"
    return {
        "run": str(out),
        "model": str(out / "model"),
        "curves": str(curves) if curves.is_file() else None,
        "split": described["split"],
        "prior": described["prior"],
        "validation": described["validation"],
        "leak": leak,
    }


def show(found: dict[str, Any], as_json: bool) -> None:
    """Print the end of a run."""
    if as_json:
        print_json(found)
        return
    print_table(("validation", "value"), figure_rows(found["validation"]))
    if found["leak"]:
        print_table(("dx", "validation images", "lesion also in train", "share"), leak_rows(found["leak"]))
        say("These figures are too good: the split is by image, so lesions are on both sides.")
    say(f"run:    {found['run']}")
    say(f"model:  {found['model']}")
    if found["curves"]:
        say(f"curves: {found['curves']}")
