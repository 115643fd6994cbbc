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
from lesionlab.cli.stress import show as show_stress
from lesionlab.errors import UsageError

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
    report: Annotated[
        Path | None, typer.Option("--report", metavar="DIR", help="Write the report there too; see `lesionlab report`.")
    ] = None,
    stress: Annotated[
        bool, typer.Option("--stress", help="Also ask about the images corrupted; see `lesionlab stress`.")
    ] = False,
    resamples: options.Resamples = 2000,
    prevalence: Annotated[
        list[str] | None,
        typer.Option(
            "--prevalence",
            metavar="TARGET=SHARE",
            help="Share of lesions for PPV and NPV, as in melanoma=0.02; repeatable [default: of the judged lesions].",
        ),
    ] = None,
    min_tpr: Annotated[
        float, typer.Option("--min-tpr", help="Sensitivity above which the partial area under the ROC curve is taken.")
    ] = 0.80,
    cache: options.Cache = None,
    skip_bad: options.SkipBad = False,
    json: options.Json = False,
) -> None:
    """Evaluate a model on its test images: metrics with 95 % intervals, tables and pictures.

    Example: lesionlab evaluate --model runs/first --data ham10000
    """
    from lesionlab.evaluation.stated import Stated, read_prevalence
    from lesionlab.report.evaluate_model import evaluate_model
    from lesionlab.report.evidence.page import report_model
    from lesionlab.report.parts import Images
    from lesionlab.report.stress import stress_model

    stated = Stated(min_tpr, read_prevalence(prevalence or []))
    if report:
        _check_report(model, out)
    with Screen() as screen:
        images = Images(data, source, cache, skip_bad, screen.counted)
        command = " ".join(sys.argv)
        found = evaluate_model(model, images, split, split_file, views, out, resamples, command, stated=stated)
        worse = None
        if stress:
            place = out / "stress" if out else None
            worse = stress_model(model, images, split, None, split_file, views, place, resamples, command=command)
        page = report_model(model, split, images, report)[0] if report else None
    if json:
        print_json(asdict(found) | {"stress": worse, "report": page})
        return
    show(found)
    if worse:
        show_stress(worse)
    if page:
        say(f"report written to {page}")


def _check_report(model: Path, out: Path | None) -> None:
    """Raise `UsageError` where no report could be made afterwards, before the model is asked."""
    from lesionlab.report.parts import run_folder

    if out or run_folder(model) is None:
        raise UsageError(
            "--report is made of what lies in a run folder",
            "name a run folder as --model, and leave --out away",
        )


def show(found: Evaluation) -> None:
    """Print the table of an evaluation, and what a reader of it must know."""
    from lesionlab.evaluation.evaluate import summary_rows, target_rows
    from lesionlab.evaluation.questions import question_rows

    partly = "questions" in found.result
    rows = question_rows(found.result) if partly else summary_rows(found.result)
    print_table((f"{found.part} images", "value [95 % interval]"), rows)
    if not partly:
        print_table(("against the rest", *found.result["targets"]), target_rows(found.result))
    note_images(found.left_out, found.trained_on if found.part == "all" else None)
    if found.cross_fitted:
        note("the answers are by cross-fitting: each lesion is answered by what was fitted on others")
    if found.fitted:
        note("warning: the model's weights or margin were fitted on these images; the figures are too good")
    say_looks(found.part, found.looks)
    say(f"written to {found.folder}")
