"""Bulk scoring: its pace beside bare decoding and inference, its memory, and a run that is killed again and again.

    python benchmarks/bulk.py --images ham10000/images --folder WORK [--copies 10] [--limit N] [--kills 10]
                              [--count 400] [--rounds 3] [--seconds S] [--json FILE.json]

`pace` answers `--count` files in one process, in turn barely and as `lesionlab predict --out` does, both in one thread
for each processor. Barely is Pillow decoding and squashing all files, and then the predictor's own onnxruntime session
answering the batches and views, nothing else; the two times added. The ratio is the median of the rounds'. Processor
seconds are told too: on a machine that others use, they are steadier than those on the clock.

`run` is the command itself in a process of its own, over all images as hard links, `--copies` times (and no more than
`--limit`). It is killed with SIGKILL `--kills` times, once in each equal share of the images, and begun again. Its
resident memory is looked at every second; `growth` is how much more the last fifth of its longest life held than the
first fifth. At the end each image must have one row, in order, and its copies the same probabilities.

A long run can be done in pieces: after `--seconds` it is stopped with SIGTERM, and the same benchmark command goes on,
with the kills that are left. `WORK` keeps the links, the table and what was measured so far.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

OUT = "results.jsonl"
STATE = "benchmark.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="a folder with JPEG files")
    parser.add_argument("--folder", type=Path, required=True, help="where the run works; keep it to go on")
    parser.add_argument("--copies", type=int, default=10)
    parser.add_argument("--limit", type=int, default=None, help="images of the run, copies counted")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--count", type=int, default=400, help="files that the pace is measured on; 0 for none")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=None, help="stop the run after so long, to go on later")
    parser.add_argument("--views", type=int, default=None)
    parser.add_argument("--json", type=Path, default=None)
    given = parser.parse_args()
    files = sorted(given.images.rglob("*.jpg"))
    result: dict[str, Any] = {"processors": len(os.sched_getaffinity(0)), "views": given.views}
    if given.count:
        result["pace"] = pace(files[: given.count], given.views, given.rounds)
    total = link(files, given.folder / "images", given.copies, given.limit)
    result["run"] = run(given.folder, total, given.kills, given.views, given.seconds)
    text = json.dumps(result, indent=2) + "\n"
    print(text, end="")
    if given.json:
        given.json.write_text(text, encoding="utf-8")


def pace(files: list[Path], views: int | None, rounds: int) -> dict[str, Any]:
    """Return images a second and a core, barely and in bulk, and the ratio."""
    from lesionlab.models.composite import read_model
    from lesionlab.models.shipped import shipped_model
    from lesionlab.prediction.bulk import local_engine, score
    from lesionlab.prediction.paths import list_images
    from lesionlab.prediction.predictor import Predictor

    predictor = Predictor(read_model(shipped_model()), views, threads=1)
    rounds_of: dict[str, list[tuple[float, float]]] = {"bare": [], "bulk": []}
    with tempfile.TemporaryDirectory() as folder:
        ways = {
            "bare": lambda: barely(predictor, files),
            "bulk": lambda: score(Path(folder) / "a.jsonl", list_images(map(str, files)), local_engine(predictor), {}),
        }
        for _ in range(rounds + 1):
            for name, way in ways.items():
                rounds_of[name].append(timed(way))
    cores, found = len(os.sched_getaffinity(0)), {"images": len(files)}
    for unit, seconds in (("clock", 0), ("processor", 1)):
        bare, bulk = ([times[seconds] for times in rounds_of[name][1:]] for name in ways)  # the first warms up
        for name, times in (("bare", bare), ("bulk", bulk)):
            each = statistics.median(times) * (cores if unit == "clock" else 1)
            found[f"{name}_images_per_second_and_core_by_{unit}"] = round(len(files) / each, 2)
        found[f"ratio_by_{unit}"] = round(statistics.median(a / b for a, b in zip(bare, bulk, strict=True)), 3)
    return found


def timed(way: Any) -> tuple[float, float]:
    """Return the seconds on the clock and of all processors."""
    clock, processor = time.perf_counter(), time.process_time()
    way()
    return time.perf_counter() - clock, time.process_time() - processor


def barely(predictor: Any, files: list[Path]) -> None:
    """Decode all files, and then answer all batches, with nothing about it."""
    import numpy as np
    from PIL import Image

    from lesionlab.prediction.network import dihedral
    from lesionlab.prediction.predictor import BATCH
    from lesionlab.prediction.runtime import processors

    (network,) = predictor._networks
    size = predictor.model.size

    def decode(path: Path) -> Any:
        return np.asarray(Image.open(path).convert("RGB").resize((size, size), Image.Resampling.BOX))

    def infer(batch: Any) -> None:
        for view in range(network.views):
            network._session.logits(dihedral(batch, view))

    with ThreadPoolExecutor(processors()) as pool:
        pixels = np.stack(list(pool.map(decode, files)))
        list(pool.map(infer, [pixels[first : first + BATCH] for first in range(0, len(files), BATCH)]))


def link(files: list[Path], folder: Path, copies: int, limit: int | None) -> int:
    """Make the links that are not there yet, a folder for each copy, and return how many there are in all."""
    pairs = ((copy, file) for copy in range(copies) for file in files)
    total = 0
    for copy, file in islice(pairs, limit):
        name = folder / f"copy{copy:02}" / file.name
        name.parent.mkdir(parents=True, exist_ok=True)
        if not name.exists():
            try:
                os.link(file.resolve(), name)
            except OSError:  # on another disk
                name.symlink_to(file.resolve())
        total += 1
    return total


def run(folder: Path, total: int, kills: int, views: int | None, seconds: float | None) -> dict[str, Any]:
    """Run the command, or go on with it, killing it as often as is left, and return what was found."""
    path, ends = folder / STATE, time.monotonic() + (seconds or 1e9)
    state = json.loads(path.read_text()) if path.exists() else {"kills": 0, "seconds": 0.0, "lives": []}
    code = None
    while code != 0 and time.monotonic() < ends:
        kill_at = total * (state["kills"] + 1) / (kills + 1) if state["kills"] < kills else None
        started = time.monotonic()
        code, life = live(folder, views, kill_at, ends)
        state["seconds"] += time.monotonic() - started
        state["kills"] += code == -signal.SIGKILL
        state["lives"].append(life)
        path.write_text(json.dumps(state))
        if code not in (0, 143, -signal.SIGKILL):
            sys.exit(f"the command ended with {code}")
    figures = {
        "images": total,
        "kills": state["kills"],
        "seconds": round(state["seconds"], 1),
        **memory(state["lives"]),
    }
    if code != 0:
        return figures | {"finished": False, "done": done_of(folder)}
    return figures | {"finished": True, "images_per_second": round(total / state["seconds"], 2), **check(folder)}


def live(folder: Path, views: int | None, kill_at: float | None, ends: float) -> tuple[int, list[list[float]]]:
    """Return how one start of the command ended, and its [images done, resident MB] every second."""
    words = [sys.executable, "-m", "lesionlab", "predict", str(folder / "images"), "--out", str(folder / OUT)]
    words += ["--views", str(views)] if views else []
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    seen: list[list[float]] = []
    while child.poll() is None:
        time.sleep(1)
        try:
            status = Path(f"/proc/{child.pid}/status").read_text()
        except FileNotFoundError:
            break
        if resident := re.search(r"VmRSS:\s+(\d+)", status):
            seen.append([done_of(folder), int(resident[1]) / 1024])
        if kill_at is not None and done_of(folder) >= kill_at:
            time.sleep(random.random() * 20)
            child.kill()
            break
        if time.monotonic() > ends:
            child.terminate()
            break
    return child.wait(), seen


def done_of(folder: Path) -> int:
    """Return how many rows are kept in parts."""
    ends = (int(path.stem.split("-")[2]) for path in (folder / f"{OUT}.parts").glob("part-*"))
    return max(ends, default=0)


def memory(lives: list[list[list[float]]]) -> dict[str, float]:
    """Return the most resident memory, and its growth over the longest life, in MB."""
    longest = [megabytes for _, megabytes in max(lives, key=len, default=[])][5:]
    fifth = max(1, len(longest) // 5)
    most = max((megabytes for life in lives for _, megabytes in life), default=0)
    if not longest:
        return {"most_megabytes": round(most, 1)}
    growth = statistics.median(longest[-fifth:]) - statistics.median(longest[:fifth])
    return {"most_megabytes": round(most, 1), "growth_megabytes": round(growth, 1), "over_seconds": len(longest)}


def check(folder: Path) -> dict[str, Any]:
    """Return whether each image has one row, in order, and how far its copies' probabilities are apart."""
    listed = sorted((folder / "images").rglob("*.jpg"))
    found: list[str] = []
    first: dict[str, dict[str, Any]] = {}
    apart = 0.0
    for line in (folder / OUT).open(encoding="utf-8"):
        row = json.loads(line)
        found.append(row["path"])
        other = first.setdefault(row["image_id"], row)
        apart = max([apart, *(abs(row[name] - other[name]) for name in row if name.startswith("p_"))])
    return {
        "rows": len(found),
        "duplicate_rows": len(found) - len(set(found)),
        "missing": len(set(map(str, listed)) - set(found)),
        "in_order": found == list(map(str, listed)),
        "copies_apart": apart,
    }


if __name__ == "__main__":
    main()
