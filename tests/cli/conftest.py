"""One small trained run that the tests of this folder share and leave as it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from lesionlab.cli.main import main

TINY = ("--recipe", "tiny", "--set", "epochs=1", "--set", "size=64", "--set", "views=1", "--weights", "none")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep packed pixels of these tests out of the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LESIONLAB_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Compute with one thread: networks this small gain nothing from more, and lose much on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def run(cache: Path, synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run folder on the synthetic source: one epoch at 64 px, protocol grouped."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert main(["train", "--data", str(synthetic), "--out", str(folder), *TINY]) == 0
    return folder


@pytest.fixture
def photographs(synthetic: Path) -> list[str]:
    """The paths of three synthetic photographs."""
    return [str(path) for path in sorted((synthetic / "images").glob("*.jpg"))[:3]]
