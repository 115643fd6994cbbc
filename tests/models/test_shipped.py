"""The model in the package: found where it is, missed with a remedy where it is not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lesionlab.diagnoses import CODES
from lesionlab.errors import ModelError
from lesionlab.models import shipped
from lesionlab.models.bundle import Bundle
from lesionlab.models.composite import read_model
from lesionlab.report.passing import without_paths


def test_what_is_shipped_is_found_or_missed(
    make_member: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped.resources, "files", lambda package: tmp_path)
    with pytest.raises(ModelError, match="no model comes with") as caught:
        shipped.shipped_model()
    assert "lesionlab train" in caught.value.hint
    shutil.copytree(make_member(tmp_path / "made"), tmp_path / "shipped")
    assert read_model(shipped.shipped_model()).folder == tmp_path / "shipped"


def test_the_shipped_model_is_whole_small_and_says_what_it_may_be_used_for() -> None:
    folder = shipped.shipped_model()
    model = read_model(folder)  # checks every hash
    assert isinstance(model, Bundle) and model.features and model.decisions and model.decisions.outlier
    assert tuple(model.classes) == CODES
    assert "non-commercial" in model.licence
    assert sum(path.stat().st_size for path in folder.iterdir()) < 12_000_000
    assert {path.name for path in folder.iterdir()} == {"bundle.json", *model.files}
    assert model.training["split"]["protocol"] == "grouped"
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "--split test" in card and "--split kept_out" in card
    for text in (card, (folder / "bundle.json").read_text(encoding="utf-8")):
        assert without_paths(text) == text, "no folder of the machine that it was trained on"
