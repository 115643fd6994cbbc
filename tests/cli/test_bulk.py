"""Bulk runs as a person sees them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from lesionlab.cli import bulk
from lesionlab.cli.bulk import MOST_TOLD, Watch
from lesionlab.cli.main import main
from lesionlab.cli.screen import Screen


class Recorded:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.shown: list[tuple[str, int, int]] = []

    def show(self, what: str, done: int, total: int, remark: str) -> None:
        self.shown.append((what, done, total))

    def line(self, text: str) -> None:
        self.lines.append(text)

    def close(self) -> None: ...


def test_the_first_refusals_are_told() -> None:
    display = Recorded()
    watch = Watch(Screen(display=display))
    watch(None, 5, 100)
    watch({"image_id": "a"}, 6, 100)
    for done in range(7, 50):
        watch({"refused": f"{done}.jpg: damaged"}, done, 100)
    assert display.lines[:2] == ["goes on after 5 of 100 images", "refused: 7.jpg: damaged"]
    assert len(display.lines) == MOST_TOLD + 2 and "not told here" in display.lines[-1]
    assert display.shown[0] == ("images", 5, 100) and display.shown[-1] == ("images", 49, 100)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_it_and_the_same_command_goes_on(
    number: int, code: int, run: Path, synthetic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    class Stopping(Watch):
        def __call__(self, row: object, done: int, count: int) -> None:
            super().__call__(row, done, count)  # type: ignore[arg-type]
            if done == 17:
                os.kill(os.getpid(), number)

    given = ["predict", str(synthetic / "images"), "--model", str(run), "--out"]
    with monkeypatch.context() as patch:
        patch.setattr(bulk, "Watch", Stopping)
        assert main([*given, str(tmp_path / "stopped.csv")]) == code
    shown = capsys.readouterr()
    assert "the same command goes on" in shown.err and "stopped.csv.parts" in shown.err and shown.out == ""
    assert main([*given, str(tmp_path / "stopped.csv")]) == 0
    assert "goes on after 16 of" in capsys.readouterr().err
    assert main([*given, str(tmp_path / "straight.csv")]) == 0
    assert (tmp_path / "stopped.csv").read_bytes() == (tmp_path / "straight.csv").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_another_model_is_refused(
    run: Path, photographs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    class Stopping(Watch):
        def __call__(self, row: object, done: int, count: int) -> None:
            if done == 2:
                os.kill(os.getpid(), signal.SIGTERM)

    given = ["predict", *photographs, "--model", str(run), "--out", str(tmp_path / "answers.csv")]
    with monkeypatch.context() as patch:
        patch.setattr(bulk, "Watch", Stopping)
        assert main(given) == 143
    capsys.readouterr()
    assert main([*given, "--views", "2"]) == 3
    assert "views None then, 2 now" in capsys.readouterr().err
    assert main([*given[:-2], "--point", "sensitivity 0.95", "--out", given[-1]]) == 3
    assert "point" in capsys.readouterr().err
    assert main(given[:2] + given[3:]) == 3
    assert main([*given[:2], *given[4:], "--as-listed"]) == 0
