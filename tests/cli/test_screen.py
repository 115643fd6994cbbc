"""Progress and tables."""

from __future__ import annotations

import json

import pytest

from lesionlab.cli import screen
from lesionlab.cli.screen import LiveBar, Pace, PlainLines, Screen

FIGURES = {"loss": 0.51234, "learning_rate": 3e-4, "images_per_second": 18.24}


class Recorded:
    """A display that keeps what it is told."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, int, int, str]] = []
        self.lines: list[str] = []
        self.closed = False

    def show(self, what: str, done: int, total: int, remark: str) -> None:
        self.shown.append((what, done, total, remark))

    def line(self, text: str) -> None:
        self.lines.append(text)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands still until its one number is changed."""
    time = [100.0]
    monkeypatch.setattr(screen.time, "monotonic", lambda: time[0])
    return time


def test_plain_lines_come_at_most_every_twenty_seconds(now: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    lines = PlainLines()
    for second in range(50):
        now[0] = 100 + second
        lines.show("packing images", second, 10_000, "soon")
    assert capsys.readouterr().err.splitlines() == [
        "packing images 20/10,000, soon",
        "packing images 40/10,000, soon",
    ]


def test_a_total_that_is_not_known(now: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    shown = Screen(display=PlainLines())
    now[0] += 30
    shown.transferred("images.zip", 12_345_678, None)
    assert capsys.readouterr().err == "images.zip, MB 12\n"


def test_training_steps_tell_epoch_loss_rate_speed_and_time_left(now: list[float]) -> None:
    display = Recorded()
    shown = Screen(epochs=2, display=display)
    shown.step(0, 1, 10, FIGURES)
    now[0] += 5
    shown.step(0, 6, 10, FIGURES)
    assert display.shown[0] == ("epoch 1/2, step", 1, 10, "loss 0.512, rate 3.0e-04, 18.2 images/s")
    assert display.shown[1][3].endswith("18.2 images/s, 0:14 left")  # a second a step, 14 steps of 20 to go


def test_the_time_left_of_a_resumed_run_counts_from_where_it_resumed(now: list[float]) -> None:
    pace = Pace()
    assert pace.left("training", 500, 1000) == ""
    now[0] += 10
    assert pace.left("training", 510, 1000) == "8:10 left"


def test_images_a_second_and_the_time_left(now: list[float]) -> None:
    display = Recorded()
    shown = Screen(display=display)
    shown.paced("images", 100, 1000)
    now[0] += 10
    shown.paced("images", 400, 1000)
    assert display.shown == [("images", 100, 1000, ""), ("images", 400, 1000, "30.0 images/s, 0:20 left")]


def test_an_epochs_line_shows_what_there_is() -> None:
    display = Recorded()
    with Screen(epochs=8, display=display) as shown:
        shown.epoch({"epoch": 2, "train_loss": 0.9, "val_balanced_accuracy": 0.7126, "val_macro_f1": None})
    assert display.lines == ["epoch 3/8: training loss 0.900, balanced accuracy 0.713"]
    assert display.closed


def test_a_live_line_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    with Screen(epochs=1) as shown:
        assert isinstance(shown.display, LiveBar)
        shown.counted("packing images", 3, 7)
        shown.step(0, 4, 9, FIGURES)
        shown.epoch({"epoch": 0, "train_loss": 0.25})
    written = capsys.readouterr()
    assert written.out == ""
    assert "4/9" in written.err and "18.2 images/s" in written.err and "training loss 0.250" in written.err


def test_no_terminal_means_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    assert isinstance(Screen().display, PlainLines)


def test_a_table_keeps_its_natural_width_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    path = "/very/long" * 20
    screen.print_table(("file", "count"), [(path, 7), ("[red]x\x1b[0m", 12345)])
    written = capsys.readouterr().out
    assert path in written and "[red]x?[0m" in written
    rows = [line.rstrip() for line in written.splitlines() if line.rstrip().endswith(("7", "12345"))]
    assert len({len(row) for row in rows}) == 1  # numbers stand flush right


def test_json_has_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    screen.print_json({"a": float("nan"), "b": [float("inf"), (1.5, "ü")]})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [None, [1.5, "ü"]]}


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (3600, "1:00:00"), (754, "12:34")])
def test_clock(seconds: float, text: str) -> None:
    assert screen.clock(seconds) == text


def test_work_that_is_begun_anew_has_a_pace_of_its_own(now: list[float]) -> None:
    """Models measured one after the other each count from the same first batch."""
    pace = Pace()
    for seconds in (100, 1):
        assert pace.left("measuring", 32, 96) == ""
        now[0] += seconds
        assert pace.left("measuring", 64, 96) == f"{seconds // 60}:{seconds % 60:02} left"
        now[0] += seconds
        assert pace.left("measuring", 96, 96) == "0:00 left"
