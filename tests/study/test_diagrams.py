"""Diagrams say what is configured."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.axes import Axes
from PIL import Image

from lesionlab.models.ensemble import RULES as KNOWN
from lesionlab.study.diagrams import RULES, ensemble_diagram, mix_diagram

PAIRS = {"specialist one": ["mel", "nv"], "specialist two": ["akiec", "bcc"]}


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect every text that is drawn."""
    texts: list[str] = []
    draw = Axes.text

    def text(self: Axes, x: float, y: float, s: str, *args: object, **given: object) -> object:
        texts.append(s)
        return draw(self, x, y, s, *args, **given)

    monkeypatch.setattr(Axes, "text", text)
    return texts


def test_every_rule_has_its_words() -> None:
    assert set(RULES) == set(KNOWN)


def test_an_ensemble(tmp_path: Path, written: list[str]) -> None:
    ensemble_diagram(tmp_path / "e.png", "Three", "weighted", ["one", "two", "three"], [0.5, 0.3, 0.2])
    assert {"one", "two", "three", "0.50", "0.30", "0.20"} <= set(written)
    assert any("weights from validation" in text.replace("\n", " ") for text in written)
    with Image.open(tmp_path / "e.png") as picture:
        assert picture.format == "PNG" and picture.width > picture.height


@pytest.mark.parametrize(
    ("routing", "margin", "words"),
    [
        ("paper", 0.0, "in a specialist's pair?"),
        ("margin", 0.15, "less than 0.15 apart?"),
        ("margin", 0.0, "no specialist is asked"),
        ("margin", None, "less than a margin from validation apart?"),
    ],
)
def test_a_mix_model(tmp_path: Path, written: list[str], routing: str, margin: float | None, words: str) -> None:
    mix_diagram(tmp_path / "m.png", "Mix", "base", PAIRS, routing, margin)
    drawn = [" ".join(text.split()) for text in written]
    assert any(words in text for text in drawn)
    assert {"mel / nv", "akiec / bcc", "otherwise", "base (general)", "specialist two (specialist)"} <= set(drawn)
