"""Tests of the study keep packed pixels out of the user's cache, and compute on one thread."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def apart(cache: Path, one_thread: None) -> None:
    """Ask for both."""
