"""What networks start from, and what is nobody's fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from lesionlab.errors import ModelError
from lesionlab.study.weights import NotRunError, find_weights, reaching


def test_a_network_starts_from_its_file(tmp_path: Path) -> None:
    assert [find_weights(start, "xception") for start in ("imagenet", "none")] == ["imagenet", "none"]
    with pytest.raises(NotRunError, match=r"legacy_xception\.safetensors is missing"):
        find_weights(str(tmp_path), "xception")
    (tmp_path / "legacy_xception.safetensors").touch()
    assert find_weights(str(tmp_path), "xception") == str(tmp_path / "legacy_xception.safetensors")


@pytest.mark.parametrize(("weights", "begun"), [("imagenet", True), ("none", False), ("a.safetensors", False)])
def test_only_a_hub_that_does_not_answer_is_nobodys_fault(weights: str, begun: bool, tmp_path: Path) -> None:
    """A file of other weights, or a fault after a run has begun, is one."""
    with pytest.raises(NotRunError, match="not reachable"), reaching("imagenet", tmp_path / "one", tmp_path / "two"):
        raise ModelError("the hub is away")
    (tmp_path / "two").mkdir()
    if begun:
        (tmp_path / "two" / "run.json").touch()
    with pytest.raises(ModelError, match="another"), reaching(weights, tmp_path / "one", tmp_path / "two"):
        raise ModelError("another")
