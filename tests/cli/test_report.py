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
    assert "not asked: stress (lesionlab stress --model" in shown and "index.html" in shown.replace("\n", "")


def test_evaluate_writes_it_too(own: Path, synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["evaluate", "--model", str(own), "--data", str(synthetic), "--resamples", "40", "--json"]
    assert main([*asked, "--report", str(tmp_path / "report")]) == 0
    assert json.loads(capsys.readouterr().out)["report"] == str(tmp_path / "report" / "index.html")
    assert (tmp_path / "report" / "index.html").is_file()
    looks = (own / "looks.jsonl").read_text()
    assert main([*asked, "--report", str(tmp_path / "other"), "--out", str(tmp_path / "out")]) == 2
    assert main([*asked, "--model", str(own / "model" / "model.onnx"), "--report", str(tmp_path / "other")]) == 2
    assert "run folder" in capsys.readouterr().err
    assert (own / "looks.jsonl").read_text() == looks and not (tmp_path / "other").exists()
