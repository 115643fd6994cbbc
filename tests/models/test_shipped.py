"""The model in the package: found where it is, missed with a remedy where it is not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lesionlab.errors import ModelError
from lesionlab.models import shipped
from lesionlab.models.composite import read_model


def test_what_is_shipped_is_found_or_missed(
    make_member: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped.resources, "files", lambda package: tmp_path)
    with pytest.raises(ModelError, match="no model comes with") as caught:
        shipped.shipped_model()
    assert "lesionlab train" in caught.value.hint
    shutil.copytree(make_member(tmp_path / "made"), tmp_path / "shipped")
    assert read_model(shipped.shipped_model()).folder == tmp_path / "shipped"
