"""`lesionlab models` and `lesionlab doctor`: what there is to use, here and in general."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from lesionlab.cli import options
from lesionlab.cli.screen import print_json, print_table, say


def models(json: options.Json = False) -> None:
    """List the networks with short names, and the recipes that are installed.

    Example: lesionlab models
    """
    from lesionlab.models.backbones import PRESETS
    from lesionlab.training.recipe import load_recipe, packaged_recipes

    recipes = {name: load_recipe(name) for name in packaged_recipes()}
    if json:
        presets = {name: asdict(preset) for name, preset in PRESETS.items()}
        print_json({"presets": presets, "recipes": {name: r.model_dump(mode="json") for name, r in recipes.items()}})
        return
    print_table(("network", "in timm", "remark"), [(name, p.timm, p.note) for name, p in PRESETS.items()])
    say("Any other name of an image classifier in timm will do as well.")
    columns = ("recipe", "architecture", "mode", "size", "epochs", "loss", "augmentation")
    print_table(columns, [(name, *(getattr(r, column) for column in columns[1:])) for name, r in recipes.items()])


def doctor(
    network: Annotated[bool, typer.Option("--network", help="Also ask whether the model hub answers.")] = False,
    json: options.Json = False,
) -> None:
    """Look at this machine: versions, cores, memory, disk, libraries, with advice for each fault.

    Example: lesionlab doctor
    """
    from lesionlab.cli.doctor import examine

    facts = examine(network)
    if json:
        print_json([asdict(fact) for fact in facts])
        return
    print_table(("what", "here"), [(fact.name, fact.value) for fact in facts])
    faults = [fact for fact in facts if fact.advice]
    for fact in faults:
        say(f"{fact.name}: {fact.advice}")
    if not faults:
        say("nothing is amiss")
