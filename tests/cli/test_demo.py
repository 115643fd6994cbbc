"""`lesionlab demo`, with fewer lesions than a user sees."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lesionlab.cli import demo
from lesionlab.cli.main import main


def test_the_demo_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "LESIONS", 42)
    monkeypatch.setattr(demo, "SETTINGS", ("epochs=1", "size=64", "views=1"))
    out = tmp_path / "demo"
    assert main(["demo", "--out", str(out), "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    trained = (out / "run" / "model" / "model.safetensors").stat().st_mtime_ns
    assert all(Path(first[name]).is_file() for name in ("picture", "metrics"))
    assert main(["demo", "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert first["picture"] in shown and first["metrics"] in shown and "say nothing about real lesions" in shown
    assert (out / "run" / "model" / "model.safetensors").stat().st_mtime_ns == trained
    assert len((out / "run" / "looks.jsonl").read_text().splitlines()) == 2


def test_the_demo_leaves_other_folders_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "mine.txt").write_text("mine")
    assert main(["demo", "--out", str(tmp_path)]) == 3
    assert (tmp_path / "images" / "mine.txt").read_text() == "mine"
