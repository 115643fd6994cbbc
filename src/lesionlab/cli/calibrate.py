"""`lesionlab calibrate`: how a trained model's probabilities become answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lesionlab.cli import options
from lesionlab.cli.screen import Screen, print_json, print_table, say
from lesionlab.diagnoses import CODES

if TYPE_CHECKING:
    from lesionlab.training.deciding import Decided


def calibrate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, or folder of a combined model.")],
    data: options.Data,
    source: options.Kind = None,
    split_file: options.SplitFile = None,
    resamples: options.Resamples = 1000,
    cache: options.Cache = None,
    skip_bad: options.SkipBad = False,
    json: options.Json = False,
) -> None:
    """Fit temperature, operating points, prediction sets and outliers on the validation images, into the model.

    `lesionlab train` ends with the same. Example: lesionlab calibrate runs/first --data ham10000
    """
    from lesionlab.report.parts import Images
    from lesionlab.training.deciding import calibrate_model

    with Screen() as screen:
        images = Images(data, source, cache, skip_bad, screen.counted)
        found = calibrate_model(run, images, split_file, resamples)
    if json:
        picture = str(found.picture) if found.picture else None
        print_json({"model": str(found.model.folder), "picture": picture, **found.decisions.model_dump(mode="json")})
    else:
        show(found)


def show(found: Decided) -> None:
    """Print what was fitted."""
    from lesionlab.evaluation.evaluate import with_interval

    decisions, fit = found.decisions, found.decisions.fitted_on
    before, after = (with_interval(figure.model_dump()) for figure in (fit.ece_before, fit.ece_after))
    rows: list[tuple[str, Any]] = [
        ("images", f"{fit.images:,} of {fit.lesions:,} lesions, part {fit.part}"),
        ("temperature", f"{decisions.temperature:.3f}"),
        ("biases", ", ".join(f"{code} {bias:+.2f}" for code, bias in zip(CODES, decisions.bias, strict=True))),
        ("log loss", f"{fit.nll_before:.3f} -> {fit.nll_after:.3f}"),
        ("calibration error (ECE)", f"{before} -> {after}"),
        ("abstains below", f"{decisions.abstain_below:.1%} for the likeliest"),
        ("turns away", f"{1 - decisions.outlier.quantile:.0%} of these images" if decisions.outlier else "nothing"),
    ]
    print_table(("decisions", "value"), rows)
    points = [
        (point.target, point.aim, f"{point.threshold:.3f}", f"{point.sensitivity:.3f}", f"{point.specificity:.3f}")
        for point in decisions.operating
    ]
    print_table(("operating point", "aim", "threshold", "sensitivity", "specificity"), points)
    say(f"written to {found.model.folder}")
    if found.picture:
        say(f"reliability: {found.picture}")
