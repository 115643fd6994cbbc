"""`lesionlab study`, end to end on very small networks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lesionlab.cli.main import main
from lesionlab.files import read_json

GRID: dict[str, Any] = {
    "name": "small",
    "title": "A small study",
    "rows": [
        {"id": "rgb", "label": "Tiny, RGB", "published": {"accuracy": 0.9, "macro_f1": 0.8}},
        {"id": "gray", "label": "Tiny, grayscale", "set": {"colour": "gray"}},
        {"id": "moon", "label": "Tiny, from the moon", "set": {"site": "moon"}},
        {"id": "mel-nv", "label": "melanoma or nevus", "parent": "rgb", "set": {"classes": ["mel", "nv"]}},
    ],
    "ensembles": [{"id": "vote", "label": "Vote", "rule": "vote", "members": ["rgb", "gray"]}],
    "mixes": [{"id": "mix", "label": "Mix-Model", "base": "rgb", "specialists": ["mel-nv"], "routing": "paper"}],
    "budgets": {
        "smoke": {"recipe": "tiny", "set": {"epochs": 1, "size": 32, "views": 1, "prior": 1.0}, "weights": "none"}
    },
}


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("grid") / "small.yaml"
    path.write_text(yaml.safe_dump(GRID))
    return str(path)


def test_a_study_runs_to_its_end(
    grid: str, synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Networks are trained, a specialist too, combined and judged; one row fails and is told; nothing is done twice."""
    out = tmp_path / "out"
    command = ["study", "run", grid, "--data", str(synthetic), "--out", str(out), "--protocol", "grouped"]
    command += ["--budget", "smoke", "--resamples", "40"]
    assert main(command) == 3
    shown = capsys.readouterr()
    assert "protocol grouped" in shown.out and "0.80" in shown.out and "95 % interval" in shown.out
    assert "no image from body site 'moon'" in shown.out
    found = read_json(out / "study.json")
    rows = {row["id"]: row for row in found["protocols"]["grouped"]["rows"]}
    assert {name for name, row in rows.items() if row["status"] == "done"} == set(rows) - {"moon"}
    for name, row in rows.items():
        if name != "moon":
            assert 0 <= row["figures"]["metrics"]["macro_f1"]["value"] <= 1
            assert (out / row["run"] / "evaluation" / "test" / "predictions.csv").is_file()
    assert rows["mel-nv"]["figures"]["classes_in_truth"] == ["mel", "nv"]
    trained = (out / rows["rgb"]["run"] / "model" / "model.onnx").stat().st_mtime_ns
    assert main([*command, "--json"]) == 3
    again = json.loads(capsys.readouterr().out)
    assert again["created"] == found["created"]
    assert (out / rows["rgb"]["run"] / "model" / "model.onnx").stat().st_mtime_ns == trained
    picture = str(next((synthetic / "images").glob("*.jpg")))
    assert main(["predict", picture, "--model", str(out / rows["mix"]["run"])]) == 0


def test_a_dry_run_writes_nothing(
    grid: str, synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["study", "run", grid, "--data", str(synthetic), "--out", str(tmp_path / "out"), "--budget", "smoke"]
    command += ["--dry-run", "--only", "rgb, mix"]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "in all about" in shown and "not run: mel-nv is not done" in shown
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    models = [(protocol, name) for protocol in ("paper", "grouped") for name in ("rgb", "mix")]
    stages = [(protocol, name) for protocol in ("paper", "grouped") for name in ("pictures and maps", "several views")]
    assert [(one["protocol"], one["id"]) for one in told["models"]] == [*models, *stages]
    assert told["seconds"] > 0 and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--only", "rbg"], "did you mean 'rgb'"),
        (["--budget", "cpu"], "it has smoke"),
        (["--weights", "nowhere"], "no such folder"),
        (["--protocol", "kfold"], "kfold"),
    ],
)
def test_wrong_options_are_refused(
    options: list[str], words: str, grid: str, synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["study", "run", grid, "--data", str(synthetic), "--out", str(tmp_path / "out"), "--budget", "smoke"]
    assert main([*command, *options]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_installed_studies_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "list"]) == 0
    assert "offline" in capsys.readouterr().out
    assert main(["study", "list", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"offline", "paper"}


def test_help_needs_no_torch() -> None:
    code = (
        "import sys; from lesionlab.cli.main import main; main(['study', 'run', '--help']); main(['study', 'list']);"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--dry-run" in done.stdout
