"""`lesionlab calibrate`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lesionlab.cli.main import main


def test_a_run_is_calibrated_again(
    run: Path, synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = shutil.copytree(run, tmp_path / "run")
    command = ["calibrate", str(again), "--data", str(synthetic), "--resamples", "50"]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "temperature" in shown and "specificity 0.95" in shown and str(again / "model") in shown
    (again / "reliability.png").unlink()
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    card = json.loads((again / "model" / "bundle.json").read_text())
    assert {name: found[name] for name in card["decisions"]} == card["decisions"]
    assert (found["model"], found["picture"]) == (str(again / "model"), str(again / "reliability.png"))
    assert (again / "reliability.png").is_file()


def test_training_ends_with_it(run: Path) -> None:
    card = json.loads((run / "model" / "bundle.json").read_text())
    described = json.loads((run / "run.json").read_text())
    assert card["decisions"]["fitted_on"]["part"] == "val"
    assert card["metrics"]["validation"] == described["validation"]
    assert described["validation"]["nll"] == pytest.approx(card["decisions"]["fitted_on"]["nll_after"], abs=1e-4)
    assert (run / "reliability.png").is_file()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [(["{run}", "--data", "{none}"], 3, "none"), (["{none}", "--data", "{data}"], 4, "no model here")],
)
def test_mistakes(
    options: list[str], code: int, words: str, run: Path, synthetic: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    places = {"run": str(run), "data": str(synthetic), "none": str(tmp_path / "none")}
    assert main(["calibrate", *(option.format(**places) for option in options)]) == code
    assert words in capsys.readouterr().err
