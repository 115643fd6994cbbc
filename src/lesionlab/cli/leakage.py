"""`lesionlab leakage`: what of a test set is in the training set as well."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lesionlab.cli import options
from lesionlab.cli.screen import Screen, note, print_json, print_table, say
from lesionlab.errors import EXIT_DATA, UsageError

if TYPE_CHECKING:
    from lesionlab.report.leakage import Side

WHAT = "Folder of images, source, or CSV table with image_id."


def leakage(
    train: Annotated[Path | None, typer.Argument(metavar="TRAIN", help=WHAT)] = None,
    test: Annotated[Path | None, typer.Argument(metavar="TEST", help=WHAT)] = None,
    split: Annotated[
        Path | None, typer.Option("--split", metavar="FILE", help="Instead of TRAIN and TEST: the parts of a split.")
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", metavar="SOURCE", help="The source that the split was made of; may be repeated."),
    ] = None,
    part: Annotated[
        str | None, typer.Option("--part", metavar="NAME", help="Part of the split that tests [default: test, or val].")
    ] = None,
    source: options.Kind = None,
    model: Annotated[
        Path | None,
        typer.Option("--model", metavar="MODEL", help="Also list the images that this model finds most alike."),
    ] = None,
    near: Annotated[bool, typer.Option(help="Also look for turned, flipped, re-encoded and cropped copies.")] = True,
    candidates: Annotated[
        int, typer.Option("--candidates", min=1, help="Most alike pairs to list, with --model.")
    ] = 24,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write the pairs (JSON, CSV) and their pictures there.")
    ] = None,
    pictures: Annotated[int, typer.Option("--pictures", min=0, help="Most pairs of each kind to draw.")] = 24,
    fail_on_leak: Annotated[bool, typer.Option("--fail-on-leak", help="Exit with 3 where anything leaks.")] = False,
    json: options.Json = False,
) -> None:
    """Find what of TEST is also in TRAIN: photographs of the same lesion, copies, and, with a model, look-alikes.

    Example: lesionlab leakage --split runs/first/split.csv --data ham10000 --out leakage
    """
    from lesionlab.report.leakage import audit_leakage, write_leakage

    sides = _sides(train, test, split, data, part, source)
    with Screen() as screen:
        found = audit_leakage(*sides, model, near, candidates, screen.counted)
    result = write_leakage(out, found, " ".join(sys.argv), pictures) if out else found.to_json()
    if json:
        print_json(result)
    else:
        show(result)
        if out:
            say(f"written to {out}")
    if fail_on_leak and found.leaks:
        raise typer.Exit(EXIT_DATA)


def _sides(
    train: Path | None,
    test: Path | None,
    split: Path | None,
    data: list[Path] | None,
    part: str | None,
    source: str | None,
) -> tuple[Side, Side]:
    """Return the two sets of images that the options name."""
    from lesionlab.report.leakage import sides_of_split, two_sides

    if train and test and not (split or data or part):
        return two_sides(train, test, source)
    if split and data and not train:
        return sides_of_split(split, data, part, source)
    raise UsageError(
        "two sets of images are needed", "name TRAIN and TEST, or give --split FILE and --data SOURCE instead"
    )


def show(result: dict[str, Any]) -> None:
    """Print what leaks by diagnosis, and what a reader must know."""
    from lesionlab.evaluation.leakage import ALL, KINDS

    for side in ("train", "test"):
        told = result[side]
        say(f"{side}: {told['name']}: {told['images']:,} images of {told['lesions']:,} lesions")
        for kind, count in told["problems"].items():
            note(f"{side}: {count:,} times: {kind}")
    kinds = {kind: KINDS[kind] for kind in result["searched"]}
    rows = [
        (dx, *(row[key] for key in ("images", *kinds, "any")), "-" if row["share"] is None else f"{row['share']:.1%}")
        for dx, row in result["counts"].items()
    ]
    print_table(("diagnosis", "test images", *kinds.values(), "any of these", "share"), rows)
    leaking = result["counts"][ALL]["any"]
    if not leaking:
        compared = " and ".join(f"{result[side]['readable']:,} {side}" for side in ("test", "train"))
        say(f"no test image is of a lesion in the training set; no copy among the {compared} images that could be read")
    if result["hidden"]:
        say(f"{result['hidden']:,} test images have a copy under another lesion_id: no split by lesion_id parts them")
    if result["contradicting"]:
        say(f"{result['contradicting']:,} pairs have two diagnoses")
    if near := result["neighbours"]:
        say(f"{len(near['candidates'])} most alike pairs are candidates to look at; they are not counted above")
        if near["known"]:
            share = f"{near['recognised']:,} of {near['known']:,}"
            say(f"how far to trust them: the most alike image is of the same lesion for {share} that have one")
    if leaking:
        note("what such a leak is worth: lesionlab study siblings")
