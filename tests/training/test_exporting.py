"""Export: only what agrees with torch is written, smaller models lose next to nothing, and say so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lesionlab.data.splits import Split
from lesionlab.errors import ModelError, UsageError
from lesionlab.models import bundle as bundles
from lesionlab.models.bundle import HEAD, ONNX, README, WEIGHTS, Bundle, read_bundle, torch_model
from lesionlab.models.composite import Ensemble, card_digests, read_model, write_composite
from lesionlab.models.members import common_training
from lesionlab.models.onnx_export import random_images
from lesionlab.models.tensors import write_tensors
from lesionlab.models.writing import rewrite_bundle, write_decisions
from lesionlab.prediction.cam import FeatureCam
from lesionlab.prediction.runtime import Session
from lesionlab.report.parts import Images
from lesionlab.training import agreement, exporting
from lesionlab.training.deciding import calibrate_model
from lesionlab.training.exporting import export_model

METRICS = {
    "images": 30, "lesions": 20, "classes": ["mel"], "classes_in_truth": ["mel"],
    "metrics": {"balanced_accuracy": {"value": 0.812, "low": 0.7, "high": 0.9}}, "per_class": {},
}  # fmt: skip


@pytest.fixture(autouse=True)
def quick(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few images, so that the tests are quick; the cache is the tests' own."""
    monkeypatch.setattr(exporting, "COMPARED", 9)


@pytest.fixture(scope="module")
def run(make_run: Callable[..., Path]) -> Path:
    return make_run("alone", prior_offset=[0.0, 0, 0, 0, 0.3, 0, 0])


@pytest.mark.parametrize("name", ["model", "model.lesion"])
def test_a_model_is_written_with_its_card_and_answers_the_same(run: Path, tmp_path: Path, name: str) -> None:
    found = export_model(run, tmp_path / name)
    assert found.images == 9 and 0 <= found.difference <= 1e-4 and found.accuracy is None
    assert [path.name for path in tmp_path.iterdir()] == [name]
    written = read_bundle(tmp_path / name)
    assert set(written.files) == {ONNX, WEIGHTS, README}
    card = written.read(README).decode()
    assert "Not a medical device" in card and "cc-by-nc" in card and "test_resnet" in card
    pixels = random_images(3, 64, seed=3)
    np.testing.assert_array_equal(Session(written).logits(pixels), Session(read_bundle(run)).logits(pixels))
    on_disk = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert abs(found.size - sum(path.stat().st_size for path in on_disk)) < 2000
    again = export_model(run, tmp_path / name)
    assert again.model.folder == tmp_path / name, "a model that is there is replaced"


def test_real_images_are_compared_where_they_are_named(run: Path, synthetic: Path, tmp_path: Path) -> None:
    seen = []
    found = export_model(
        run, tmp_path / "m", images=Images(synthetic), progress=lambda what, done, total: seen.append(what)
    )
    assert found.images == 9
    assert "comparing with torch" in seen


def test_evaluations_of_test_images_stand_in_the_card(make_run: Callable[..., Path], tmp_path: Path) -> None:
    run = make_run("judged")
    for part in ("test", "val"):
        (run / "evaluation" / part).mkdir(parents=True)
        (run / "evaluation" / part / "metrics.json").write_text(json.dumps(METRICS))
    card = export_model(run, tmp_path / "m.lesion").model
    assert isinstance(card, Bundle)
    text = card.read(README).decode()
    assert "0.812 [0.700, 0.900]" in text and "SOURCE --split test`" in text and "--split val`" not in text


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_smaller_model(
    precision: str, run: Path, synthetic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "MOST_LOST", 1.0)  # a network without training is no measure
    whole = read_bundle(run)
    found = export_model(run, tmp_path / "small", precision, Images(synthetic))
    made = read_bundle(tmp_path / "small")
    assert made.precision == precision and made.features and set(made.files) == {ONNX, HEAD, README}
    assert found.size < 0.62 * len(whole.read(ONNX))
    assert found.difference > 0 and made.agreement == found.difference
    assert found.accuracy is not None
    measured = made.metrics["precision"]["balanced_accuracy"]
    assert (measured["fp32"], measured[precision]) == found.accuracy
    assert f"The graph is in {precision}" in made.read(README).decode()
    pixels = random_images(4, 64, seed=3)
    assert FeatureCam(made).maps(pixels, [4, 4, 5, 0]).shape == (4, 64, 64)
    with pytest.raises(ModelError, match="holds no network for torch"):
        torch_model(made)
    with pytest.raises(ModelError, match="holds no network for torch"):
        export_model(tmp_path / "small", tmp_path / "other")


def test_decisions_are_fitted_to_the_smaller_models_own_answers(
    make_run: Callable[..., Path], synthetic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "MOST_LOST", 1.0)
    run = make_run("decided")
    before = calibrate_model(run, Images(synthetic), resamples=0).decisions
    write_decisions(read_model(run), before.model_copy(update={"temperature": 77.0}))
    export_model(run, tmp_path / "m.lesion", "int8", Images(synthetic))
    made = read_bundle(tmp_path / "m.lesion")
    assert made.decisions is not None
    assert made.decisions.temperature == pytest.approx(before.temperature, rel=0.5)
    assert "temperature" in made.read(README).decode()
    whole = export_model(run, tmp_path / "whole").model
    assert whole.decisions is not None and whole.decisions.temperature == 77


def test_less_precision_that_costs_too_much_is_refused(
    run: Path, synthetic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "MOST_LOST", -1.0)
    with pytest.raises(ModelError, match=r"int8 lowers balanced accuracy on validation from 0\.\d{4} to 0\.\d{4}"):
        export_model(run, tmp_path / "m", "int8", Images(synthetic))
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_disagrees_is_refused(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody changed one weight for torch, and the hash with it: the graph is another network's."""
    model = read_bundle(run)
    tensors = model.tensors(WEIGHTS)
    tensors["fc.bias"][2] += 0.01
    contents = {name: model.read(name) for name in model.files} | {WEIGHTS: write_tensors(tensors)}
    rewrite_bundle(tmp_path / "odd", model, contents)
    with pytest.raises(ModelError, match="graph and torch differ by"):
        export_model(tmp_path / "odd", tmp_path / "m")
    assert [path.name for path in tmp_path.iterdir()] == ["odd"]


def test_weights_that_come_back_otherwise_are_refused(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def forgetful(bundle: Bundle) -> object:
        network = bundles.torch_model(bundle)
        calls.append(bundle)
        if len(calls) == 2:  # first the model, then what would be written
            network.get_classifier().bias.data += 1
        return network

    monkeypatch.setattr(agreement, "torch_model", forgetful)
    with pytest.raises(ModelError, match="its weights are not those of the model"):
        export_model(run, tmp_path / "m.lesion")
    assert list(tmp_path.iterdir()) == []


def test_a_changed_diagnosis_is_refused_however_small_the_difference(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agreement, "TOLERANCE", 1e9)
    logits = Session.logits
    monkeypatch.setattr(Session, "logits", lambda self, pixels: np.roll(logits(self, pixels), 1, axis=1))
    with pytest.raises(ModelError, match="of 9 diagnoses in batches of 1"):
        export_model(run, tmp_path / "m")


def test_several_models_in_one_file(make_run: Callable[..., Path], tmp_path: Path) -> None:
    members = {name: read_bundle(make_run(name, prior_offset=[0.0] * 6 + [k])) for k, name in enumerate(("a", "b"))}
    fields = {"size": 64, "members": card_digests(members), "training": common_training(members)}
    write_composite(tmp_path / "both", Ensemble(rule="vote", **fields), members)
    export_model(tmp_path / "both", tmp_path / "both.lesion")
    found = read_model(tmp_path / "both.lesion")
    assert isinstance(found, Ensemble) and list(found.bundles) == ["a", "b"]
    assert found.bundles["b"].prior_offset[6] == 1
    with pytest.raises(UsageError, match="made of several models"):
        export_model(tmp_path / "both", tmp_path / "small", "fp16", Images(tmp_path))


def test_wishes_that_cannot_be_met(run: Path, split: Split, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "diary.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty, and no model"):
        export_model(run, tmp_path / "full")
    with pytest.raises(UsageError, match="not empty, and no model"):
        export_model(run, tmp_path / "full" / "diary.txt")
    with pytest.raises(UsageError, match="the model itself"):
        export_model(run, run / "model")
    with pytest.raises(UsageError, match="judged on validation images"):
        export_model(run, tmp_path / "m", "int8")
    with pytest.raises(ModelError, match="no model here"):
        export_model(tmp_path / "none", tmp_path / "m")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]
