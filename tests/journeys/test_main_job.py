"""The main job as a user does it: eight commands, each a process of its own."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from lesionlab.diagnoses import CODES


def test_from_nothing_to_explained_answers(tmp_path: Path) -> None:
    """Draw, check, split, train, evaluate, predict and explain; each command takes what the one before wrote."""
    images, split, run = tmp_path / "images", tmp_path / "split.csv", tmp_path / "run"
    drawn = command(tmp_path, "data", "synth", images, "--lesions", "42", "--width", "96")
    found = command(tmp_path, "data", "check", images, "--out", tmp_path / "check.json")
    assert found["images"] == drawn["images"] and found["problems"] == []
    parts = command(
        tmp_path, "data", "split", images, "--protocol", "grouped", "--out", split,
        "--duplicates", tmp_path / "check.json",
    )  # fmt: skip
    trained = command(
        tmp_path, "train", "--data", images, "--out", run, "--split", split, "--recipe", "tiny", "--weights", "none",
        "--set", "epochs=2", "--set", "size=64",
    )  # fmt: skip
    assert trained["split"]["fingerprint"] == parts["fingerprint"]
    evaluated = command(tmp_path, "evaluate", "--model", run, "--data", images, "--resamples", "100")
    tested = parts["parts"]["test"]["images"]
    assert evaluated["result"]["images"] == tested and evaluated["looks"] == 1

    answers = tmp_path / "answers.csv"
    photographs = [row["image_id"] for row in rows(run / "evaluation" / "test" / "predictions.csv")]
    paths = [images / "images" / f"{image_id}.jpg" for image_id in photographs]
    command(tmp_path, "predict", *paths, "--model", run, "--out", answers)
    predicted = rows(answers)
    assert list(predicted[0])[:10] == ["image_id", "path", "diagnosis", *(f"p_{code}" for code in CODES)]
    same_answers(predicted, rows(run / "evaluation" / "test" / "predictions.csv"))

    maps = tmp_path / "maps"
    command(tmp_path, "explain", paths[0], "--model", run, "--out", maps, "--panel")
    assert list(maps.glob("*.png"))


def same_answers(predicted: list[dict[str, str]], evaluated: list[dict[str, str]]) -> None:
    """What `predict` says of photographs is what `evaluate` said of their packed pixels."""
    by_id = {row["image_id"]: row for row in evaluated}
    assert len(predicted) == len(by_id)
    for row in predicted:
        for code in CODES:
            assert abs(float(row[f"p_{code}"]) - float(by_id[row["image_id"]][f"p_{code}"])) < 1e-3


def command(folder: Path, *arguments: object) -> Any:
    """Run one command with --json in a process of its own and return what it printed; it must leave with 0."""
    environment = {
        **os.environ,
        "LESIONLAB_CACHE": str(folder / "cache"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    words = [sys.executable, "-m", "lesionlab", *map(str, arguments), "--json"]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def rows(path: Path) -> list[dict[str, str]]:
    """Return a CSV file's rows."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
