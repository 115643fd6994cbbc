"""What has been found out about a model, read from its run folder: the evaluation, and whatever was done beside it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesionlab.data.splits import KEPT_OUT
from lesionlab.errors import DataError, UsageError
from lesionlab.evaluation.predictions import Predictions, read_predictions
from lesionlab.files import read_json, read_text
from lesionlab.models.bundle import Bundle
from lesionlab.models.composite import Composite, read_model
from lesionlab.report.evidence.people import people
from lesionlab.report.opened import LOOKS
from lesionlab.report.parts import PARTS, run_folder


@dataclass(frozen=True)
class Study:
    """One kind of evidence beside the evaluation: its file in a run folder, and the command that makes it.

    lists : what of it stays in its own file: single images.
    """

    file: str
    command: str
    lists: tuple[str, ...] = ()


STUDIES: dict[str, Study] = {
    "leakage": Study(
        "leakage/{part}/leakage.json",
        "lesionlab leakage --split RUN/split.csv --data SOURCE --part {part} --out RUN/leakage/{part}",
        ("pairs", "neighbours"),
    ),
    "subgroups": Study("evaluation/{part}/subgroups.json", "lesionlab subgroups --model RUN --data SOURCE"),
    "stress": Study("stress/{part}/stress.json", "lesionlab stress --model RUN --data SOURCE"),
    "shortcuts": Study("shortcuts/{part}/shortcuts.json", "lesionlab shortcuts --model RUN --data SOURCE"),
    "faithfulness": Study("faithfulness/{part}/faithfulness.json", "lesionlab faithfulness --model RUN --data SOURCE"),
    "comparison": Study(
        "comparison/{part}/comparison.json", "lesionlab compare RUN OTHER --split {part} --out RUN/comparison/{part}"
    ),
    "doubts": Study("doubts/doubts.json", "lesionlab doubts RUN --data SOURCE --out RUN/doubts", ("doubts",)),
}
"""Name -> what it is; `{part}` stands for the part that was judged."""

ELSEWHERE = "evaluation/kept_out/metrics.json"
"""The evaluation on images of another source that `train --also` kept out."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of one model on one part.

    run : its run folder. metrics : of `evaluation.evaluate`, with decisions. studies : name (`STUDIES`) -> what that
    study wrote; those that were not done are missing. elsewhere : the answers to two-class questions on the images kept
    out of another source, None without. looks : each time that test images were scored. made : run.json, {} of a
    combined model. people : who is in its data, {} where it has no case table.
    """

    part: str
    run: Path
    model: Bundle | Composite
    metrics: dict[str, Any]
    predictions: Predictions
    studies: Mapping[str, dict[str, Any]]
    elsewhere: dict[str, Any] | None
    looks: list[dict[str, Any]]
    made: dict[str, Any]
    people: dict[str, Any]

    @property
    def decided(self) -> dict[str, Any] | None:
        """What the model's thresholds, sets and abstaining came to; None for a model without."""
        found: dict[str, Any] | None = self.metrics.get("decisions")
        return found

    @property
    def seen(self) -> bool:
        """Whether the model, or a choice in its making, has seen the judged images."""
        return self.part not in ("test", KEPT_OUT)


def gather(model: Path, part: str = "test") -> Evidence:
    """Read what lies in a model's run folder about one part; nothing is asked anew.

    Raises `UsageError` for a model without a run folder and for a part that was not evaluated, `DataError` for files
    that are damaged or tell another kind of evaluation, `ModelError` for a model that cannot be used.
    """
    if part not in PARTS:
        raise UsageError(f"--split {part}: no such part", f"parts are {', '.join(PARTS)}")
    described, run = read_model(model), run_folder(model)
    if run is None:
        raise UsageError(f"{model}: has no run folder, where evidence lies", "name the folder that training wrote")
    folder = run / "evaluation" / part
    if not (folder / "metrics.json").is_file():
        raise UsageError(
            f"{folder}: the model was not evaluated on its {part} images",
            f"first: lesionlab evaluate --model {model} --data SOURCE --split {part}",
        )
    metrics = read_json(folder / "metrics.json")
    if "metrics" not in metrics:
        raise DataError(f"{folder}: diagnoses are known in part only", "a report is made of images with a diagnosis")
    paths = {name: run / study.file.format(part=part) for name, study in STUDIES.items()}
    elsewhere, made = run / ELSEWHERE, run / "run.json"
    return Evidence(
        part=part,
        run=run,
        model=described,
        metrics=metrics,
        predictions=read_predictions(folder / "predictions.csv"),
        studies={name: _counts(path, STUDIES[name].lists) for name, path in paths.items() if path.is_file()},
        elsewhere=read_json(elsewhere) if elsewhere.is_file() else None,
        looks=_looks(run / LOOKS),
        made=read_json(made) if made.is_file() else {},
        people=people(run),
    )


def _counts(path: Path, lists: Collection[str]) -> dict[str, Any]:
    return {key: value for key, value in read_json(path).items() if key not in lists}


def _looks(path: Path) -> list[dict[str, Any]]:
    lines = read_text(path).splitlines() if path.is_file() else []
    try:
        return [json.loads(line) for line in lines]
    except json.JSONDecodeError:
        raise DataError(
            f"{path}: a line is no JSON", "mend or delete the line; each is one look at test images"
        ) from None
