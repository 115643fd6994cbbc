"""Features are extracted once per backbone and pack; the head fitted on them is a plain linear layer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_run
import torch

from lesionlab.data.cases import Case
from lesionlab.data.packs import Pack
from lesionlab.errors import DataError
from lesionlab.models.backbones import create, features, preprocessing
from lesionlab.training import probe
from lesionlab.training.probe import PENALTIES, cached_features, fit_head


@pytest.fixture(scope="module")
def pack() -> Pack:
    pixels, _ = small_run.material()
    pixels.flags.writeable = False  # as a memory map
    return Pack(pixels, tuple(Case(f"i{n}", "x", "nv", f"l{n}") for n in range(70)), "0123456789abcdef")


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return create("tiny", "none", 7, 0.0, 32)


def extract(model: torch.nn.Module, pack: Pack, cache: Path, colour: str = "rgb") -> np.ndarray:
    return cached_features(model, preprocessing(model), pack, colour, "bf16", cache)


@pytest.mark.filterwarnings("error")
def test_features_are_the_backbones(model: torch.nn.Module, pack: Pack, tmp_path: Path) -> None:
    found = extract(model, pack, tmp_path)
    assert found.shape == (70, 96) and found.dtype == np.float32
    expects = preprocessing(model)
    images = torch.from_numpy(np.array(pack.pixels)).permute(0, 3, 1, 2) / 255
    images = (images - torch.tensor(expects.mean).view(3, 1, 1)) / torch.tensor(expects.std).view(3, 1, 1)
    with torch.inference_mode():
        exact = features(model.eval(), images).numpy()
    assert np.abs(found - exact).max() < 0.03 * np.abs(exact).max()


def test_features_are_kept_per_weights_pack_and_colour(
    model: torch.nn.Module, pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    extracted = probe._extract

    def counted(*arguments: object) -> np.ndarray:
        calls.append("")
        return extracted(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(probe, "_extract", counted)
    first = extract(model, pack, tmp_path)
    assert np.array_equal(extract(model, pack, tmp_path), first) and len(calls) == 1
    torch.manual_seed(5)
    head = create("tiny", "none", 7, 0.0, 32)
    head.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("fc.")}, strict=False)
    assert np.array_equal(extract(head, pack, tmp_path), first) and len(calls) == 1
    extract(create("tiny", "none", 7, 0.0, 32), pack, tmp_path)
    extract(model, replace(pack, fingerprint="fedcba9876543210"), tmp_path)
    extract(model, pack, tmp_path, "gray")
    assert len(calls) == 4 == len(list((tmp_path / "features").iterdir()))


def score(truth: np.ndarray, probabilities: np.ndarray) -> float:
    return float((probabilities.argmax(1) == truth).mean())


def clouds() -> tuple[np.ndarray, np.ndarray]:
    """Return features float32 (210, 5), one cloud a class, far from zero and of uneven scales, and labels."""
    rng = np.random.default_rng(0)
    labels = np.arange(210) % 7
    found = rng.normal(size=(7, 5))[labels] * 4 + rng.normal(size=(210, 5))
    return (found * (1, 10, 100, 0.1, 1) + 50).astype(np.float32), labels


def test_the_head_is_fitted_on_training_and_chosen_on_validation() -> None:
    found, labels = clouds()
    train, validate = np.arange(140), np.arange(140, 210)
    weight, bias, tried = fit_head(found, labels, train, validate, False, score)
    assert weight.shape == (7, 5) and bias.shape == (7,)
    assert [row["C"] for row in tried] == list(PENALTIES)
    answers = found[validate] @ weight.T + bias
    assert (answers.argmax(1) == labels[validate]).mean() == pytest.approx(max(row["score"] for row in tried))
    assert max(row["score"] for row in tried) > 0.9
    assert weight == pytest.approx(fit_head(found, labels, train, validate, False, score)[0])


def test_a_balanced_head_favours_rare_classes() -> None:
    rng = np.random.default_rng(0)
    labels = np.concatenate([np.arange(7), np.repeat([4, 5], [20, 400])])
    found = (labels[:, None] == np.arange(7)) * 1.0 + rng.normal(size=(len(labels), 7))
    rows = np.arange(len(labels))

    def melanoma(truth: np.ndarray, probabilities: np.ndarray) -> float:
        return float((probabilities[truth == 4].argmax(1) == 4).mean())

    plain, balanced = (
        max(r["score"] for r in fit_head(found, labels, rows, rows, b, melanoma)[2]) for b in (False, True)
    )
    assert balanced > plain


def test_a_class_without_a_training_image_is_named() -> None:
    found, labels = clouds()
    rows = np.flatnonzero(~np.isin(labels, (3, 6)))
    with pytest.raises(DataError, match="no training image shows df, vasc"):
        fit_head(found, labels, rows, rows, False, score)
