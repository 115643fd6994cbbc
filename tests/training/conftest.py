"""Training tests run on one thread, here and in the processes they start: the same bits, and no fight for cores."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from lesionlab.data.sources import load_source
from lesionlab.data.splits import Split, grouped, write_split

sys.path.insert(0, str(Path(__file__).parent))  # for small_run, which is a script too


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    threads, before = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    yield
    torch.set_num_threads(threads)
    if before is None:
        del os.environ["OMP_NUM_THREADS"]
    else:
        os.environ["OMP_NUM_THREADS"] = before


@pytest.fixture(scope="module")
def split(synthetic: Path) -> Split:
    return grouped(load_source(synthetic).cases)


@pytest.fixture(scope="module")
def make_run(
    make_member: Callable[..., Path], split: Split, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """A function that makes what a run leaves behind, without training: (name, classes=(), split=..., **card)."""
    folder = tmp_path_factory.mktemp("runs")

    def make(name: str, classes: tuple[str, ...] = (), split: Split = split, **card: object) -> Path:
        training = {"split": {"fingerprint": split.fingerprint}, "recipe": {"site": "", "classes": list(classes)}}
        run = folder / f"{len(list(folder.iterdir()))}" / name
        make_member(run / "model", training=training, **card)
        write_split(run / "split.csv", split)
        (run / "run.json").write_text("{}")
        return run

    return make
