"""Shared fixtures: the real images where they lie beside the repository, and a small synthetic source."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

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


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keeps packed pixels out of the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LESIONLAB_CACHE", str(folder))
        yield folder


EMPTY = """
import typer
def main(name: str = "x") -> None:
    "Say it."
typer.run(main)
"""


def processor_seconds(*command: str) -> float:
    """Return the processor time of a program."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], capture_output=True, check=True, stdin=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.fixture(scope="session")
def help_seconds() -> Callable[..., tuple[float, float]]:
    """Tells the processor seconds of a command's --help, and how many it may take.

    That is .4, or on a slow machine 2.2 times what the help of an empty Typer program takes at the same time; the least
    of three each, because a busy machine stretches even processor time.
    """

    def measured(*words: str) -> tuple[float, float]:
        ways = ("-c", EMPTY, "--help"), ("-m", "lesionlab", *words, "--help")
        pairs = [[processor_seconds(*way) for way in ways] for _ in range(3)]
        return min(ours for _, ours in pairs), max(0.4, 2.2 * min(empty for empty, _ in pairs))

    return measured


@pytest.fixture(scope="session")
def one_thread() -> Iterator[None]:
    """Computes with one thread: networks this small gain nothing from more, and lose much on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def make_network() -> Callable[..., Any]:
    """A function that makes a random network with a head that tells images apart: (name="tiny", size=64)."""

    def make(name: str = "tiny", size: int = 64) -> Any:
        import torch

        from lesionlab.models.backbones import create, features
        from lesionlab.models.onnx_export import random_images

        torch.manual_seed(0)
        model = create(name, size=size).eval()
        with torch.no_grad():
            seen = features(model, torch.from_numpy(random_images(32, size, seed=9)).permute(0, 3, 1, 2) / 127.5 - 1)
            head = model.get_classifier()
            head.weight.copy_(torch.randn_like(head.weight) / seen.std(0).clamp_min(1e-6) / len(head.weight[0]) ** 0.5)
            head.bias.copy_(-head.weight @ seen.mean(0))
        return model

    return make


@pytest.fixture(scope="session")
def make_member(tmp_path_factory: pytest.TempPathFactory, make_network: Callable[..., Any]) -> Callable[..., Path]:
    """A function that copies one tiny model at 64 px into a folder and changes its card: (folder, **card).

    A prior offset or a colour makes such members disagree.
    """
    from lesionlab.models.bundle import BundleDetails
    from lesionlab.models.writing import write_bundle

    details = BundleDetails(architecture="tiny", size=64, training={"split": {"fingerprint": "one"}})
    first = write_bundle(tmp_path_factory.mktemp("member") / "model", make_network(), details).folder

    def make(folder: Path, **card: Any) -> Path:
        shutil.copytree(first, folder)
        content = json.loads((folder / "bundle.json").read_text())
        (folder / "bundle.json").write_text(json.dumps(content | card))
        return folder

    return make


@pytest.fixture(scope="session")
def deciding(make_member: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model at 64 px with the decisions of the one that comes with the package."""
    from lesionlab.models.shipped import shipped_model

    card = json.loads((shipped_model() / "bundle.json").read_text())
    folder = tmp_path_factory.mktemp("deciding") / "model"
    return make_member(folder, decisions=card["decisions"], frame_aspect=4 / 3)


@pytest.fixture(scope="session")
def photograph() -> Callable[..., bytes]:
    """A function that makes a photograph as a file's content: (kind="JPEG", seed=0, **how Pillow saves it)."""

    def make(kind: str = "JPEG", seed: int = 0, **how: Any) -> bytes:
        import numpy as np
        from PIL import Image

        coarse = np.random.default_rng(seed).integers(60, 220, (9, 12, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(coarse).resize((96, 72), Image.Resampling.BICUBIC).save(buffer, kind, **how)
        return buffer.getvalue()

    return make


class Serving:
    """A server that runs: its process, its port, and the lines of its log so far."""

    def __init__(self, running: subprocess.Popen[str]) -> None:
        self.running, self._lines = running, []
        threading.Thread(target=self._listen, daemon=True).start()
        found = re.search(r"http://\S*:(\d+)/", self.output().readline())
        assert found, self.log
        self.port = int(found[1])
        self.address = f"http://127.0.0.1:{self.port}"

    def _listen(self) -> None:
        assert self.running.stderr is not None
        for line in self.running.stderr:
            self._lines.append(line)

    def output(self) -> IO[str]:
        """Return its standard output."""
        assert self.running.stdout is not None
        return self.running.stdout

    @property
    def log(self) -> str:
        return "".join(self._lines)

    def descriptors(self) -> int:
        """Return how many files and sockets it has open."""
        return sum(1 for _ in Path(f"/proc/{self.running.pid}/fd").iterdir())

    def memory(self) -> float:
        """Return its resident memory in MiB."""
        return int(Path(f"/proc/{self.running.pid}/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


@pytest.fixture(scope="session")
def serve(deciding: Path) -> Callable[..., AbstractContextManager[Serving]]:
    """A function that runs `lesionlab serve` on the tiny model while a with block lasts: (*options, **environment)."""

    @contextlib.contextmanager
    def run(*options: str, **environment: str) -> Iterator[Serving]:
        command = [sys.executable, "-m", "lesionlab", "serve", "--model", str(deciding), "--port", "0", *options]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        # tests that run in a shell's background have SIGINT ignored, and would hand that on
        pipes["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
        with subprocess.Popen(command, env=os.environ | environment, **pipes) as running:
            try:
                yield Serving(running)
            finally:
                running.terminate()

    return run
