"""`lesionlab study siblings`: what it hands on and prints. The experiment itself: tests/study/test_siblings.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import typer

from lesionlab.cli.siblings import rows, siblings
from lesionlab.evaluation.metrics import OVERALL

FOUND: dict[str, Any] = {
    "seeds": [0, 1],
    "images": {"train": 90, "val": 20, "test": 11},
    "arms": {arm: dict.fromkeys(OVERALL, value) for arm, value in (("clean", 0.5), ("leak", 0.625))},
    "pooled": {name: {"value": 0.125, "low": 0.1, "high": 0.15, "spread": 0.01} for name in OVERALL},
}


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Any:
    """A function of the arguments that runs the command, with the experiment replaced: (experiment, stdout)."""
    app = typer.Typer()
    app.command()(siblings)

    def run(*arguments: str) -> tuple[Any, str]:
        with patch("lesionlab.study.siblings.run_siblings", return_value=FOUND) as ran:
            app(args=list(arguments), standalone_mode=False)
        return ran.call_args.args[0], capsys.readouterr().out

    return run


def test_arguments_and_table(told: Any) -> None:
    experiment, shown = told("--data", "d", "--out", "o", "--recipe", "tiny", "--set", "size=32", "--seeds", "2")
    assert (experiment.data, experiment.folder) == (Path("d"), Path("o/siblings"))
    assert experiment.seeds == (0, 1) and experiment.recipe.size == 32
    assert "macro F1" in shown and "+0.125" in shown and "means of 2 seeds" in shown and "test 11" in shown


def test_json(told: Any) -> None:
    assert json.loads(told("--data", "d", "--out", "o", "--recipe", "tiny", "--json")[1]) == FOUND


def test_what_is_undefined_is_told() -> None:
    table = {name: {"value": 0.1, "low": None, "high": None} for name in OVERALL}
    found = FOUND | {"pooled": table | {"melanoma_auroc": {"value": None, "low": None, "high": None}}}
    shown = {row[0]: row[1:] for row in rows(found)}
    assert shown["melanoma AUROC"] == ("undefined", "", "", "")
    assert shown["accuracy"] == ("0.500", "0.625", "+0.100", "")
