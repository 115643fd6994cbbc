"""`lesionlab study siblings`: what a test lesion's other photographs give away when they are trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lesionlab.cli import options
from lesionlab.cli.screen import Screen, print_json, print_table, say


def siblings(
    data: options.Data,
    out: Annotated[Path, typer.Option("--out", metavar="OUT", help="Folder of the study; writes OUT/siblings.")],
    recipe: Annotated[str, typer.Option("--recipe", metavar="NAME|FILE", help="Settings of all runs.")] = "cpu",
    settings: options.Settings = None,
    weights: options.Weights = "imagenet",
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many seeds each arm is trained with.")] = 3,
    split_seed: Annotated[int, typer.Option("--split-seed", min=0, help="Seed of the grouped split.")] = 0,
    resamples: options.Resamples = 2000,
    source: options.Kind = None,
    duplicates: options.Duplicates = None,
    cache: options.Cache = None,
    skip_bad: options.SkipBad = False,
    json: options.Json = False,
) -> None:
    """Train with and without the test lesions' siblings, and tell the difference. A second call continues.

    Example: lesionlab study siblings --data ham10000 --out study --recipe cpu --seeds 3
    """
    from lesionlab.data.audit import read_clusters
    from lesionlab.training.recipe import load_recipe

    chosen = load_recipe(recipe, settings or ())
    clusters = tuple(map(tuple, read_clusters(duplicates))) if duplicates else ()

    from lesionlab.study.siblings import RESULT, Experiment, run_siblings

    experiment = Experiment(
        data, out, chosen, weights, tuple(range(seeds)), split_seed, resamples, source, clusters, cache, skip_bad
    )
    with Screen(chosen.epochs) as screen:
        found = run_siblings(experiment, screen, screen.counted)
    if json:
        print_json(found)
        return
    print_table(("metric", "clean", "with siblings", "difference", "95 % interval"), rows(found))
    counts = ", ".join(f"{part} {count:,}" for part, count in found["images"].items())
    say(f"means of {len(found['seeds'])} seeds; images: {counts}")
    say(f"written to {experiment.folder / RESULT}")


def rows(found: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return one line per metric of what `run_siblings` tells."""
    from lesionlab.evaluation.evaluate import LABELS

    table: list[tuple[str, ...]] = []
    for name, pooled in found["pooled"].items():
        if pooled["value"] is None:
            table.append((LABELS[name], "undefined", "", "", ""))
            continue
        spread = "" if pooled["low"] is None else f"{pooled['low']:+.3f} to {pooled['high']:+.3f}"
        arms = (f"{found['arms'][arm][name]:.3f}" for arm in ("clean", "leak"))
        table.append((LABELS[name], *arms, f"{pooled['value']:+.3f}", spread))
    return table
