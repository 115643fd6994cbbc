"""`lesionlab demo`: the whole main job on drawn images, in a few minutes and without a download."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lesionlab.cli import evaluate as evaluation
from lesionlab.cli import options
from lesionlab.cli.screen import Screen, note, print_json, say
from lesionlab.files import write_json

LESIONS = 210
SETTINGS: tuple[str, ...] = ()
"""Changes to the recipe `tiny`."""


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for everything that is made.")] = Path(
        "demo-out"
    ),
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Draw images, check, split, train, evaluate and explain them: the main job in small.

    A second call continues where the first one stopped. Example: lesionlab demo --out demo-out
    """
    from lesionlab.training.recipe import load_recipe

    recipe = load_recipe("tiny", [*SETTINGS, f"seed={seed}"])
    with Screen(recipe.epochs) as screen:
        source, split = _data(out, seed, screen)
        note("training a tiny network from random weights")
        from lesionlab.report.evaluate_model import evaluate_model
        from lesionlab.report.parts import Images
        from lesionlab.training.material import Job
        from lesionlab.training.run import train

        run = out / "run"
        cache = out / "cache"
        train(
            Job(source, run, recipe, split=str(split), weights="none", cache=cache, resume=True),
            screen,
            screen.counted,
        )
        note("evaluating it on the test images")
        found = evaluate_model(run, Images(source, cache=cache, progress=screen.counted), command="lesionlab demo")
        note("explaining some of its answers")
        picture = _explain(run, out / "maps")
    metrics = found.folder / "metrics.json"
    if json:
        print_json({"picture": str(picture), "metrics": str(metrics), "run": str(run), "result": found.result})
        return
    evaluation.show(found)
    say("These figures are of drawn images and a tiny network: they say nothing about real lesions.")
    say(f"picture: {picture}")
    say(f"metrics: {metrics}")


def _data(out: Path, seed: int, screen: Screen) -> tuple[Path, Path]:
    """Draw the images unless they are there, check and split them; return the source and the split file."""
    from lesionlab.data.audit import audit
    from lesionlab.data.sources import load_source, synthetic
    from lesionlab.data.splits import grouped, write_split

    source, split = out / "images", out / "split.csv"
    if not (source / synthetic.MARKER).is_file():
        synthetic.generate(source, LESIONS, seed, progress=screen.counter("drawing lesions"))
    listing = load_source(source)
    checked = audit(listing, progress=screen.counted)
    write_json(out / "check.json", checked.to_json())
    write_split(split, grouped(listing.cases, seed, checked.clusters))
    return source, split


def _explain(run: Path, maps: Path) -> Path:
    """Write a panel of heat maps for one test image of each diagnosis, and return the melanoma's picture."""
    from lesionlab.data.cases import read_cases
    from lesionlab.data.splits import read_split
    from lesionlab.models.composite import read_model
    from lesionlab.report.heatmaps import Explanation, explain_images

    tested = read_split(run / "split.csv").select(read_cases(run / "cases.csv"), "test")
    first = {case.dx: Path(case.path) for case in reversed(tested)}
    results = explain_images(read_model(run), [first[dx] for dx in sorted(first)], maps, panel=True)
    pictures = {one.path: one.picture for one in results if isinstance(one, Explanation)}
    return pictures[first.get("mel", next(iter(first.values())))]
