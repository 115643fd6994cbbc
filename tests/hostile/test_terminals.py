"""Trial X1: any terminal or none, any path, a home that cannot be written, and help that comes at once."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from lesionlab.cli.main import app

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
COLOUR = re.compile(rb"\x1b\[[0-9;]*3[0-7]")
ODD_NAMES = [
    "läsion 1.jpg",
    "色素 斑.jpg",
    "two\nlines.jpg",
    "-dash.jpg",
    "per%cent [1].jpg",
    "'quoted\".jpg",
    "=1+1.jpg",
]


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command, groups included."""
    yield words
    for name, one in getattr(command, "commands", {}).items():
        yield from commands(one, (*words, name))


def lesionlab(*arguments: str | bytes, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command without a terminal, its standard input closed."""
    given = [sys.executable, "-m", "lesionlab", *arguments]
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "PYTHONUTF8", "TERM")}
    return subprocess.run(given, env=kept | environment, capture_output=True, stdin=subprocess.DEVNULL, timeout=120)


def on_terminal(*arguments: str, **environment: str) -> tuple[int, bytes]:
    """Run a command on a terminal of its own; return its exit code and all that it drew."""
    ours, theirs = pty.openpty()
    given = [sys.executable, "-m", "lesionlab", *arguments]
    program = subprocess.Popen(given, env=os.environ | environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    drawn = b""
    try:
        while piece := os.read(ours, 65536):
            drawn += piece
    except OSError:  # the terminal is gone once its last program is
        pass
    os.close(ours)
    return program.wait(), drawn


@pytest.mark.slow
def test_every_help_comes_at_once_and_without_torch(help_seconds: Callable[..., tuple[float, float]]) -> None:
    listing = "import sys; from lesionlab.cli.main import main; main({}); sys.exit('torch' in sys.modules)"
    slowest = ("", 0.0, 0.0)
    found = list(commands(typer.main.get_command(app)))
    assert len(found) > 25
    for words in found:
        done = lesionlab(*words, "--help")
        assert done.returncode == 0 and b"Usage" in done.stdout and not done.stderr, words
        took, most = help_seconds(*words)
        assert took < most, words
        slowest = max(slowest, (" ".join(words), took, most), key=lambda one: one[1])
        subprocess.run([sys.executable, "-c", listing.format([*words, "--help"])], check=True, capture_output=True)
    name, took, most = slowest
    print(f"\nX1 help: {len(found)} commands, slowest {took:.2f} s ({name}) of {most:.2f} s, none imports torch")


@pytest.fixture
def odd(synthetic: Path, tmp_path: Path) -> Path:
    """A folder whose name and files are hard to spell, one of them no text at all."""
    folder = tmp_path / "Bilder für alle (neu)"
    folder.mkdir()
    content = next((synthetic / "images").glob("*.jpg")).read_bytes()
    for name in (*map(os.fsencode, ODD_NAMES), b"l\xe4sion.jpg"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(content)
    (folder / "böse.jpg").write_bytes(b"no image")
    return folder


@pytest.mark.parametrize("language", [ASCII, pytest.param({}, marks=pytest.mark.slow)], ids=["ascii", "utf-8"])
def test_any_path_is_read_and_written(odd: Path, language: dict[str, str]) -> None:
    """Also where the terminal knows no letter of the paths."""
    for name in ("answers größe.csv", "answers 1.jsonl"):
        done = lesionlab("predict", str(odd), "--views", "1", "--out", str(odd.parent / name), **language)
        assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr
        assert done.stderr.count(b"refused: ") == 1 and b"neither JPEG" in done.stderr
    rows = list(csv.DictReader((odd.parent / "answers größe.csv").open(encoding="utf-8", newline="")))
    lines = [json.loads(line) for line in (odd.parent / "answers 1.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == len(ODD_NAMES) + 1 and len(lines) == len(ODD_NAMES) + 2
    shown = lesionlab("predict", str(odd), "--views", "1", **language)
    assert shown.returncode == 0 and b"not a medical device" in shown.stdout


@pytest.mark.slow
@pytest.mark.parametrize("home", ["/dev/null/home", "/proc", ""])
def test_a_home_that_cannot_be_written(odd: Path, home: str) -> None:
    places = {"HOME": home, "XDG_CACHE_HOME": home, "LESIONLAB_CACHE": "", "TMPDIR": str(odd.parent)}
    for arguments in (("--help",), ("predict", str(odd), "--views", "1", "--json"), ("doctor",), ("models",)):
        done = lesionlab(*arguments, **places)
        assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr
    explained = lesionlab("explain", str(odd / ODD_NAMES[0]), "--out", str(odd.parent / "maps"), **places)
    assert explained.returncode == 0 and list((odd.parent / "maps").iterdir()), explained.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "unwanted"), [({"NO_COLOR": "1", "TERM": "xterm-256color"}, COLOUR), ({"TERM": "dumb"}, b"\x1b")]
)
def test_terminals_without_colours(odd: Path, environment: dict[str, str], unwanted: bytes) -> None:
    for arguments in (("--help",), ("predict", str(odd), "--views", "1"), ("predict", str(odd.parent / "none"))):
        code, drawn = on_terminal(*arguments, **environment)
        assert code in (0, 3) and drawn and not re.search(unwanted, drawn), drawn


@pytest.mark.slow
def test_without_a_terminal_nothing_is_drawn(odd: Path) -> None:
    done = lesionlab("predict", str(odd), "--views", "1", COLUMNS="20")
    assert b"\x1b" not in done.stdout + done.stderr
    assert all(len(line) < 200 for line in done.stderr.splitlines() if not line.startswith(b"refused"))
