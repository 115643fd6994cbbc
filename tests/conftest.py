"""Shared fixtures: the real images where they lie beside the repository, and a small synthetic source."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("LESIONLAB_SHARED", Path(__file__).resolve().parents[1].parent / "shared"))


@pytest.fixture(scope="session")
def ham10000() -> Path:
    """The folder of real HAM10000 images; the test is skipped where it is missing."""
    folder = SHARED / "ham10000"
    if not (folder / "HAM10000_metadata.csv").is_file():
        pytest.skip(f"the real HAM10000 images are not at {folder} (set LESIONLAB_SHARED)")
    return folder


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic source of 42 lesions, small images."""
    from lesionlab.data.sources.synthetic import generate

    return generate(tmp_path_factory.mktemp("synthetic") / "source", lesions=42, seed=7, size=(96, 72))
