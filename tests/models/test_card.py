"""The model card says what the model's bundle.json says, and what it must not be used for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lesionlab.models.bundle import Bundle, read_bundle
from lesionlab.models.card import model_card
from lesionlab.models.decisions import Conformal, Decisions, Figure, Fit, OperatingPoint
from lesionlab.models.writing import write_decisions

FIT = Fit(
    part="val", images=1501, lesions=1120, nll_before=0.7, nll_after=0.5,
    ece_before=Figure(value=0.187, low=0.17, high=0.2), ece_after=Figure(value=0.021),
)  # fmt: skip
DECISIONS = Decisions(
    temperature=1.25,
    bias=[0, 0, 0, 0, -0.5, 1, 0],
    fitted_on=FIT,
    operating=[
        OperatingPoint(target="malignant", aim="sensitivity 0.90", threshold=0.21, sensitivity=0.9, specificity=0.81)
    ],
    default_point="sensitivity 0.90",
    conformal=Conformal(coverage=0.9, thresholds=[0.1] * 7, images=[40, 70, 160, 12, 170, 1000, 20]),
    abstain_below=0.44,
)


@pytest.fixture
def bundle(make_member: Callable[..., Path], tmp_path: Path) -> Bundle:
    training = {
        "data": {"source": "ham10000", "images": 10015, "cases": "40cd"},
        "split": {"protocol": "grouped", "seed": 0, "fingerprint": "5108", "images": {"train": 7012}},
        "recipe": {"loss": "logit_adjusted", "epochs": 7},
    }
    card = {"frame_aspect": 4 / 3, "training": training, "metrics": {"validation": {"macro_f1": 0.7116}}}
    return read_bundle(make_member(tmp_path / "model", **card))


def test_a_card_of_a_decided_model(bundle: Bundle) -> None:
    decided = write_decisions(bundle, DECISIONS)
    text = model_card(decided, {"test | images": [("macro F1", "0.75 [0.70, 0.80]")]}, "About these figures.")
    for words in (
        "license: cc-by-nc-4.0", "Not a medical device", "ham10000, 10015 images", "grouped, seed 0, 5108",
        "All photographs of a lesion lie in one part", "centre-cropped to 1.333:1", "loss logit_adjusted",
        "### test | images", "0.75 [0.70, 0.80]", "About these figures.", "| macro f1 | 0.712 |",
        "0.187 [0.170, 0.200] before, 0.021 after", "temperature 1.250, biases akiec +0.00", "mel -0.50, nv +1.00",
        "| colours | as they are |", "less than 44.0%", "in 90% of the images",
        "df 12", "| malignant | sensitivity 0.90 | 0.210 | 0.900 | 0.810 |", "CC BY-NC",
    ):  # fmt: skip
        assert words in text, words
    assert text.startswith("---\n") and text.endswith("\n")


def test_a_card_of_a_model_that_tells_little(make_member: Callable[..., Path], tmp_path: Path) -> None:
    text = model_card(read_bundle(make_member(tmp_path / "model", training={})), {})
    assert "unknown" in text and "Nothing was fitted" in text and "No test images have been looked at" in text
    assert "None" not in text


def test_what_stands_in_a_cell_does_not_break_the_table(bundle: Bundle) -> None:
    text = model_card(bundle, {"test": [("a|b", "1\n2")]})
    assert "| a\\|b | 1 2 |" in text


def test_a_file_of_starting_weights_is_told_in_words(bundle: Bundle) -> None:
    made = bundle.model_copy(update={"training": {"weights": {"file": "a.safetensors", "sha256": "12ab"}}})
    assert "| starting weights | a.safetensors, SHA-256 12ab |" in model_card(made, {})
