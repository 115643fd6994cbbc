"""What members say of the validation images: read where it lies, found out once and kept otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lesionlab.data.cases import Case
from lesionlab.data.packs import Pack
from lesionlab.data.splits import Split
from lesionlab.diagnoses import CODES
from lesionlab.evaluation.predictions import Floats, read_predictions, write_predictions
from lesionlab.models.bundle import read_bundle
from lesionlab.prediction.predictor import Predictor
from lesionlab.report import asking
from lesionlab.report.evaluate_model import evaluate_model
from lesionlab.report.parts import Images
from lesionlab.training.choosing import NEVER
from lesionlab.training.combining import build_ensemble
from lesionlab.training.validation import KEPT, Seen, validation_answers

MakeRun = Callable[..., Path]
CHECK = 2
"""How many images are looked at before predictions are taken over."""


@pytest.fixture
def images(synthetic: Path, cache: Path) -> Images:
    return Images(synthetic, cache=cache)


@pytest.fixture
def predicted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images are predicted, call by call."""
    seen: list[int] = []
    ask_all = asking.probabilities_of

    def counted(predictor: Predictor, packed: Pack, chosen: Sequence[Case], *more: Any) -> tuple[list[Case], Floats]:
        seen.append(len(chosen))
        return ask_all(predictor, packed, chosen, *more)

    monkeypatch.setattr(asking, "probabilities_of", counted)
    monkeypatch.setattr(asking, "CHECKED", CHECK)
    return seen


def ask(runs: Sequence[Path], split: Split, images: Images) -> Seen:
    return validation_answers(runs, {run.name: read_bundle(run) for run in runs}, split, images)


def test_what_was_found_out_is_kept(make_run: MakeRun, split: Split, images: Images, predicted: list[int]) -> None:
    """A specialist too is asked about all images, not only those of its pair, and once."""
    offset = [0.0 if code in ("mel", "nv") else NEVER for code in CODES]
    runs = [make_run("base"), make_run("pair", ("mel", "nv"), prior_offset=offset)]
    first = ask(runs, split, images)
    everything = sum(part == "val" for part in split.parts.values())
    assert predicted == [everything, everything] and first.tables.shape == (2, everything, 7)
    predicted.clear()
    again = ask(runs, split, images)
    assert predicted == [CHECK, CHECK]
    np.testing.assert_array_equal(again.tables, first.tables)
    np.testing.assert_array_equal(again.truth, first.truth)


def test_what_an_evaluation_left_is_taken(
    make_run: MakeRun, split: Split, images: Images, predicted: list[int]
) -> None:
    """Unless it is of other images, or made in another way."""
    run = make_run("known")
    found = evaluate_model(run, images, "val", resamples=0)
    everything = found.result["images"]
    ask([run], split, images)
    assert predicted == [CHECK] and not (run / KEPT).exists()
    file = found.folder / "predictions.csv"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:-1]))
    predicted.clear()
    ask([run], split, images)
    assert predicted == [everything]
    mine = read_predictions(run / KEPT)
    write_predictions(file, replace(mine, probabilities=np.roll(mine.probabilities, 1, axis=1)))
    (run / KEPT).unlink()
    predicted.clear()
    ask([run], split, images)
    assert predicted == [CHECK, everything]


def test_what_another_model_said_is_replaced(
    make_run: MakeRun, split: Split, images: Images, predicted: list[int]
) -> None:
    run = make_run("anew")
    mine = ask([run], split, images)
    kept = read_predictions(run / KEPT)
    write_predictions(run / KEPT, replace(kept, probabilities=np.roll(kept.probabilities, 1, axis=1)))
    predicted.clear()
    for _ in range(2):
        np.testing.assert_array_equal(ask([run], split, images).tables, mine.tables)
    assert predicted == [CHECK, len(mine.truth), CHECK]


def test_a_run_folder_that_cannot_be_written_is_no_hindrance(make_run: MakeRun, split: Split, images: Images) -> None:
    run = make_run("theirs")
    (run / KEPT).mkdir()
    assert len(ask([run], split, images).truth)


def test_a_combined_model_is_evaluated_on_what_its_members_said(
    make_run: MakeRun, images: Images, predicted: list[int], tmp_path: Path
) -> None:
    """The figures are the same; a member that was not evaluated, or says otherwise now, is asked."""
    runs = [make_run("one"), make_run("two", colour="gray")]
    build_ensemble(runs, "average", tmp_path / "both", images)
    asked = evaluate_model(tmp_path / "both", images, "test", resamples=0)
    evaluate_model(runs[0], images, "test", resamples=0)
    predicted.clear()
    taken = evaluate_model(tmp_path / "both", images, "test", resamples=0, members=runs)
    assert predicted == [CHECK, asked.result["images"]]
    for name, figure in asked.result["metrics"].items():
        assert taken.result["metrics"][name]["value"] == pytest.approx(figure["value"], abs=1e-6)
