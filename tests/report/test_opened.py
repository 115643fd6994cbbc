"""One part of a source, opened for a model: what is refused before the model is asked, and the count of looks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lesionlab.data.splits import read_split
from lesionlab.errors import UsageError
from lesionlab.report.opened import LOOKS, open_part
from lesionlab.report.parts import Images


@pytest.fixture
def own(run: Path, tmp_path: Path) -> Path:
    """A copy of the run folder, for a test that leaves traces in it."""
    shutil.copytree(run, tmp_path / "own")
    return tmp_path / "own"


def test_what_is_opened(own: Path, synthetic: Path, tmp_path: Path) -> None:
    opened = open_part(own, Images(synthetic), "val")
    parts = read_split(own / "split.csv").parts
    assert opened.run == own and opened.folder == own / "evaluation" / "val"
    assert {case.image_id for case in opened.cases} == {name for name, part in parts.items() if part == "val"}
    assert opened.pack.readable(opened.cases) == [case for case in opened.pack.cases if parts[case.image_id] == "val"]
    assert open_part(own, Images(synthetic), "val", kind="stress").folder == own / "stress" / "val"
    assert open_part(own, Images(synthetic), "val", out=tmp_path / "out").folder == tmp_path / "out"
    assert not (tmp_path / "out").exists()


def test_images_that_were_trained_on_are_counted(own: Path, synthetic: Path, tmp_path: Path) -> None:
    opened = open_part(own, Images(synthetic), "train")
    names = [case.image_id for case in opened.cases]
    assert opened.trained_on(names) == len(names) > 0
    lone = open_part(own / "model", Images(synthetic), "all", out=tmp_path / "out")
    assert lone.split is not None and lone.trained_on(names) == len(names)
    alone = Path(shutil.copytree(own / "model", tmp_path / "alone"))
    unknown = open_part(alone, Images(synthetic), "all", out=tmp_path / "out")
    assert unknown.trained_on(names) is None and unknown.note_look(names, "asked") is None


def test_only_test_images_are_a_look(own: Path, synthetic: Path) -> None:
    opened = open_part(own, Images(synthetic), "val")
    names = [case.image_id for case in opened.cases]
    assert opened.note_look(names, "first") == 0 and not (own / LOOKS).exists()
    assert opened.split
    opened.split.parts[names[0]] = "test"
    assert [opened.note_look(names, command) for command in ("first", "second")] == [1, 2]
    looks = [json.loads(line) for line in (own / LOOKS).read_text().splitlines()]
    assert [(look["part"], look["command"]) for look in looks] == [("val", "first"), ("val", "second")]


@pytest.mark.parametrize(("part", "resamples", "words"), [("tests", 0, "parts are test"), ("val", 7, "resamples")])
def test_wrong_options_are_refused_before_a_model_is_read(
    part: str, resamples: int, words: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        open_part(tmp_path / "none", Images(tmp_path / "none"), part, resamples=resamples)
    assert words in f"{caught.value.message} {caught.value.hint}"
