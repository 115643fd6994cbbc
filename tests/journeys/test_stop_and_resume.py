"""A run is stopped from the keyboard, and the same command with --resume ends where it would have ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from lesionlab.files import checksum, read_json

SETTINGS = ("epochs=3", "size=64", "views=1", "batch_size=4", "augmentation=none")


def test_ctrl_c_saves_and_resume_ends_the_same(synthetic: Path, tmp_path: Path) -> None:
    straight = start(synthetic, tmp_path / "straight", tmp_path)
    assert straight.wait() == 0
    stopped = start(synthetic, tmp_path / "stopped", tmp_path)
    history = tmp_path / "stopped" / "history.jsonl"
    while stopped.poll() is None and not (history.is_file() and history.stat().st_size):
        time.sleep(0.01)
    stopped.send_signal(signal.SIGINT)
    _, told = stopped.communicate()
    assert stopped.returncode == 130, told
    assert "--resume continues" in told and "Traceback" not in told
    assert read_json(tmp_path / "stopped" / "run.json")["status"] == "training"
    resumed = start(synthetic, tmp_path / "stopped", tmp_path, "--resume")
    assert resumed.wait() == 0
    weights = [checksum(tmp_path / name / "model" / "model.safetensors") for name in ("straight", "stopped")]
    assert weights[0] == weights[1]


def start(source: Path, out: Path, folder: Path, *options: str) -> subprocess.Popen[str]:
    """Begin to train in a process of its own."""
    environment = {**os.environ, "LESIONLAB_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "lesionlab", "train", "--data", str(source), "--out", str(out), "--weights", "none"]
    words += ["--recipe", "tiny", *(word for setting in SETTINGS for word in ("--set", setting)), *options]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)
