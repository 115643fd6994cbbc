"""`lesionlab study illustrate`: what it hands on and prints. The pictures: tests/study/test_illustrate.py."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import patch

import pytest
import typer

from lesionlab.cli.illustrate import illustrate
from lesionlab.study.illustrate import Illustrated


@pytest.mark.parametrize("as_json", [False, True])
def test_arguments_and_files(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    app = typer.Typer()
    app.command()(illustrate)
    arguments = ["o", "--data", "d", "--masks", "m", "--count", "5", *(["--json"] if as_json else [])]
    found = Illustrated([Path("o/a.png"), Path("o/b.json")], ["an image was left out"])
    with patch("lesionlab.study.illustrate.illustrate", return_value=found) as drawn:
        app(args=arguments, standalone_mode=False)
    out, images, masks, count = drawn.call_args.args[:4]
    assert (out, images.data, masks, count) == (Path("o"), Path("d"), Path("m"), 5)
    shown = capsys.readouterr()
    assert (json.loads(shown.out) if as_json else shown.out.split()) == ["o/a.png", "o/b.json"]
    assert shown.err == "an image was left out\n"
