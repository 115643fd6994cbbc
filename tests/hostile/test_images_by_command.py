"""Trials H1 and H2 through the commands: a folder of damaged images is read in one go, and each refusal says why."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("pydicom")
pytest.importorskip("rle")

from trial_bombs import bombs
from trial_files import handmade, mutants

from lesionlab.cli.bulk import MOST_TOLD
from lesionlab.prediction.runtime import processors

GROWTH = 64
"""Most MiB that many images may take beyond what few of them take."""

AT_ONCE = 200
"""Most MiB that one image may take while it is refused or read; two are decoded at a time on two processors."""

MEASURED = """
import sys
from pathlib import Path
from lesionlab.cli.main import main
code = main(sys.argv[2:])
status = Path("/proc/self/status").read_text().splitlines()
Path(sys.argv[1]).write_text(next(line for line in status if line.startswith("VmHWM")).split()[1])
sys.exit(code)
"""


def command(folder: Path, *arguments: str) -> tuple[subprocess.CompletedProcess[str], float, int]:
    """Run a command and return its end, its seconds, and its largest memory in MiB."""
    started, peak = time.monotonic(), folder / "peak"
    done = subprocess.run([sys.executable, "-c", MEASURED, str(peak), *arguments], capture_output=True, text=True)
    return done, time.monotonic() - started, int(peak.read_text()) // 1024


def laid_out(folder: Path, contents: list[bytes]) -> list[Path]:
    """Write files into a new folder; return them in the order of their names."""
    folder.mkdir()
    paths = [folder / f"f{number:05}.jpg" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


def refusals(folder: Path, files: list[Path]) -> tuple[list[bool], float, int]:
    """Return which files `predict` refuses, by name and reason, its seconds and largest memory in MiB."""
    out = folder / "answers.jsonl"
    done, seconds, largest = command(folder, "predict", *map(str, files), "--views", "1", "--out", str(out))
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Traceback" not in done.stderr and "fault of lesionlab" not in done.stderr
    told = [json.loads(line) for line in out.read_text().splitlines()]
    assert [one["path"] for one in told] == [str(path) for path in files]
    reasons = [(one["path"], one["refused"]) for one in told if "refused" in one]
    assert all(reason.startswith(f"{path}: ") and len(reason) > len(path) + 2 for path, reason in reasons)
    assert all(f"refused: {reason}" in done.stderr for _, reason in reasons[:MOST_TOLD])
    return ["refused" in one for one in told], seconds, largest


@pytest.mark.parametrize("count", [pytest.param(10), pytest.param(4000, marks=pytest.mark.slow)])
def test_predict_goes_through_damaged_images(count: int, tmp_path: Path) -> None:
    odd = handmade().values()
    files = laid_out(tmp_path / "many", [content for content, _ in odd] + mutants(count))
    refused, seconds, largest = refusals(tmp_path, files)
    assert refused[: len(odd)] == [not readable for _, readable in odd]
    if count > 1000:
        _, _, few = refusals(tmp_path, files[:400])
        print(f"\nH1 predict: {len(files)} files, {refused.count(True)} refused by name and reason, the rest answered, "
              f"0 uncaught exceptions, {seconds:.0f} s, peak {largest} MiB, of 400 files {few}")  # fmt: skip
        assert largest - few < GROWTH


@pytest.mark.slow
def test_predict_goes_through_bombs(tmp_path: Path) -> None:
    (good, _), *_ = handmade().values()
    made = list(bombs())
    files = laid_out(tmp_path / "many", [good, *(content for _, content, _ in made)])
    refused, _, largest = refusals(tmp_path, files)
    assert refused == [False, *(not readable for _, _, readable in made)]
    _, _, base = refusals(tmp_path, files[:1])
    print(
        f"\nH2 predict: {len(made)} bombs, {refused.count(True)} refused, peak {largest} MiB, without them {base} MiB"
    )
    assert largest - base < AT_ONCE * min(4, processors())


def test_data_check_names_each_bad_file(tmp_path: Path) -> None:
    files = {name.replace(" ", "_"): one for name, one in handmade().items()}
    for number, (name, (content, _)) in enumerate(files.items()):
        folder = tmp_path / "source" / ("mel", "nv")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.dcm").write_bytes(content)
    out = tmp_path / "check.json"
    done, _, _ = command(tmp_path, "data", "check", str(tmp_path / "source"), "--out", str(out))
    assert "Traceback" not in done.stderr and done.returncode in (0, 3), done.stderr
    told = out.read_text()
    assert all((name in told) for name, (_, readable) in files.items() if not readable)
