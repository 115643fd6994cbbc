"""`lesionlab study report`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lesionlab.cli.study_report import report
from lesionlab.errors import DataError


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(report)
    return app


def test_it_says_where_the_page_is(app: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Path, bool, Path | None]] = []

    def write(out: Path, photographs: bool, folder: Path | None) -> Path:
        asked.append((out, photographs, folder))
        return (folder or out / "report") / "index.html"

    monkeypatch.setattr("lesionlab.study.report.write_report", write)
    page = str(tmp_path / "report" / "index.html")
    assert page in CliRunner().invoke(app, [str(tmp_path)]).output.replace("\n", "")
    told = CliRunner().invoke(app, [str(tmp_path), "--without-photographs", "--out", "docs", "--json"])
    assert json.loads(told.output) == {"page": str(Path("docs", "index.html")), "photographs": False}
    assert asked == [(tmp_path, True, None), (tmp_path, False, Path("docs"))]


def test_a_folder_without_study(app: typer.Typer, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [str(tmp_path)])
    assert isinstance(result.exception, DataError) and "no study here" in str(result.exception)
