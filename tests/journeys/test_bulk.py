"""A bulk run is killed again and again, and the table is that of a run that was left alone."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

SLOWLY = """
import sys, time
from lesionlab.cli import bulk as shown
from lesionlab.prediction import bulk
class Slow(shown.Watch):
    def __call__(self, row, done, count):
        time.sleep(0.02)
        super().__call__(row, done, count)
shown.Watch, bulk.PART_ROWS = Slow, 8
from lesionlab.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
"""The command, slowed down so that there is time to kill it, with parts of one batch."""


@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_killed_again_and_again(kills: int, synthetic: Path, tmp_path: Path, make_member: Callable[..., Path]) -> None:
    (tmp_path / "photos").mkdir()
    for copy in range(3):
        for image in (synthetic / "images").glob("*.jpg"):
            os.link(image, tmp_path / "photos" / f"{copy}_{image.name}")
    (tmp_path / "photos" / "1_broken.jpg").write_bytes(b"\xff\xd8 no more")
    model = make_member(tmp_path / "model")
    straight, killed = tmp_path / "straight.jsonl", tmp_path / "killed.jsonl"
    assert start(tmp_path, model, straight).wait() == 0

    chance = random.Random(kills)
    for _ in range(kills):
        run, before = start(tmp_path, model, killed), count_parts(killed)
        while run.poll() is None and count_parts(killed) <= before:
            time.sleep(0.005)
        time.sleep(chance.random() * 0.2)
        run.send_signal(signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL, "it was done before it could be killed"
        assert not killed.exists()
    assert start(tmp_path, model, killed).wait() == 0
    assert killed.read_bytes() == straight.read_bytes()

    rows = [json.loads(line) for line in killed.read_text().splitlines()]
    listed = sorted(path.name for path in (tmp_path / "photos").iterdir())
    assert [Path(row["path"]).name for row in rows] == listed
    assert [row["image_id"] for row in rows if "refused" in row] == ["1_broken"]
    assert {path.name for path in tmp_path.iterdir()} == {"photos", "model", straight.name, killed.name}


def count_parts(out: Path) -> int:
    return len(list(out.with_name(f"{out.name}.parts").glob("part-*")))


def start(folder: Path, model: Path, out: Path) -> subprocess.Popen[bytes]:
    """Begin, or go on, in a process of its own."""
    words = [sys.executable, "-c", SLOWLY, "predict", "photos", "--model", str(model), "--out", str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
