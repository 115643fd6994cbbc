"""Run folders of random networks on the synthetic source, as training would leave them, made without training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lesionlab.data.cases import labelled
from lesionlab.data.sources import load_source
from lesionlab.data.splits import paper, write_split
from lesionlab.files import write_json


@pytest.fixture(scope="session", autouse=True)
def apart(cache: Path) -> None:
    """Keep packed pixels of these tests out of the user's cache."""


def _write_run(folder: Path, source: Path, make_member: Callable[..., Path], **card: object) -> Path:
    split = paper(labelled(load_source(source).cases, "synthetic"))
    training = {"split": {"fingerprint": split.fingerprint}, "recipe": {}}
    make_member(folder / "model", training=training, **card)
    write_split(folder / "split.csv", split)
    write_json(folder / "run.json", {"status": "finished"})
    return folder


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, synthetic: Path, make_member: Callable[..., Path]) -> Path:
    """The run folder of a network in colour, split as the seed paper does."""
    return _write_run(tmp_path_factory.mktemp("colour") / "run", synthetic, make_member)


@pytest.fixture(scope="session")
def gray_run(tmp_path_factory: pytest.TempPathFactory, synthetic: Path, make_member: Callable[..., Path]) -> Path:
    """The run folder of the same network, which sees grey images."""
    return _write_run(tmp_path_factory.mktemp("grey") / "run", synthetic, make_member, colour="gray")
