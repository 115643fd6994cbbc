"""Trials H1 and H2: damaged and hostile images through the image door are refused in a line, soon, in little memory."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("pydicom")
pytest.importorskip("rle")

from trial_bombs import bombs
from trial_files import dicom_seeds, encoded, handmade, mutants, seeds

from lesionlab.data.images import load_image
from lesionlab.errors import ImageError

SECONDS = 2.0
"""Longest that one file may take (trial H1), of processor time: a busy machine must not fail the test."""

GROWTH = 64
"""Most MiB of memory that may stay behind (trial H1)."""


def accepted(content: bytes) -> bool:
    """Return whether the door lets the file in; fails where it does neither that nor refuse properly."""
    try:
        image = load_image(content, "mutant.jpg")
    except ImageError as error:
        assert error.message.startswith("mutant.jpg: ")
        assert len(error.message) > len("mutant.jpg: ")
        assert str(error).isprintable()
        return False
    assert image.mode == "RGB"
    assert min(image.size) >= 16
    assert image.info == {}
    return True


def resident() -> float:
    """Return this process' resident memory in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


@pytest.mark.parametrize("count", [pytest.param(400), pytest.param(10_000, marks=pytest.mark.slow)])
def test_mutants_are_read_or_refused(count: int) -> None:
    files = [*seeds(), *dicom_seeds(), *(content for content, _ in handmade().values())]
    for content in [*files, *mutants(200)]:  # decoders keep tables and buffers once they have worked
        accepted(content)
    changed = mutants(count)
    before, slowest, kept = resident(), 0.0, 0
    for content in changed:
        started = time.process_time()
        kept += accepted(content)
        slowest = max(slowest, time.process_time() - started)
    grown = resident() - before
    print(f"\nH1 image door: {count} mutants, {kept} read, {count - kept} refused, 0 uncaught exceptions, "
          f"slowest {slowest:.3f} s, memory {grown:+.1f} MiB")  # fmt: skip
    assert 0 < kept < count
    assert slowest < SECONDS
    assert grown < GROWTH


def test_good_files_are_read() -> None:
    assert all(accepted(content) for content in (*seeds(), *dicom_seeds()))


HANDMADE = handmade()


@pytest.mark.parametrize("name", HANDMADE)
def test_handmade_files(name: str) -> None:
    content, readable = HANDMADE[name]
    started = time.process_time()
    assert accepted(content) == readable
    assert time.process_time() - started < SECONDS


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "progressive"])
@pytest.mark.parametrize("percent", range(0, 100, 5))
def test_truncated_files_are_refused(kind: str, percent: int) -> None:
    content = encoded("JPEG", progressive=True) if kind == "progressive" else encoded(kind)
    assert not accepted(content[: len(content) * percent // 100])


def test_bombs_are_defused_in_little_memory_and_time(tmp_path: Path) -> None:
    readable = {}
    for number, (name, content, expected) in enumerate(bombs()):
        (tmp_path / f"{number:02d}.bin").write_bytes(content)
        readable[f"{number:02d}.bin"] = (name, expected)
    # A program of its own: its peak is the door's alone.
    program = """
import sys, time
from pathlib import Path
import lesionlab.data.dicom
from lesionlab.data.images import load_image
from lesionlab.errors import ImageError
def peak():  # a resource limit's peak would be that of the program that started this one
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) // 1024
base = peak()
for path in sorted(Path(sys.argv[1]).glob("*.bin")):
    started = time.process_time()
    try:
        load_image(path)
        end = "read"
    except ImageError as error:
        end = "refused"
    print(path.name, end, peak() - base, time.process_time() - started)
"""
    run = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    rows = [line.split() for line in run.stdout.splitlines()]
    assert len(rows) == len(readable)
    for file, end, grown, seconds in rows:
        name, expected = readable[file]
        assert end == ("read" if expected else "refused"), name
        assert int(grown) < 200, f"{name}: {grown} MiB"
        assert float(seconds) < SECONDS, f"{name}: {seconds} s"
    refused = sum(end == "refused" for _, end, _, _ in rows)
    slowest = max(float(seconds) for *_, seconds in rows)
    print(f"\nH2: {len(rows)} bombs, {refused} refused, {len(rows) - refused} read without the bomb, "
          f"peak memory +{rows[-1][2]} MiB, slowest {slowest:.3f} s")  # fmt: skip
