"""`lesionlab predict`: a diagnosis and seven probabilities for each image."""

from __future__ import annotations

import json as formats
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from lesionlab.cli import options
from lesionlab.cli.screen import Screen, print_json, print_table, say
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError, UsageError

if TYPE_CHECKING:
    from lesionlab.prediction.predictor import Answer, Refusal

SUFFIXES = (".csv", ".jsonl")

Result = TypeVar("Result")


def predict(
    paths: options.Images,
    model: options.Model,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.csv|.jsonl", help="Write the answers to a file.")
    ] = None,
    views: options.Views = None,
    json: options.Json = False,
) -> None:
    """Predict images. One that cannot be read is named on stderr and never stops the rest.

    Example: lesionlab predict photos --model runs/first --out answers.csv
    """
    from lesionlab.models.composite import read_model
    from lesionlab.prediction.answers import csv_lines, jsonl_lines, write_lines
    from lesionlab.prediction.paths import find_images
    from lesionlab.prediction.predictor import Answer, Predictor

    if out and out.suffix not in SUFFIXES:
        raise UsageError(f"--out {out}: answers are written as {' or '.join(SUFFIXES)}", "choose one of these endings")
    predictor = Predictor(read_model(model), views)
    images = find_images(paths)
    with Screen() as screen:
        results = watched(predictor.predict(images), len(images), screen)
        if out:
            write_lines(out, (csv_lines if out.suffix == ".csv" else jsonl_lines)(results))
            found = []
        else:
            found = list(results)
    if json:
        print_json({"written": str(out)} if out else {"answers": [formats.loads(line) for line in jsonl_lines(found)]})
    elif out:
        say(f"written to {out}")
    else:
        print_table(
            ("image", "diagnosis", *CODES), [row(found_one) for found_one in found if isinstance(found_one, Answer)]
        )


def watched(results: Iterable[Result | Refusal], total: int, screen: Screen) -> Iterator[Result | Refusal]:
    """Pass results on, telling refusals on stderr; `DataError` at the end when all were refused."""
    from lesionlab.prediction.predictor import Refusal

    refused = 0
    for done, result in enumerate(results, start=1):
        if isinstance(result, Refusal):
            refused += 1
            screen.display.line(f"refused: {result.reason}")
        screen.counted("images", done, total)
        yield result
    if refused == total:
        raise DataError(f"none of {total} images could be read", "the lines above say why")


def row(answer: Answer) -> tuple[str, ...]:
    """Return an answer as cells of the table."""
    return (answer.image_id, answer.diagnosis, *(f"{p:.3f}" for p in answer.probabilities))
