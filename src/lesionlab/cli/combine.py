"""`lesionlab ensemble` and `lesionlab mix`: several trained runs made into one model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lesionlab.cli import options
from lesionlab.cli.screen import Screen, note, print_json, print_table, say

if TYPE_CHECKING:
    from lesionlab.models.composite import Composite

Out = Annotated[Path, typer.Option("--out", metavar="MODEL", help="Folder to write.")]


def ensemble(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders trained with one split.")],
    data: options.Data,
    out: Out,
    rule: Annotated[
        str, typer.Option("--rule", metavar="average|vote|max|weighted|stacked", help="How answers are combined.")
    ] = "average",
    source: options.Kind = None,
    cache: options.Cache = None,
    skip_bad: options.SkipBad = False,
    json: options.Json = False,
) -> None:
    """Combine runs into an ensemble; what a rule needs is fitted on the validation images.

    Example: lesionlab ensemble runs/a runs/b runs/c --rule average --data ham10000 --out runs/together
    """
    from lesionlab.report.parts import Images
    from lesionlab.training.combining import build_ensemble

    with Screen() as screen:
        found = build_ensemble(runs, rule, out, Images(data, source, cache, skip_bad, screen.counted))
    show(found, out, json)


def mix(
    base: Annotated[Path, typer.Option("--base", metavar="RUN", help="Run folder of the general model.")],
    specialists: Annotated[
        list[Path], typer.Option("--specialist", metavar="RUN", help="Run trained on two diagnoses; may be repeated.")
    ],
    data: options.Data,
    out: Out,
    routing: Annotated[
        str, typer.Option("--routing", metavar="paper|margin", help="When a specialist is asked.")
    ] = "paper",
    source: options.Kind = None,
    cache: options.Cache = None,
    skip_bad: options.SkipBad = False,
    json: options.Json = False,
) -> None:
    """Combine a general run and specialists of two diagnoses into a Mix-Model.

    Example: lesionlab mix --base runs/all --specialist runs/mel-nv --data ham10000 --out runs/mix
    """
    from lesionlab.report.parts import Images
    from lesionlab.training.combining import build_mix

    with Screen() as screen:
        found = build_mix(base, specialists, routing, out, Images(data, source, cache, skip_bad, screen.counted))
    show(found, out, json)


def show(model: Composite, out: Path, as_json: bool) -> None:
    """Print what a combined model is and does on the validation images, beside its members."""
    if as_json:
        print_json(summary(model, out))
        return
    from lesionlab.evaluation.evaluate import LABELS

    columns = [("combined", model.metrics["validation"]), *model.metrics["members"].items()]
    rows = [
        (LABELS[name], *(f"{one[name]:.3f}" if name in one else "-" for _, one in columns)) for name in columns[0][1]
    ]
    print_table(("validation", *(name for name, _ in columns)), rows)
    if "fitted_on" in model.training:
        note("the figures are by cross-fitting: each lesion is answered by what was fitted on others")
    say(f"model: {out}")


def summary(model: Composite, out: Path) -> dict[str, Any]:
    """Return what `--json` prints: the card without its hashes, and where the model lies."""
    card = model.model_dump(mode="json", exclude={"format_version", "lesionlab", "classes", "members", "licence"})
    return {"model": str(out), "title": model.title, "members": list(model.members), **card}
