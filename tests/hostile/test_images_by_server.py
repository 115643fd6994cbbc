"""Trials H1 and H2 through POST /v1/predict: one bad file never spoils the rest, and no answer is a fault of ours."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pydicom")
pytest.importorskip("rle")
pytest.importorskip("fastapi")
pytest.importorskip("httpx2")

from starlette.testclient import TestClient
from trial_bombs import bombs
from trial_files import handmade, mutants

from lesionlab.models.composite import read_model
from lesionlab.models.shipped import shipped_model
from lesionlab.web.app import make_app

TOGETHER = 40
GROWTH = 64


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(make_app(read_model(shipped_model())), base_url="http://localhost") as opened:
        yield opened


def resident() -> float:
    """Return this process' resident memory in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def answers(client: TestClient, contents: list[bytes]) -> list[dict[str, Any]]:
    """Return what the server says of some files; fails where that is no answer or refusal to each."""
    response = client.post("/v1/predict", files=[("files", ("Jane Doe.jpg", content)) for content in contents])
    assert response.status_code == 200, response.text
    assert "Jane" not in response.text and "Traceback" not in response.text
    told: list[dict[str, Any]] = response.json()["answers"]
    assert [one["index"] for one in told] == list(range(len(contents)))
    for one in told:
        assert ("verdict" in one) != ("refused" in one)
        assert "verdict" in one or re.fullmatch(rf"file {one['index']}: .+", one["refused"])
    return told


@pytest.mark.slow
def test_handmade_files(client: TestClient) -> None:
    odd = handmade()
    contents = [content for content, _ in odd.values()]
    told = [one for at in range(0, len(odd), TOGETHER) for one in answers(client, contents[at : at + TOGETHER])]
    for (name, (_, readable)), one in zip(odd.items(), told, strict=True):
        assert ("verdict" in one) == readable, name


@pytest.mark.slow
def test_bombs(client: TestClient) -> None:
    for name, content, readable in bombs():
        assert ("verdict" in answers(client, [content])[0]) == readable, name


@pytest.mark.parametrize("count", [pytest.param(20), pytest.param(4000, marks=pytest.mark.slow)])
def test_mutants_are_answered_or_refused(client: TestClient, count: int) -> None:
    files = mutants(count)
    for at in (*range(0, count, TOGETHER), *range(0, count, TOGETHER)):  # its buffers grow to what they need, and stay
        answers(client, files[at : at + TOGETHER])
    before, slowest, read = resident(), 0.0, 0
    for at in range(0, count, TOGETHER):
        started = time.process_time()
        read += sum("verdict" in one for one in answers(client, files[at : at + TOGETHER]))
        slowest = max(slowest, (time.process_time() - started) / TOGETHER)
    grown = resident() - before
    print(f"\nH1 server: {count} mutants, {read} answered, {count - read} refused, no answer but 200, "
          f"slowest request {slowest:.3f} s a file, memory {grown:+.1f} MiB")  # fmt: skip
    assert slowest < 2
    assert grown < GROWTH
