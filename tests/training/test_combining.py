"""Ensembles and Mix-Models made of run folders: what is fitted, what is written, what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lesionlab.data.splits import Split, read_split
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError, ModelError, UsageError, UserError
from lesionlab.models.composite import Ensemble, Mix, read_model
from lesionlab.prediction.predictor import Predictor
from lesionlab.report.evaluate_model import CROSS_FITTED, evaluate_model
from lesionlab.report.parts import Images
from lesionlab.training import combining
from lesionlab.training.choosing import NEVER
from lesionlab.training.combining import build_ensemble, build_mix

MakeRun = Callable[..., Path]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def images(synthetic: Path, cache: Path) -> Images:
    return Images(synthetic, cache=cache)


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
def test_an_ensemble_of_every_rule(rule: str, runs: list[Path], images: Images, split: Split, tmp_path: Path) -> None:
    out = tmp_path / "together"
    found = build_ensemble(runs, rule, out, images)
    assert isinstance(found, Ensemble)
    assert (found.rule, list(found.members), found.folder) == (rule, ["colour", "gray", "nevus"], out / "model")
    assert read_split(out / "split.csv") == split
    assert set(found.metrics["members"]) == set(found.members)
    count = sum(part == "val" for part in split.parts.values())
    fitted_on = {"part": "val", "images": count} if rule in ("weighted", "stacked") else None
    assert found.training.get("fitted_on") == fitted_on
    evaluated = evaluate_model(out, images, "val", resamples=0)
    assert (evaluated.folder, evaluated.fitted) == (out / "evaluation" / "val", False)
    assert evaluated.cross_fitted == (out / CROSS_FITTED).is_file() == bool(fitted_on)
    for name, value in found.metrics["validation"].items():
        assert evaluated.result["metrics"][name]["value"] == pytest.approx(value, abs=1e-6)


def test_what_was_fitted_is_warned_of_where_it_answers_itself(runs: list[Path], images: Images, tmp_path: Path) -> None:
    """A vertex may be best in every fold, so weights can find the same; a regression cannot."""
    found = build_ensemble(runs, "stacked", tmp_path / "together", images)
    views = next(iter(found.bundles.values())).views
    again = evaluate_model(tmp_path / "together", images, "val", views=views, resamples=0)
    assert again.fitted and not again.cross_fitted
    assert again.result["metrics"]["nll"]["value"] < found.metrics["validation"]["nll"]


def test_test_images_are_evaluated_and_counted(runs: list[Path], images: Images, split: Split, tmp_path: Path) -> None:
    build_ensemble(runs[:2], "average", tmp_path / "two", images)
    for look, model in enumerate((tmp_path / "two", tmp_path / "two" / "model"), start=1):
        found = evaluate_model(model, images, resamples=0)
        assert (found.looks, found.folder) == (look, tmp_path / "two" / "evaluation" / "test")
    assert found.result["images"] == sum(part == "test" for part in split.parts.values())


def test_a_folder_of_something_else_is_left_alone(runs: list[Path], images: Images, tmp_path: Path) -> None:
    """Above all an unfinished run's, whose split must stay."""
    out = tmp_path / "run"
    out.mkdir()
    (out / "split.csv").write_text("mine")
    (out / "run.json").write_text("{}")
    with pytest.raises(DataError, match="the folder is not empty"):
        build_ensemble(runs[:2], "vote", out, images)
    assert (out / "split.csv").read_text() == "mine" and not (out / "model").exists()


@pytest.mark.parametrize("routing", ["paper", "margin"])
def test_a_mix_model(routing: str, runs: list[Path], specialist: Path, images: Images, tmp_path: Path) -> None:
    found = build_mix(runs[2], [specialist], routing, tmp_path / "mix", images)
    assert isinstance(found, Mix)
    assert (found.routing, found.pairs, list(found.members)) == (routing, [("mel", "nv")], ["base", "mel-nv"])
    assert set(found.metrics["members"]) == {"base"}
    assert ("fitted_on" in found.training) == (routing == "margin")
    evaluated = evaluate_model(tmp_path / "mix", images, "val", resamples=0)
    parts = read_split(tmp_path / "mix" / "split.csv").parts.values()
    assert evaluated.result["images"] == sum(part == "val" for part in parts)
    again = read_model(tmp_path / "mix")
    assert isinstance(again, Mix)
    pixels = np.random.default_rng(0).integers(0, 256, (20, 64, 64, 3), dtype=np.uint8)
    tables = Predictor(again, threads=1).tables(pixels)
    np.testing.assert_allclose(tables[1][:, [4, 5]].sum(axis=1), 1, err_msg="it knows its pair only")


def test_runs_of_one_name_are_numbered(make_run: MakeRun, images: Images, tmp_path: Path) -> None:
    one, two = make_run("r 1"), make_run("r 1", colour="gray")
    found = build_ensemble([one, two / "model"], "vote", tmp_path / "two", images)
    assert list(found.members) == ["r-1", "r-1-2"]


def _other(split: Split) -> Split:
    """Return a split that trains on one test image."""
    tested = next(image_id for image_id, part in split.parts.items() if part == "test")
    return Split(split.protocol, split.seed, {**split.parts, tested: "train"})


def test_a_specialist_trained_on_a_test_image_is_refused(
    make_run: MakeRun, runs: list[Path], split: Split, images: Images, tmp_path: Path
) -> None:
    leaky = make_run("leaky", ("mel", "nv"), _other(split))
    with pytest.raises(ModelError, match="mel-nv may have learnt images that base is tested on"):
        build_mix(runs[0], [leaky], "paper", tmp_path / "mix", images)
    with pytest.raises(ModelError, match="may have learnt"):
        build_ensemble([runs[0], make_run("other", (), _other(split))], "vote", tmp_path / "two", images)
    assert not any(tmp_path.iterdir())


def test_mistakes_in_an_ensemble(runs: list[Path], specialist: Path, images: Images, tmp_path: Path) -> None:
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
            build_ensemble(given, rule, tmp_path / "out", images)
    assert not (tmp_path / "out").exists()


def test_mistakes_in_a_mix_model(runs: list[Path], specialist: Path, images: Images, tmp_path: Path) -> None:
    cases: list[tuple[Path, list[Path], str, type[UserError], str]] = [
        (runs[0], [specialist], "best", UsageError, "routings are paper"),
        (runs[0], [runs[1]], "paper", UsageError, "no specialist: it was trained for all diagnoses"),
        (runs[0], [specialist, specialist], "paper", UsageError, "one specialist for each"),
        (runs[0], [], "paper", UsageError, "one specialist for each"),
        (specialist, [specialist], "paper", ModelError, "base of a Mix-Model knows all"),
    ]
    for base, given, routing, error, words in cases:
        with pytest.raises(error, match=words):
            build_mix(base, given, routing, tmp_path / "out", images)
    assert not any(tmp_path.iterdir())


def test_what_a_killed_call_left_is_no_hindrance(runs: list[Path], images: Images, tmp_path: Path) -> None:
    """Half a model, the split, and the looks of an earlier model, which stay counted."""
    out = tmp_path / "two"
    build_ensemble(runs[:2], "vote", out, images)
    evaluate_model(out, images, resamples=0)
    for name in ("evaluation", "model"):
        shutil.rmtree(out / name)
    (out / ".model.4194399.partial" / "members").mkdir(parents=True)
    assert build_ensemble(runs[1:], "vote", out, images).folder == out / "model"
    assert evaluate_model(out, images, resamples=0).looks == 2


def test_a_model_in_the_folder_is_left_alone(
    runs: list[Path], images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "two"
    build_ensemble(runs[:2], "vote", out, images)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    monkeypatch.setattr(combining, "validation_answers", lambda *_: pytest.fail("found out only after predicting"))
    with pytest.raises(DataError, match="a model is here already"):
        build_ensemble(runs[:2], "average", out, images)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_a_composite_is_no_member(runs: list[Path], images: Images, tmp_path: Path) -> None:
    build_ensemble(runs[:2], "vote", tmp_path / "two", images)
    with pytest.raises(ModelError, match="made of several models"):
        build_ensemble([tmp_path / "two", runs[2]], "vote", tmp_path / "three", images)
