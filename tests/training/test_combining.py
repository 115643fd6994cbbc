"""Ensembles and Mix-Models made of run folders: what is fitted, what is written, what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lesionlab.data.cases import Case
from lesionlab.data.packs import Pack
from lesionlab.data.sources import load_source
from lesionlab.data.splits import Split, grouped, read_split, write_split
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError, ModelError, UsageError, UserError
from lesionlab.evaluation.predictions import Predictions, read_predictions, write_predictions
from lesionlab.models.composite import Ensemble, Mix, read_model
from lesionlab.prediction.predictor import Predictor
from lesionlab.report.evaluate_model import evaluate_model
from lesionlab.training import combining
from lesionlab.training.choosing import NEVER
from lesionlab.training.combining import build_ensemble, build_mix

MakeRun = Callable[..., Path]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def split(synthetic: Path) -> Split:
    return grouped(load_source(synthetic).cases)


@pytest.fixture(scope="module")
def make_run(make_member: Callable[..., Path], split: Split, tmp_path_factory: pytest.TempPathFactory) -> MakeRun:
    """A function that makes what a run leaves behind, without training: (name, classes=(), split=..., **card)."""
    folder = tmp_path_factory.mktemp("runs")

    def make(name: str, classes: tuple[str, ...] = (), split: Split = split, **card: object) -> Path:
        training = {"split": {"fingerprint": split.fingerprint}, "recipe": {"site": "", "classes": list(classes)}}
        run = folder / f"{len(list(folder.iterdir()))}" / name
        make_member(run / "model", training=training, **card)
        write_split(run / "split.csv", split)
        (run / "run.json").write_text("{}")
        return run

    return make


@pytest.fixture(scope="module")
def runs(make_run: MakeRun) -> list[Path]:
    """Three general runs that disagree."""
    return [
        make_run("colour"),
        make_run("gray", colour="gray", prior_offset=[0, 0, 0, 0, 1.0, 0, 0]),
        make_run("nevus", prior_offset=[0, 0, 0, 0, 0, 2.0, 0]),
    ]


@pytest.fixture(scope="module")
def specialist(make_run: MakeRun) -> Path:
    offset = [0.0 if code in ("mel", "nv") else NEVER for code in CODES]
    return make_run("mel-against-nv", ("mel", "nv"), prior_offset=offset, colour="gray")


@pytest.mark.parametrize("rule", ["average", "vote", "max", "weighted", "stacked"])
def test_an_ensemble_of_every_rule(
    rule: str, runs: list[Path], synthetic: Path, cache: Path, split: Split, tmp_path: Path
) -> None:
    out = tmp_path / "together"
    found = build_ensemble(runs, rule, out, synthetic, cache=cache)
    assert isinstance(found, Ensemble)
    assert (found.rule, list(found.members), found.folder) == (rule, ["colour", "gray", "nevus"], out / "model")
    assert read_split(out / "split.csv") == split
    assert set(found.metrics["members"]) == set(found.members)
    images = sum(part == "val" for part in split.parts.values())
    fitted_on = {"part": "val", "images": images} if rule in ("weighted", "stacked") else None
    assert found.training.get("fitted_on") == fitted_on
    evaluated = evaluate_model(out, synthetic, "val", resamples=0, cache=cache)
    assert (evaluated.folder, evaluated.fitted) == (out / "evaluation" / "val", bool(fitted_on))
    figures = evaluated.result["metrics"]
    if not fitted_on:
        assert figures["macro_f1"]["value"] == pytest.approx(found.metrics["validation"]["macro_f1"], abs=1e-6)
    else:  # a vertex may be best in every fold, so weights can find the same; a regression cannot
        honest, flattered = found.metrics["validation"]["nll"], figures["nll"]["value"]
        assert flattered < honest or (rule, flattered) == ("weighted", pytest.approx(honest))


def test_test_images_are_evaluated_and_counted(
    runs: list[Path], synthetic: Path, cache: Path, split: Split, tmp_path: Path
) -> None:
    build_ensemble(runs[:2], "average", tmp_path / "two", synthetic, cache=cache)
    for look, model in enumerate((tmp_path / "two", tmp_path / "two" / "model"), start=1):
        found = evaluate_model(model, synthetic, resamples=0, cache=cache)
        assert (found.looks, found.folder) == (look, tmp_path / "two" / "evaluation" / "test")
    assert found.result["images"] == sum(part == "test" for part in split.parts.values())


def test_predictions_that_lie_there_are_read(
    make_run: MakeRun, runs: list[Path], synthetic: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `evaluate` wrote of the validation images is taken, unless it is of other images or made in another way."""
    run = make_run("known")
    seen: list[int] = []
    predict = combining.predict_cases

    def counted(predictor: Predictor, packed: Pack, chosen: Sequence[Case], *more: Any) -> Predictions:
        seen.append(len(chosen))
        return predict(predictor, packed, chosen, *more)

    monkeypatch.setattr(combining, "predict_cases", counted)
    monkeypatch.setattr(combining, "CHECKED", 2)

    def predicted(name: str) -> list[int]:
        seen.clear()
        build_ensemble([run, runs[1]], "vote", tmp_path / name, synthetic, cache=cache)
        return list(seen)

    everything = predicted("before")[0]
    assert everything > 2
    found = evaluate_model(run, synthetic, "val", resamples=0, cache=cache)
    assert predicted("known") == [2, everything]
    file = found.folder / "predictions.csv"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:-1]))
    assert predicted("fewer") == [everything, everything]
    evaluate_model(run, synthetic, "val", resamples=0, cache=cache)
    mine = read_predictions(file)
    write_predictions(file, replace(mine, probabilities=np.roll(mine.probabilities, 1, axis=1)))
    assert predicted("another") == [2, everything, everything]


def test_a_folder_of_something_else_is_left_alone(
    runs: list[Path], synthetic: Path, cache: Path, tmp_path: Path
) -> None:
    """Above all an unfinished run's, whose split must stay."""
    out = tmp_path / "run"
    out.mkdir()
    (out / "split.csv").write_text("mine")
    (out / "run.json").write_text("{}")
    with pytest.raises(DataError, match="the folder is not empty"):
        build_ensemble(runs[:2], "vote", out, synthetic, cache=cache)
    assert (out / "split.csv").read_text() == "mine" and not (out / "model").exists()


@pytest.mark.parametrize("routing", ["paper", "margin"])
def test_a_mix_model(
    routing: str, runs: list[Path], specialist: Path, synthetic: Path, cache: Path, tmp_path: Path
) -> None:
    found = build_mix(runs[2], [specialist], routing, tmp_path / "mix", synthetic, cache=cache)
    assert isinstance(found, Mix)
    assert (found.routing, found.pairs, list(found.members)) == (routing, [("mel", "nv")], ["base", "mel-nv"])
    assert set(found.metrics["members"]) == {"base"}
    assert ("fitted_on" in found.training) == (routing == "margin")
    evaluated = evaluate_model(tmp_path / "mix", synthetic, "val", resamples=0, cache=cache)
    parts = read_split(tmp_path / "mix" / "split.csv").parts.values()
    assert evaluated.result["images"] == sum(part == "val" for part in parts)
    again = read_model(tmp_path / "mix")
    assert isinstance(again, Mix)
    pixels = np.random.default_rng(0).integers(0, 256, (20, 64, 64, 3), dtype=np.uint8)
    tables = Predictor(again, threads=1).tables(pixels)
    np.testing.assert_allclose(tables[1][:, [4, 5]].sum(axis=1), 1, err_msg="it knows its pair only")


def test_runs_of_one_name_are_numbered(make_run: MakeRun, synthetic: Path, cache: Path, tmp_path: Path) -> None:
    one, two = make_run("r 1"), make_run("r 1", colour="gray")
    found = build_ensemble([one, two / "model"], "vote", tmp_path / "two", synthetic, cache=cache)
    assert list(found.members) == ["r-1", "r-1-2"]


def _other(split: Split) -> Split:
    """Return a split that trains on one test image."""
    tested = next(image_id for image_id, part in split.parts.items() if part == "test")
    return Split(split.protocol, split.seed, {**split.parts, tested: "train"})


def test_a_specialist_trained_on_a_test_image_is_refused(
    make_run: MakeRun, runs: list[Path], split: Split, synthetic: Path, cache: Path, tmp_path: Path
) -> None:
    leaky = make_run("leaky", ("mel", "nv"), _other(split))
    with pytest.raises(ModelError, match="mel-nv may have learnt images that base is tested on"):
        build_mix(runs[0], [leaky], "paper", tmp_path / "mix", synthetic, cache=cache)
    with pytest.raises(ModelError, match="may have learnt"):
        build_ensemble([runs[0], make_run("other", (), _other(split))], "vote", tmp_path / "two", synthetic)
    assert not any(tmp_path.iterdir())


def test_mistakes_in_an_ensemble(
    runs: list[Path], specialist: Path, synthetic: Path, cache: Path, tmp_path: Path
) -> None:
    lone = tmp_path / "lone"
    shutil.copytree(runs[0] / "model", lone)
    cases: list[tuple[list[Path], str, type[UserError], str]] = [
        (runs, "median", UsageError, "rules are average"),
        (runs[:1], "vote", UsageError, "at least two"),
        ([runs[0], runs[0] / "model"], "vote", UsageError, "stands twice"),
        ([runs[0], specialist], "vote", ModelError, "other diagnoses"),
        ([runs[0], tmp_path], "vote", ModelError, "no model here"),
        ([lone, runs[1]], "vote", UsageError, "name its run folder"),
    ]
    for given, rule, error, words in cases:
        with pytest.raises(error, match=words):
            build_ensemble(given, rule, tmp_path / "out", synthetic, cache=cache)
    assert not (tmp_path / "out").exists()


def test_mistakes_in_a_mix_model(
    runs: list[Path], specialist: Path, synthetic: Path, cache: Path, tmp_path: Path
) -> None:
    cases: list[tuple[Path, list[Path], str, type[UserError], str]] = [
        (runs[0], [specialist], "best", UsageError, "routings are paper"),
        (runs[0], [runs[1]], "paper", UsageError, "no specialist: it was trained for all diagnoses"),
        (runs[0], [specialist, specialist], "paper", UsageError, "one specialist for each"),
        (runs[0], [], "paper", UsageError, "one specialist for each"),
        (specialist, [specialist], "paper", ModelError, "base of a Mix-Model knows all"),
    ]
    for base, given, routing, error, words in cases:
        with pytest.raises(error, match=words):
            build_mix(base, given, routing, tmp_path / "out", synthetic, cache=cache)
    assert not any(tmp_path.iterdir())


def test_a_model_in_the_folder_is_left_alone(
    runs: list[Path], synthetic: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "two"
    build_ensemble(runs[:2], "vote", out, synthetic, cache=cache)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    monkeypatch.setattr(combining, "_validation", lambda *_: pytest.fail("found out only after predicting"))
    with pytest.raises(DataError, match="a model is here already"):
        build_ensemble(runs[:2], "average", out, synthetic, cache=cache)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_a_composite_is_no_member(runs: list[Path], synthetic: Path, cache: Path, tmp_path: Path) -> None:
    build_ensemble(runs[:2], "vote", tmp_path / "two", synthetic, cache=cache)
    with pytest.raises(ModelError, match="made of several models"):
        build_ensemble([tmp_path / "two", runs[2]], "vote", tmp_path / "three", synthetic, cache=cache)
