"""`lesionlab predict`: a verdict for each image, or for each lesion."""

from __future__ import annotations

import json as formats
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from lesionlab.cli import bulk, options
from lesionlab.cli.screen import Screen, print_json, print_table, say
from lesionlab.errors import DataError, UsageError

if TYPE_CHECKING:
    from lesionlab.prediction.answers import Result
    from lesionlab.prediction.lesions import LesionAnswer
    from lesionlab.prediction.paths import Entry
    from lesionlab.prediction.predictor import Answer, Predictor, Refusal
    from lesionlab.prediction.tables import Tally

BY = ("image", "lesion")
NOT_A_DEVICE = "This is research, not a medical device: it does not replace a physician."

Watched = TypeVar("Watched")


def predict(
    paths: options.Images,
    model: options.Model,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE.csv|.jsonl|.parquet",
            help="Write the answers to a file; stopped or killed, the same command goes on.",
        ),
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
    shard: Annotated[
        str, typer.Option("--shard", metavar="I/N", help="Answer one of N shares of the images, told by their paths.")
    ] = "1/1",
    engine: Annotated[
        str, typer.Option("--engine", metavar="local|ray", help="Answer in this process, or on a Ray cluster.")
    ] = "local",
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="For --engine ray [default: one for each processor].")
    ] = None,
    as_listed: Annotated[
        bool, typer.Option("--as-listed", help="Go on with the images that were listed when the run was begun.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Predict images. One that cannot be read is named on stderr and never stops the rest.

    A .csv among PATH names images in its column path, and what to call them in its column image_id.

    Example: lesionlab predict photos --out answers.csv
    """
    from lesionlab.models.composite import read_model
    from lesionlab.prediction.paths import list_images
    from lesionlab.prediction.predictor import Predictor

    _check_options(out, by, cases, (shard, engine, workers, as_listed) != ("1/1", "local", None, False))
    if out:
        bulk.check_engine(out, engine, workers)
    in_bulk = out is not None and by == "image"
    predictor = Predictor(read_model(model), views, threads=1 if in_bulk else None, point=point)
    if out and in_bulk:
        _written(out, bulk.write(paths, predictor, out, views, shard, engine, workers, as_listed), json)
        return
    images = list(list_images(paths))
    with Screen() as screen:
        found = list(_answers(predictor, images, by, cases, screen))
    if out:
        _written(out, _write_lesions(out, found), json)
    elif json:
        from lesionlab.prediction.answers import jsonl_lines

        print_json({"answers": [formats.loads(line) for line in jsonl_lines(found)]})
    else:
        show(found)


def _check_options(out: Path | None, by: str, cases: Path | None, in_bulk: bool) -> None:
    from lesionlab.prediction.tables import SUFFIXES

    if by not in BY:
        raise UsageError(f"--by {by}: no such way", f"choose {' or '.join(BY)}")
    endings = SUFFIXES if by == "image" else SUFFIXES[:2]
    if out and out.suffix not in endings:
        raise UsageError(f"--out {out}: answers are written as {' or '.join(endings)}", "choose one of these endings")
    if out and out.is_dir():
        raise UsageError(f"--out {out}: a folder", "name a file")
    if cases and by != "lesion":
        raise UsageError("--cases tells which photographs show one lesion", "give --by lesion too")
    if in_bulk and (out is None or by == "lesion"):
        raise UsageError("--shard, --engine, --workers and --as-listed are for tables of images", "give --out FILE")


def _write_lesions(out: Path, found: list[Result]) -> Tally:
    from lesionlab.prediction.answers import LESION_COLUMNS, csv_lines, jsonl_lines, write_lines
    from lesionlab.prediction.predictor import Refusal
    from lesionlab.prediction.tables import Tally

    write_lines(out, csv_lines(found, LESION_COLUMNS) if out.suffix == ".csv" else jsonl_lines(found))
    refused = sum(isinstance(result, Refusal) for result in found)
    return Tally(len(found) - refused, refused)


def _written(out: Path, tally: Tally, json: bool) -> None:
    """Tell what was written."""
    if json:
        print_json({"written": str(out), "answered": tally.answered, "refused": tally.refused})
        return
    say(f"written to {out}: {tally.answered:,} answered, {tally.refused:,} refused")
    if tally.refusals:
        say(f"refusals in {tally.refusals}")
    say(NOT_A_DEVICE)


def _answers(
    predictor: Predictor, images: list[Entry], by: str, cases: Path | None, screen: Screen
) -> Iterator[Answer | LesionAnswer | Refusal]:
    """Return the answers as they come, by image or by lesion."""
    from lesionlab.prediction.bulk import answers
    from lesionlab.prediction.lesions import by_folder, by_lesion, by_table

    files = [image.path for image in images]
    lesions = {} if by == "image" else by_table(files, cases) if cases else by_folder(files)
    results = watched(answers(predictor, images), len(images), screen)
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
