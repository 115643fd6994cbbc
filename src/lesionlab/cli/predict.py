"""`lesionlab predict`: a verdict for each image, or for each lesion."""

from __future__ import annotations

import json as formats
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from lesionlab.cli import options
from lesionlab.cli.screen import Screen, print_json, print_table, say
from lesionlab.errors import DataError, UsageError

if TYPE_CHECKING:
    from lesionlab.prediction.answers import Result
    from lesionlab.prediction.lesions import LesionAnswer
    from lesionlab.prediction.predictor import Answer, Predictor, Refusal

SUFFIXES = (".csv", ".jsonl")
BY = ("image", "lesion")
NOT_A_DEVICE = "This is research, not a medical device: it does not replace a physician."

Watched = TypeVar("Watched")


def predict(
    paths: options.Images,
    model: options.Model,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.csv|.jsonl", help="Write the answers to a file.")
    ] = None,
    by: Annotated[
        str, typer.Option("--by", metavar="image|lesion", help="One answer for each image, or for each lesion.")
    ] = "image",
    cases: Annotated[
        Path | None,
        typer.Option(
            "--cases",
            metavar="FILE.csv",
            help="image_id and lesion_id, for --by lesion [default: one lesion a folder].",
        ),
    ] = None,
    point: Annotated[
        str | None,
        typer.Option("--point", metavar="AIM", help='Operating point for malignant, as in "sensitivity 0.95".'),
    ] = None,
    views: options.Views = None,
    json: options.Json = False,
) -> None:
    """Predict images. One that cannot be read is named on stderr and never stops the rest.

    Example: lesionlab predict photos --out answers.csv
    """
    from lesionlab.models.composite import read_model
    from lesionlab.prediction.answers import COLUMNS, LESION_COLUMNS, csv_lines, jsonl_lines, write_lines
    from lesionlab.prediction.paths import find_images
    from lesionlab.prediction.predictor import Predictor

    _check_options(out, by, cases)
    predictor = Predictor(read_model(model), views, point=point)
    images = find_images(paths)
    with Screen() as screen:
        answers = _answers(predictor, images, by, cases, screen)
        if out:
            columns = COLUMNS if by == "image" else LESION_COLUMNS
            write_lines(out, csv_lines(answers, columns) if out.suffix == ".csv" else jsonl_lines(answers))
        found = [] if out else list(answers)
    if json:
        print_json({"written": str(out)} if out else {"answers": [formats.loads(line) for line in jsonl_lines(found)]})
    elif out:
        say(f"written to {out}")
        say(NOT_A_DEVICE)
    else:
        show(found)


def _check_options(out: Path | None, by: str, cases: Path | None) -> None:
    if out and out.suffix not in SUFFIXES:
        raise UsageError(f"--out {out}: answers are written as {' or '.join(SUFFIXES)}", "choose one of these endings")
    if by not in BY:
        raise UsageError(f"--by {by}: no such way", f"choose {' or '.join(BY)}")
    if cases and by != "lesion":
        raise UsageError("--cases tells which photographs show one lesion", "give --by lesion too")


def _answers(
    predictor: Predictor, images: list[Path], by: str, cases: Path | None, screen: Screen
) -> Iterator[Answer | LesionAnswer | Refusal]:
    """Return the answers as they come, by image or by lesion."""
    from lesionlab.prediction.lesions import by_folder, by_lesion, by_table

    lesions = {} if by == "image" else by_table(images, cases) if cases else by_folder(images)
    results = watched(predictor.predict(images), len(images), screen)
    return by_lesion(results, lesions, predictor.model.decisions, predictor.point) if lesions else results


def watched(results: Iterable[Watched | Refusal], total: int, screen: Screen) -> Iterator[Watched | Refusal]:
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


def show(results: Iterable[Result]) -> None:
    """Print the answers as a table, why the model abstained, and what all this is not."""
    from lesionlab.prediction.predictor import Refusal

    found = [result for result in results if not isinstance(result, Refusal)]
    print_table(("image", "diagnosis", "probability", "malignant", "may be", "abstained"), map(cells, found))
    for one in found:
        if one.verdict.abstained:
            say(f"{name_of(one)}: abstained: {one.verdict.reason}")
    say(NOT_A_DEVICE)


def name_of(answer: Answer | LesionAnswer) -> str:
    """Return what a table calls an answer: its image, or its lesion and the number of photographs."""
    from lesionlab.prediction.lesions import LesionAnswer

    if isinstance(answer, LesionAnswer):
        return f"{answer.lesion_id} ({len(answer.photographs)} photographs)"
    return answer.image_id


def cells(answer: Answer | LesionAnswer) -> tuple[str, ...]:
    """Return an answer as cells of the table: diagnosis in words, the chance of it and of malignancy, codes."""
    verdict = answer.verdict
    malignant = {None: "", True: "yes", False: "no"}[verdict.malignant]
    return (
        name_of(answer),
        verdict.name,
        f"{verdict.probability:.1%}",
        f"{malignant} ({verdict.malignant_probability:.1%})".strip(),
        ", ".join(verdict.prediction_set or ()),
        {None: "", True: "yes", False: "no"}[verdict.abstained],
    )
