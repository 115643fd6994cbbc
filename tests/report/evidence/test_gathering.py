"""What lies in a run folder is found, what does not is missed with a remedy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lesionlab.errors import DataError, UsageError
from lesionlab.files import write_json
from lesionlab.report.evidence.gathering import ELSEWHERE, STUDIES, Evidence, gather
from lesionlab.report.opened import LOOKS


def test_everything_that_lies_there_is_found(bare: Evidence, full: Evidence) -> None:
    assert bare.studies == {} and set(full.studies) == set(STUDIES)
    assert full.metrics == bare.metrics and full.metrics["images"] == len(full.predictions)
    assert full.elsewhere is None and full.looks == [] and full.made["status"] == "finished"
    assert full.seen, "validation images had a part in making the model"


def test_looks_and_images_of_another_source(judged: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(judged, tmp_path / "own"))
    (own / LOOKS).write_text('{"time": "2026-01-01T00:00:00", "command": "x"}\n')
    write_json(own / ELSEWHERE, {"images": 3, "questions": {}})
    found = gather(own, "val")
    assert [look["command"] for look in found.looks] == ["x"]
    assert found.elsewhere == {"images": 3, "questions": {}}
    (own / LOOKS).write_text("no JSON\n")
    with pytest.raises(DataError, match="no JSON"):
        gather(own, "val")


def test_what_was_not_evaluated(judged: Path) -> None:
    with pytest.raises(UsageError, match="was not evaluated on its test images") as caught:
        gather(judged, "test")
    assert "lesionlab evaluate" in caught.value.hint
    with pytest.raises(UsageError, match="no such part"):
        gather(judged, "tset")


def test_a_lone_model_has_no_evidence(judged: Path, tmp_path: Path) -> None:
    alone = shutil.copytree(judged / "model", tmp_path / "alone")
    with pytest.raises(UsageError, match="no run folder"):
        gather(Path(alone), "val")


def test_diagnoses_known_in_part(judged: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(judged, tmp_path / "own"))
    write_json(own / "evaluation" / "val" / "metrics.json", {"images": 3, "questions": {}})
    with pytest.raises(DataError, match="known in part only"):
        gather(own, "val")
