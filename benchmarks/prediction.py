"""Prediction beside plain torch: images/s from JPEG files to a CSV, memory, seconds to the first answer.

    python benchmarks/prediction.py --images ham10000/images [--model MODEL] [--count 1000] [--out FILE.json]

The named alternative is the same network in the same process layout that a timm user writes: `timm.create_model` in
fp32, eager, `torch.inference_mode`, a DataLoader with as many workers as there are processors, Pillow for decoding and
squashing, batches of 32, the csv module. Both get the same files and one view of each image, one after the other,
several rounds, each in a process of its own; the ratio is the median of the rounds' ratios. What is timed begins when
everything is loaded and ends with the last line written; the seconds to one answer are of whole processes, as a shell
sees them. `growth` is how long the second half of the images takes beside the first.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BATCH = 32
ROUNDS_OF_STARTING = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="a folder with JPEG files")
    parser.add_argument("--model", type=Path, default=None, help="a run folder or a model; the shipped one by default")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--child", choices=sorted(CHILDREN), default=None, help=argparse.SUPPRESS)
    given = parser.parse_args()
    files = sorted(given.images.rglob("*.jpg"))[: given.count]
    if given.child:
        print(json.dumps(CHILDREN[given.child](given.model, files)))
        return
    result = measure(given.images, given.model or shipped(), len(files), given.rounds)
    text = json.dumps(result, indent=2) + "\n"
    print(text, end="")
    if given.out:
        given.out.write_text(text, encoding="utf-8")


def shipped() -> Path:
    from lesionlab.models.shipped import shipped_model

    return shipped_model()


def measure(images: Path, model: Path, count: int, rounds: int) -> dict[str, Any]:
    """Return the figures of both sides and their ratios."""

    def child(kind: str, number: int) -> dict[str, Any]:
        return json.loads(_run([__file__, "--child", kind, "--images", images, "--model", model, "--count", number]))

    pairs = [(child("ours", count), child("torch", count)) for _ in range(rounds)]
    one = next(images.rglob("*.jpg"))
    starts = [(_seconds(_OURS, model, one), _seconds(_TORCH, model, one)) for _ in range(ROUNDS_OF_STARTING)]
    ours, theirs = ([pair[side] for pair in pairs] for side in (0, 1))
    return {
        "images": count,
        "network": ours[0]["network"],
        "precision": ours[0]["precision"],
        "processors": len(os.sched_getaffinity(0)),
        "ours_images_per_second": _median(row["images_per_second"] for row in ours),
        "torch_images_per_second": _median(row["images_per_second"] for row in theirs),
        "ratio": _median(a["images_per_second"] / b["images_per_second"] for a, b in pairs),
        "growth": _median(row["growth"] for row in ours),
        "ours_megabytes": _median(row["megabytes"] for row in ours),
        "torch_megabytes_without_workers": _median(row["megabytes"] for row in theirs),
        "ours_seconds_to_an_answer": _median(ours for ours, _ in starts),
        "torch_seconds_to_an_answer": _median(theirs for _, theirs in starts),
        "ratio_to_an_answer": _median(theirs / ours for ours, theirs in starts),
    }


def _median(values: Any) -> float:
    return round(statistics.median(values), 2)


def _run(arguments: Sequence[object]) -> str:
    return subprocess.run(
        [sys.executable, *map(str, arguments)], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.splitlines()[-1]


def _seconds(script: str, model: Path, image: Path) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", script, str(model), str(image)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


_OURS = """
import sys
from lesionlab.cli.main import main
sys.exit(main(["predict", sys.argv[2], "--model", sys.argv[1], "--views", "1"]))
"""

_TORCH = """
import json, sys
from pathlib import Path
import lesionlab.torch_setup
import numpy, timm, torch
from PIL import Image
folder = Path(sys.argv[1])
folder = folder if (folder / "bundle.json").is_file() else folder / "model"
card = json.loads((folder / "bundle.json").read_text())
model = timm.create_model(card["architecture"], num_classes=7).eval()
image = Image.open(sys.argv[2]).convert("RGB").resize((card["size"],) * 2, Image.Resampling.BOX)
pixels = torch.from_numpy(numpy.asarray(image).copy()).permute(2, 0, 1)[None].float() / 255
mean, std = (torch.tensor(card[name]).view(3, 1, 1) for name in ("mean", "std"))
with torch.inference_mode():
    print(model((pixels - mean) / std).softmax(1))
"""


def ours(model: Path, files: list[Path]) -> dict[str, Any]:
    """Answer all files as `lesionlab predict` does."""
    from lesionlab.models.bundle import Bundle
    from lesionlab.models.composite import read_model
    from lesionlab.prediction.answers import COLUMNS, csv_lines, write_lines
    from lesionlab.prediction.predictor import Predictor

    found = read_model(model)
    assert isinstance(found, Bundle)
    predictor, times = Predictor(found, views=1), [time.perf_counter()]

    def told():  # type: ignore[no-untyped-def]
        for number, answer in enumerate(predictor.predict(files), start=1):
            if number == len(files) // 2:
                times.append(time.perf_counter())
            yield answer

    with tempfile.TemporaryDirectory() as folder:
        write_lines(Path(folder) / "answers.csv", csv_lines(told(), COLUMNS))
    times.append(time.perf_counter())
    return {
        "network": found.architecture,
        "precision": found.precision,
        "growth": (times[2] - times[1]) / (times[1] - times[0]),
        **_figures(times[2] - times[0], len(files)),
    }


def theirs(model: Path, files: list[Path]) -> dict[str, Any]:
    """Answer all files as a short torch program does; the weights are random, which takes no more and no less time."""
    import lesionlab.torch_setup  # noqa: F401  (before timm, which imports torchvision)

    # ruff: isort: split
    import numpy as np
    import timm
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset

    from lesionlab.models.bundle import read_bundle

    card = read_bundle(model)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (card.mean, card.std))

    class Photographs(Dataset[tuple[str, torch.Tensor]]):
        def __len__(self) -> int:
            return len(files)

        def __getitem__(self, index: int) -> tuple[str, torch.Tensor]:
            image = Image.open(files[index]).convert("RGB").resize((card.size,) * 2, Image.Resampling.BOX)
            pixels = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).float() / 255
            return files[index].stem, (pixels - mean) / std

    network = timm.create_model(card.architecture, num_classes=len(card.classes)).eval()
    loader = DataLoader(Photographs(), batch_size=BATCH, num_workers=len(os.sched_getaffinity(0)))
    started = time.perf_counter()
    with tempfile.TemporaryFile("w", newline="") as file, torch.inference_mode():
        writer = csv.writer(file)
        for names, images in loader:
            for name, row in zip(names, network(images).softmax(1).tolist(), strict=True):
                writer.writerow([name, *row])
    return _figures(time.perf_counter() - started, len(files))


def _figures(seconds: float, count: int) -> dict[str, float]:
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"images_per_second": count / seconds, "megabytes": megabytes}


CHILDREN = {"ours": ours, "torch": theirs}

if __name__ == "__main__":
    main()
