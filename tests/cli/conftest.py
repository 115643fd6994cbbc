"""One small trained run that the tests of this folder share and leave as it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lesionlab.cli.main import main

TINY = ("--recipe", "tiny", "--set", "epochs=1", "--set", "size=64", "--set", "views=1", "--weights", "none")


@pytest.fixture(scope="session", autouse=True)
def apart(cache: Path, one_thread: None) -> None:
    """Keep packed pixels out of the user's cache, and compute on one thread."""


@pytest.fixture(scope="session")
def run(cache: Path, synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run folder on the synthetic source: one epoch at 64 px, protocol grouped."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert main(["train", "--data", str(synthetic), "--out", str(folder), *TINY]) == 0
    return folder


@pytest.fixture
def own(run: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, for a test that leaves traces in it."""
    return Path(shutil.copytree(run, tmp_path / "own"))


@pytest.fixture
def photographs(synthetic: Path) -> list[str]:
    """The paths of three synthetic photographs."""
    return [str(path) for path in sorted((synthetic / "images").glob("*.jpg"))[:3]]
