"""`lesionlab report`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lesionlab.cli.main import main


def test_it_follows_an_evaluation(own: Path, synthetic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--model", str(own)]) == 2
    assert "lesionlab evaluate" in capsys.readouterr().err
    assert main(["evaluate", "--model", str(own), "--data", str(synthetic), "--resamples", "40"]) == 0
    capsys.readouterr()
    assert main(["report", "--model", str(own), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    page = Path(told["page"])
    assert page == own / "report" / "test" / "index.html" and "stress" in told["not_asked"]
    text = page.read_text()
    for section in ("operating", "sets", "abstaining", "groups", "checklist"):
        assert f'id="{section}' in text
    assert main(["report", "--model", str(own)]) == 0
    shown = capsys.readouterr().out
    assert "not asked: stress (lesionlab stress)" in shown and "index.html" in shown.replace("\n", "")
