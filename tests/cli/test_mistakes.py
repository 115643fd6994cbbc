"""Wrong options of the commands that ask a model about a source: what they say, and that they leave nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from lesionlab.cli.main import main

COMMON = [
    (["--model", "{}"], 4, "no model here"),
    (["--split", "tests"], 2, "parts are test"),
    (["--data", "{}/none"], 3, "no such folder"),
    (["--resamples", "7"], 2, "resamples"),
]
OWN = {
    "evaluate": [(["--views", "3"], 2, "3")],
    "shortcuts": [(["--masks", "{}/none"], 3, "no such folder")],
    "stress": [(["--views", "3"], 2, "3"), (["--count", "0"], 2, "--count")],
    "subgroups": [(["--fewest", "0"], 2, "fewest"), (["--masks", "{}/none"], 3, "no such folder")],
}


@pytest.mark.parametrize(
    ("command", "options", "code", "words"),
    [(command, *mistake) for command, mistakes in OWN.items() for mistake in COMMON + mistakes],
)
def test_mistakes(
    command: str,
    options: list[str],
    code: int,
    words: str,
    run: Path,
    synthetic: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [word.format(tmp_path) for word in options]
    arguments = [command, "--model", str(run), "--data", str(synthetic), "--out", str(tmp_path / "out")]
    assert main([*arguments, *given]) == code
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists() and not (run / "looks.jsonl").exists()
