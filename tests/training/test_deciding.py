"""Decisions fitted after training: into the model, from validation images alone, and again when asked for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lesionlab.data.packs import pack
from lesionlab.data.sources import load_source
from lesionlab.data.splits import grouped, write_split
from lesionlab.errors import DataError, ModelError, UsageError
from lesionlab.evaluation.calibration import fit_calibration
from lesionlab.models.bundle import Bundle, read_bundle
from lesionlab.models.composite import Ensemble, card_digests, read_model, write_composite
from lesionlab.models.members import common_training
from lesionlab.prediction.predictor import Predictor
from lesionlab.report.asking import predict_cases
from lesionlab.report.parts import Images, Learnt
from lesionlab.training.deciding import PICTURE, calibrate_model, decide


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def run(make_member: Callable[..., Path], synthetic: Path, tmp_path: Path) -> Path:
    """A folder that looks like a run's: a random network beside the split that it was trained with."""
    split = grouped(load_source(synthetic).cases, 0)
    folder = tmp_path / "run"
    make_member(folder / "model", training={"split": {"fingerprint": split.fingerprint}})
    write_split(folder / "split.csv", split)
    (folder / "run.json").write_text("{}")
    return folder


def test_a_model_gets_its_decisions(run: Path, synthetic: Path, cache: Path) -> None:
    before = read_bundle(run)
    found = calibrate_model(run, Images(synthetic, cache=cache), resamples=50)
    model = read_bundle(run)
    assert model.decisions == found.decisions == found.model.decisions
    assert model.files == before.files and model.metrics["validation"]["accuracy"] >= 0
    assert found.picture == run / PICTURE and found.picture.read_bytes().startswith(b"\x89PNG")
    decisions = found.decisions
    temperature, bias = fit_calibration(found.before)
    assert decisions.temperature == pytest.approx(temperature) and decisions.bias == pytest.approx(bias)
    assert decisions.fitted_on.nll_after <= decisions.fitted_on.nll_before
    np.testing.assert_allclose(found.after.probabilities, decisions.calibrated(found.before.probabilities))
    assert decisions.default_point == "sensitivity 0.90" and len(decisions.operating) == 12
    assert decisions.conformal and sum(decisions.conformal.images) == len(found.before)


def test_the_model_answers_as_it_was_calibrated(run: Path, synthetic: Path, cache: Path) -> None:
    found = calibrate_model(run, Images(synthetic, cache=cache), resamples=0)
    cases = [case for case in load_source(synthetic).cases if case.image_id in found.after.image_ids]
    again = predict_cases(Predictor(read_model(run)), pack(cases, 64, cache), cases)
    np.testing.assert_allclose(again.probabilities, found.after.probabilities, atol=1e-5)
    assert (again.predicted == found.before.predicted).all()


def test_calibrating_twice_changes_nothing(run: Path, synthetic: Path, cache: Path) -> None:
    first = calibrate_model(run, Images(synthetic, cache=cache), resamples=0).decisions
    assert calibrate_model(run, Images(synthetic, cache=cache), resamples=0).decisions == first


def test_only_validation_and_training_images_count(run: Path, synthetic: Path, cache: Path) -> None:
    found = calibrate_model(run, Images(synthetic, cache=cache), resamples=0)
    bundle, cases = read_bundle(run), load_source(synthetic).cases
    split = grouped(cases, 0)
    assert set(found.before.image_ids) == {case.image_id for case in split.select(cases, "val")}
    parts = [split.select(cases, part) for part in ("val", "train")]
    seen = [case for part in parts for case in part]
    assert decide(bundle, Learnt(pack(seen, 64, cache), *parts), resamples=0).decisions == found.decisions


def test_a_combined_model_gets_its_own(
    run: Path, make_member: Callable[..., Path], synthetic: Path, cache: Path, tmp_path: Path
) -> None:
    calibrate_model(run, Images(synthetic, cache=cache), resamples=0)
    other = make_member(tmp_path / "other", training=read_bundle(run).training, views=2)
    members = {"a": read_bundle(run), "b": read_bundle(other)}
    fields = {"size": 64, "members": card_digests(members), "training": common_training(members)}
    both = tmp_path / "both"
    write_composite(both / "model", Ensemble(rule="average", metrics={"validation": {"ece": 5}}, **fields), members)
    shutil.copyfile(run / "split.csv", both / "split.csv")
    found = calibrate_model(both, Images(synthetic, cache=cache), resamples=0)
    model = read_model(both)
    assert isinstance(model, Ensemble) and model.decisions == found.decisions
    assert model.metrics == {"validation": {"ece": 5}}, "its figures are by cross-fitting"
    own = [Predictor(member, threads=1) for member in members.values()]
    pixels = pack(load_source(synthetic).cases, 64, cache).pixels[:4]
    expected = found.decisions.calibrated(np.mean([one.probabilities(pixels) for one in own], axis=0))
    np.testing.assert_allclose(Predictor(model, threads=1).probabilities(pixels), expected, atol=1e-5)


def test_too_few_images_leave_out_what_cannot_be_fitted(run: Path, synthetic: Path, cache: Path) -> None:
    cases = load_source(synthetic).cases
    few = [case for case in cases if case.dx == "nv"][:2]
    bundle = read_bundle(run)
    assert isinstance(bundle, Bundle)
    decisions = decide(bundle, Learnt(pack(cases, 64, cache), few, []), resamples=0).decisions
    assert (decisions.operating, decisions.default_point, decisions.outlier) == ([], "", None)
    assert decisions.conformal and decisions.conformal.thresholds == [1, 1, 1, 1, 1, 0, 1]


def test_mistakes(run: Path, synthetic: Path, cache: Path, tmp_path: Path) -> None:
    lone = shutil.copytree(run / "model", tmp_path / "lone")
    with pytest.raises(UsageError, match="a lone model"):
        calibrate_model(lone, Images(synthetic, cache=cache))
    assert (
        calibrate_model(lone, Images(synthetic, cache=cache), split_file=run / "split.csv", resamples=0).picture is None
    )
    with pytest.raises(ModelError, match="no model here"):
        calibrate_model(tmp_path, Images(synthetic, cache=cache))
    with pytest.raises(DataError, match="no validation image has a diagnosis"):
        decide(read_bundle(run), Learnt(pack(load_source(synthetic).cases, 64, cache), [], []))
    assert json.loads((run / "model" / "bundle.json").read_text()).get("decisions") is None
