"""The records of a run: repeatable figures apart from times, whole after every stop."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from small_run import Log

from lesionlab.errors import UsageError
from lesionlab.training.records import RunRecorder

FIGURES = {"loss": 1.5, "learning_rate": 1e-3, "images_per_second": 12.345}


def row(epoch: int) -> dict[str, float]:
    return {"epoch": epoch, "train_loss": 2.0 - epoch / 10, "val_loss": 2.1, "learning_rate": 1e-3,
            "val_balanced_accuracy": 0.3, "val_accuracy": 0.4, "val_macro_f1": 0.2, "train_accuracy": 0.5}  # fmt: skip


def lines(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def recorded(folder: Path, first: int, last: int) -> RunRecorder:
    """Record epochs `first` to `last` - 1 in one sitting."""
    recorder = RunRecorder(folder, Log())
    recorder.begin([row(epoch) for epoch in range(first)])
    for epoch in range(first, last):
        recorder.step(epoch, 1, 1, FIGURES)
        recorder.epoch(row(epoch))
    return recorder


def test_history_and_timing_grow_by_a_line_an_epoch(tmp_path: Path) -> None:
    recorder = recorded(tmp_path, 0, 3)
    assert lines(tmp_path / "history.jsonl") == [row(0), row(1), row(2)]
    timing = lines(tmp_path / "timing.jsonl")
    assert [entry["epoch"] for entry in timing] == [0, 1, 2]
    assert all(entry["images_per_second"] == pytest.approx(12.345, abs=0.01) for entry in timing)
    assert (tmp_path / "curves.png").is_file()
    assert recorder.spent()["seconds"] == pytest.approx(sum(entry["seconds"] for entry in timing), abs=0.1)


def test_the_screen_hears_everything(tmp_path: Path) -> None:
    log = Log()
    recorder = RunRecorder(tmp_path, log)
    recorder.begin([])
    recorder.step(0, 1, 5, FIGURES)
    recorder.epoch(row(0))
    assert log.losses == [1.5] and log.rows == [row(0)]


def test_a_second_sitting_goes_on_with_the_first_ones_records(tmp_path: Path) -> None:
    recorded(tmp_path / "two", 0, 2)
    again = recorded(tmp_path / "two", 2, 3)
    recorded(tmp_path / "one", 0, 3)
    assert (tmp_path / "two" / "history.jsonl").read_bytes() == (tmp_path / "one" / "history.jsonl").read_bytes()
    assert [entry["epoch"] for entry in lines(tmp_path / "two" / "timing.jsonl")] == [0, 1, 2]
    assert set(again.spent()) == {"seconds", "processor_seconds"}


def test_an_epoch_recorded_but_not_in_the_checkpoint_is_taken_back(tmp_path: Path) -> None:
    """A kill between the record and the checkpoint: the epoch is trained again, its time was spent twice."""
    recorded(tmp_path, 0, 2)
    recorded(tmp_path, 1, 2)
    assert lines(tmp_path / "history.jsonl") == [row(0), row(1)]
    assert [entry["epoch"] for entry in lines(tmp_path / "timing.jsonl")] == [0, 1, 1]


def test_tensorboard_that_is_not_installed_is_a_usage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match="TensorBoard is not installed") as caught:
        RunRecorder(tmp_path, Log(), tensorboard=True)
    assert "lesionlab[tensorboard]" in caught.value.hint
