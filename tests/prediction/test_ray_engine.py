"""Bulk answers on a Ray of this machine's own."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from lesionlab.errors import ModelError
from lesionlab.models.bundle import Bundle, read_bundle
from lesionlab.prediction import ray_engine as module
from lesionlab.prediction.bulk import local_engine, score
from lesionlab.prediction.paths import Entry
from lesionlab.prediction.predictor import Predictor
from lesionlab.prediction.ray_engine import ray_engine

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra ray")


@pytest.fixture(autouse=True)
def own_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take no cluster that is about, and leave no trace in the environment; blocks of one batch share the work out."""
    for name in (
        "RAY_ADDRESS",
        "RAY_USAGE_STATS_ENABLED",
        "RAY_BACKEND_LOG_LEVEL",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER",
    ):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(module, "BLOCK", 8)


def test_two_workers_answer_as_this_process_does(
    bundle: Bundle, images: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(images[0].parent)
    listed = [Entry(f"case {n}", Path(images[n % 9].name if n != 11 else "gone.png")) for n in range(30)]
    predictor, before = Predictor(bundle), signal.getsignal(signal.SIGTERM)
    score(tmp_path / "local.jsonl", listed, local_engine(predictor), {})
    nodes: list[list[str]] = []

    def watch(row: object, done: int, count: int) -> None:
        if done == 1:
            nodes.append([node["NodeManagerAddress"] for node in importlib.import_module("ray").nodes()])

    score(tmp_path / "ray.jsonl", listed, ray_engine(predictor, workers=2), {}, watch)
    local, ray = ([json.loads(line) for line in (tmp_path / f"{name}.jsonl").open()] for name in ("local", "ray"))
    assert len(local) == 30 and sum("refused" in row for row in ray) == 1
    for mine, theirs in zip(local, ray, strict=True):
        numbers = {name: pytest.approx(value, abs=1e-6) for name, value in mine.items() if isinstance(value, float)}
        assert theirs == mine | numbers
    assert nodes == [["127.0.0.1"]], "nobody else can reach it"
    assert signal.getsignal(signal.SIGTERM) is before
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


@pytest.mark.slow
def test_another_model_on_a_worker_is_refused(bundle: Bundle, images: list[Path], tmp_path: Path) -> None:
    """The folder is changed after it was read, as if another machine held another model under its path."""
    folder = shutil.copytree(bundle.folder, tmp_path / "model")
    predictor = Predictor(read_bundle(folder))
    engine = ray_engine(predictor, workers=1)
    card = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps(card | {"views": 2}))
    with pytest.raises(ModelError, match="not the same model"):
        list(engine([Entry("one", images[0])]))
