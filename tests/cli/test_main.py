"""The front of the command line: help, version, and how faults end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from lesionlab import __version__
from lesionlab.cli import main
from lesionlab.errors import DataError, ModelError, UsageError
from lesionlab.training.signals import RunStoppedError

COMMANDS = [
    *(f"data {name}" for name in ("check", "split", "download", "synth", "augment-preview", "pack")),
    *("train", "evaluate", "compare", "stress", "subgroups", "predict", "explain", "serve", "export"),
    *("models", "doctor", "demo"),
]
HEAVY = ("torch", "torchvision", "timm", "sklearn", "matplotlib", "onnxruntime", "numpy", "PIL", "pydantic_settings")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([*command.split(), "--help"]) == 0
    assert f"Example: lesionlab {command} " in " ".join(capsys.readouterr().out.split()) + " "


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\nfrom lesionlab.cli.main import main\n"
        f"for command in {COMMANDS!r}:\n    assert main([*command.split(), '--help']) == 0\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("command", ["", "train", "data split"])
def test_help_is_quick(command: str, help_seconds: Callable[..., tuple[float, float]]) -> None:
    took, most = help_seconds(*command.split())
    assert took < most


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--version"]) == 0
    assert capsys.readouterr().out == f"lesionlab {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "word"), [(["trian"], "train"), (["train"], "--data"), (["models", "--x"], "--x")]
)
def test_usage_errors_exit_with_2(arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(arguments) == 2
    assert word in capsys.readouterr().err


@pytest.mark.parametrize(("kind", "code"), [(UsageError, 2), (DataError, 3), (ModelError, 4)])
def test_a_users_mistake_is_two_lines(
    kind: type[UsageError], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raise_in_doctor(monkeypatch, kind("x.jpg\x1b[2J: is bad", "mend it"))
    assert main.main(["doctor"]) == code
    shown = capsys.readouterr()
    assert shown.err == "error: x.jpg?[2J: is bad\nhint: mend it\n"
    assert shown.out == ""


def test_json_errors_are_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    raise_in_doctor(monkeypatch, DataError("bad", "mend it"))
    assert main.main(["doctor", "--json"]) == 3
    assert json.loads(capsys.readouterr().out) == {"error": "bad", "hint": "mend it"}


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (RunStoppedError(2), 130, "--resume"),
        (RunStoppedError(15), 143, "--resume"),
        (KeyboardInterrupt(), 130, ""),
        (ZeroDivisionError("ours"), 1, "ZeroDivisionError: ours"),
        (ModuleNotFoundError("no torch", name="torch.nn"), 2, "pip install 'lesionlab[train]'"),
        (ModuleNotFoundError("no such", name="lesionlab.gone"), 1, "please report it"),
    ],
)
def test_other_ends(
    error: BaseException, code: int, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raise_in_doctor(monkeypatch, error)
    assert main.main(["doctor"]) == code
    assert words in capsys.readouterr().err


def test_a_closed_pipe_is_quiet() -> None:
    """`lesionlab ... | head -1`: the reader leaves before anything is written."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "lesionlab", "train", "--help"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert "Traceback" not in done.stderr and "fault of lesionlab" not in done.stderr


def test_a_terminal_without_utf8_does_not_crash() -> None:
    program = "from lesionlab.cli import screen; screen.accept_any_terminal(); screen.say('größe'); "
    program += "screen.print_table(('größe',), [('Ω' * 200,)]); screen.note('Ω')"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "NO_COLOR": "1"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.startswith("gr??e\n") and "?" * 200 in done.stdout
    assert done.stderr == "?\n"


def raise_in_doctor(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let the command `doctor` fail with the given error when it prints."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("lesionlab.cli.doctor.examine", fail)
