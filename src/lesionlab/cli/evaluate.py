"""`lesionlab evaluate`: the figures of a trained model, with intervals."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lesionlab.cli import options
from lesionlab.cli.remarks import note_images, say_looks
from lesionlab.cli.screen import Screen, note, print_json, print_table, say

if TYPE_CHECKING:
    from lesionlab.report.evaluate_model import Evaluation


def evaluate(
    model: options.Model,
    data: options.Data,
    split: options.Part = "test",
    split_file: options.SplitFile = None,
    source: options.Kind = None,
    views: options.Views = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where to write [default: RUN/evaluation/PART].")
    ] = None,
    resamples: options.Resamples = 2000,
    cache: options.Cache = None,
    skip_bad: options.SkipBad = False,
    json: options.Json = False,
) -> None:
    """Evaluate a model on its test images: metrics with 95 % intervals, tables and pictures.

    Example: lesionlab evaluate --model runs/first --data ham10000
    """
    from lesionlab.report.evaluate_model import evaluate_model
    from lesionlab.report.parts import Images

    with Screen() as screen:
        images = Images(data, source, cache, skip_bad, screen.counted)
        found = evaluate_model(model, images, split, split_file, views, out, resamples, " ".join(sys.argv))
    if json:
        print_json(asdict(found))
    else:
        show(found)


def show(found: Evaluation) -> None:
    """Print the table of an evaluation, and what a reader of it must know."""
    from lesionlab.evaluation.evaluate import summary_rows
    from lesionlab.evaluation.questions import question_rows

    rows = question_rows(found.result) if "questions" in found.result else summary_rows(found.result)
    print_table((f"{found.part} images", "value [95 % interval]"), rows)
    note_images(found.left_out, found.trained_on if found.part == "all" else None)
    if found.cross_fitted:
        note("the answers are by cross-fitting: each lesion is answered by what was fitted on others")
    if found.fitted:
        note("warning: the model's weights or margin were fitted on these images; the figures are too good")
    say_looks(found.part, found.looks)
    say(f"written to {found.folder}")
