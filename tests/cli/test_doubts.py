"""`lesionlab doubts`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lesionlab.cli.main import main


def test_doubts_of_an_evaluated_run(
    own: Path, synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doubts", str(own)]) == 3
    assert "lesionlab evaluate" in capsys.readouterr().err
    assert main(["evaluate", "--model", str(own), "--data", str(synthetic), "--resamples", "40"]) == 0
    capsys.readouterr()
    assert main(["doubts", str(own), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["runs"] == [str(own)]
    assert main(["doubts", str(own), "--data", str(synthetic), "--out", str(tmp_path / "out")]) == 0
    assert f"{len(found['doubts'])} of {found['images']} labels are in doubt" in capsys.readouterr().out
    assert (tmp_path / "out" / "index.html").is_file()
    assert main(["doubts", str(own), "--data", str(synthetic)]) == 2
