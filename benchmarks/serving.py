"""How many images a second the server answers, beside the bulk scorer on the same model, images and machine.

    python benchmarks/serving.py FOLDER [--clients 1 8 32 64 200] [--requests 200] [--model MODEL] [--views N]
                                 [--json FILE]

FOLDER holds photographs. Bulk, the engine of `lesionlab predict --out` over files, is measured before and after, and
the mean counts. Then `lesionlab serve` runs as a process of its own; each client sends one image at a time on one
connection and waits for the answer. Clients compute on the same processors. Told are images/s and its ratio to bulk,
the latency's median and 95th percentile, what was not 200, how long /health took meanwhile, and how much memory grew
for 1,000 requests: the slope of a line through the server's resident memory but for the first quarter of the requests.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lesionlab.models.composite import read_model
from lesionlab.models.shipped import shipped_model
from lesionlab.prediction.bulk import local_engine
from lesionlab.prediction.paths import Entry, find_images
from lesionlab.prediction.predictor import Predictor

BOUNDARY = "photographs"


def bulk(model: Path, views: int | None, paths: list[Path]) -> float:
    """Return the bulk scorer's images/s over the files."""
    engine = local_engine(Predictor(read_model(model), views, threads=1))
    entries = [Entry(path.stem, path) for path in paths]
    list(engine(entries[:16]))
    began = time.perf_counter()
    found = sum("diagnosis" in row for row in engine(entries))
    return found / (time.perf_counter() - began)


@contextlib.contextmanager
def server(model: Path, views: int | None) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the server; yields it and its port."""
    command = [sys.executable, "-m", "lesionlab", "serve", "--port", "0", "--model", str(model)]
    command += ["--views", str(views)] if views else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        assert running.stdout is not None
        found = re.search(r":(\d+)/", running.stdout.readline())
        assert found, "the server did not start"
        try:
            yield running, int(found[1])
        finally:
            running.send_signal(signal.SIGTERM)


def request(path: Path) -> bytes:
    """Return a whole request with one photograph."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="x"\r\n\r\n'.encode()
    body = head + path.read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    return (
        f"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, content: bytes) -> int:
    """Send a request and return the answer's status; 503 counts only with Retry-After."""
    writer.write(content)
    await writer.drain()
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = re.search(rb"content-length: (\d+)", head)
    await reader.readexactly(int(length[1]) if length else 0)
    status = int(head.split()[1])
    return -status if status == 503 and b"\r\nretry-after:" not in head else status


class Load:
    """A number of clients and what they saw."""

    def __init__(self, running: subprocess.Popen[str], port: int, contents: list[bytes]) -> None:
        self._statm, self._port = Path(f"/proc/{running.pid}/statm"), port
        self._contents = itertools.cycle(contents)
        self.seconds: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.health: list[float] = []
        self.memory: list[tuple[int, float]] = []

    async def run(self, clients: int, requests: int) -> float:
        """Send that many requests from each client; return the seconds that all took."""
        watching = asyncio.create_task(self._watch())
        began = time.perf_counter()
        await asyncio.gather(*(self._client(requests) for _ in range(clients)))
        took = time.perf_counter() - began
        watching.cancel()
        return took

    async def _client(self, requests: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        for _ in range(requests):
            began = time.perf_counter()
            status = await ask(reader, writer, next(self._contents))
            self.statuses[status] += 1
            if status == 200:
                self.seconds.append(time.perf_counter() - began)
            elif status == 503:
                await asyncio.sleep(0.5)
            done = self.statuses.total()
            if done % 20 == 0:
                self.memory.append((done, int(self._statm.read_text().split()[1]) * 4096 / 2**20))
        writer.close()

    async def _watch(self) -> None:
        while True:
            began = time.perf_counter()
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            await ask(reader, writer, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            writer.close()
            self.health.append(time.perf_counter() - began)
            await asyncio.sleep(0.2)

    def slope(self) -> float | None:
        """Return by how many MiB memory grew for 1,000 requests; None where there were too few for a line."""
        later = self.memory[len(self.memory) // 4 :]
        return float(np.polyfit(*np.array(later).T, 1)[0] * 1000) if len(later) > 2 else None


def measure(model: Path, views: int | None, paths: list[Path], clients: list[int], requests: int) -> dict[str, Any]:
    """Return the figures for each number of clients."""
    before = bulk(model, views, paths)
    contents = [request(path) for path in paths]
    rows = []
    with server(model, views) as (running, port):
        asyncio.run(Load(running, port, contents).run(4, 8))  # warms up
        for number in clients:
            load = Load(running, port, contents)
            took = asyncio.run(load.run(number, requests))
            p50, p95 = np.percentile(load.seconds, [50, 95])
            rows.append(
                {
                    "clients": number,
                    "images_per_second": load.statuses[200] / took,
                    "p50": p50,
                    "p95": p95,
                    "health_worst": max(load.health),
                    "statuses": dict(load.statuses),
                    "mib_per_1000": load.slope(),
                }
            )
            print(f"{number} clients done", file=sys.stderr)
    after = bulk(model, views, paths)
    speed = (before + after) / 2
    for row in rows:
        row["ratio"] = row["images_per_second"] / speed
    return {
        "views": views,
        "bulk": speed,
        "bulk_before": before,
        "bulk_after": after,
        "requests": requests,
        "rows": rows,
    }


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32, 64, 200])
    parser.add_argument("--requests", type=int, default=200, help="of each client")
    parser.add_argument("--images", type=int, default=400, help="how many of the folder")
    parser.add_argument("--model", type=Path, default=shipped_model())
    parser.add_argument("--views", type=int, help="as of `lesionlab serve`; the model's own where not given")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    paths = find_images([str(options.folder)])[: options.images]
    found = measure(options.model, options.views, paths, options.clients, options.requests)
    print(f"bulk: {found['bulk']:.1f} images/s ({found['bulk_before']:.1f} before, {found['bulk_after']:.1f} after)")
    print("clients  images/s  ratio  p50 s  p95 s  health s  MiB/1000  statuses")
    for row in found["rows"]:
        slope = "" if row["mib_per_1000"] is None else f"{row['mib_per_1000']:.2f}"
        print(
            f"{row['clients']:7}  {row['images_per_second']:8.1f}  {row['ratio']:5.2f}  {row['p50']:5.2f}  "
            f"{row['p95']:5.2f}  {row['health_worst']:8.3f}  {slope:>8}  {row['statuses']}"
        )
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
