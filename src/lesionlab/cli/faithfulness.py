"""`lesionlab faithfulness`: whether a model's maps show what its answers rest on."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from lesionlab.cli import options
from lesionlab.cli.remarks import note_images, say_looks
from lesionlab.cli.screen import Screen, note, print_json, print_table, say


def faithfulness(
    model: options.Model,
    data: options.Data,
    split: options.Part = "test",
    masks: options.Masks = None,
    count: Annotated[
        int, typer.Option("--count", min=1, help="About so many images, the same share of each diagnosis.")
    ] = 200,
    views: Annotated[
        int | None,
        typer.Option("--views", metavar="1|2|4|8", help="Views that Grad-CAM averages [default: the model's own]."),
    ] = None,
    split_file: options.SplitFile = None,
    source: options.Kind = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where to write [default: RUN/faithfulness/PART].")
    ] = None,
    seed: options.Seed = 0,
    resamples: options.Resamples = 2000,
    cache: options.Cache = None,
    skip_bad: options.SkipBad = False,
    json: options.Json = False,
) -> None:
    """Measure Grad-CAM beside three other methods and two maps that know nothing of the model.

    Takes a single network, which is asked about each image some 200 times. A model without weights for torch, as the
    one that comes with lesionlab, has no other method than Grad-CAM.

    Example: lesionlab faithfulness --model runs/first --data ham10000
    """
    from lesionlab.report.faithfulness import measure_faithfulness
    from lesionlab.report.parts import Images

    with Screen() as screen:
        images = Images(data, source, cache, skip_bad, screen.counted)
        command = " ".join(sys.argv)
        found = measure_faithfulness(
            model, images, split, masks, count, split_file, out, resamples, seed, command, views
        )
    if json:
        print_json(found)
    else:
        show(found)


def show(found: Mapping[str, Any]) -> None:
    """Print the table, the verdict, and what a reader must know."""
    from lesionlab.evaluation.evaluate import with_interval
    from lesionlab.evaluation.faithfulness import MEASURES, faithfulness_rows

    header = (f"{found['images']:,} {found['part']} images of {found['lesions']:,} lesions", *MEASURES.values())
    print_table(header, faithfulness_rows(found))
    say("* the difference to the centre Gaussian has a 95 % interval that leaves out 0")
    if found["masks"] is None:
        note("no masks: only insertion and deletion are told")
    else:
        say(f"the lesion's share of the frame, in {found['masks']['images']:,} masks: {with_interval(found['chance'])}")
    answers = found["answers"]
    if answers["same_when_erased"]:
        note(f"without curves: {answers['same_when_erased']:,} images whose erased version gets the same answer")
    for sentence in found["verdict"]:
        say(sentence)
    note(found["caution"])
    note_images(found["left_out"], found["trained_on"])
    say_looks(found["part"], found["looks"])
    say(f"written to {found['folder']}")
