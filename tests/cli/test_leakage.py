"""`lesionlab leakage`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lesionlab.cli.main import main
from lesionlab.data.cases import REQUIRED, write_rows
from lesionlab.data.sources import load_source
from lesionlab.files import read_json

QUICK = "--no-near"


@pytest.fixture
def tables(synthetic: Path, tmp_path: Path) -> tuple[str, str, str]:
    """Three case tables: five images, the same ones under other lesion_ids, and five other lesions."""
    first = {case.lesion_id: case for case in load_source(synthetic).cases}
    cases = list(first.values())
    rows = [(case.image_id, case.path, case.dx, case.lesion_id) for case in cases]
    copies = [(f"copy_{name}", path, dx, f"copy_{lesion}") for name, path, dx, lesion in rows[:5]]
    for name, chosen in (("train", rows[:5]), ("copies", copies), ("clean", rows[5:10])):
        write_rows(tmp_path / f"{name}.csv", REQUIRED, chosen)
    return str(tmp_path / "train.csv"), str(tmp_path / "copies.csv"), str(tmp_path / "clean.csv")


def test_the_table_the_files_and_the_exit_code(
    tables: tuple[str, str, str], run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, copies, clean = tables
    out = tmp_path / "out"
    assert main(["leakage", train, copies, QUICK, "--out", str(out), "--model", str(run), "--fail-on-leak"]) == 3
    shown = capsys.readouterr()
    assert "5 test images have a copy under another lesion_id" in shown.out
    assert "100.0%" in shown.out and "candidates to look at" in shown.out and str(out) in shown.out
    assert "lesionlab study siblings" in shown.err
    assert (out / "leakage.csv").is_file() and (out / "leakage_exact_1.png").is_file()
    assert main(["leakage", train, copies, QUICK]) == 0
    assert "near copy" not in capsys.readouterr().out
    assert main(["leakage", train, clean, QUICK, "--fail-on-leak"]) == 0
    assert "no test image is of a lesion in the training set" in capsys.readouterr().out


def test_json(tables: tuple[str, str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["leakage", *tables[:2], QUICK, "--json", "--out", str(tmp_path / "out"), "--fail-on-leak"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert told == read_json(tmp_path / "out" / "leakage.json")
    assert told["counts"]["all"] == {"images": 5, "exact": 5, "near": 0, "lesion": 0, "any": 5, "share": 1.0}


def test_the_parts_of_a_split(run: Path, synthetic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["leakage", "--split", str(run / "split.csv"), "--data", str(synthetic), QUICK]
    assert main([*arguments, "--fail-on-leak"]) == 0
    assert "split.csv, test" in capsys.readouterr().out
    assert main([*arguments, "--part", "nowhere"]) == 2
    assert "name one of test, val" in capsys.readouterr().err


@pytest.mark.parametrize(
    "given",
    [
        [],
        ["{0}"],
        ["--split", "{0}"],
        ["--data", "{0}"],
        ["{0}", "{1}", "--split", "{0}"],
        ["{0}", "{1}", "--part", "val"],
        ["{0}", "--split", "{0}", "--data", "{0}"],
    ],
)
def test_half_of_what_is_needed(
    given: list[str], tables: tuple[str, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["leakage", *(word.format(*tables) for word in given)]) == 2
    assert "name TRAIN and TEST" in capsys.readouterr().err


def test_mistakes(tables: tuple[str, str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["leakage", tables[0], str(tmp_path / "none")]) == 3
    assert "no such folder" in capsys.readouterr().err
    assert main(["leakage", *tables[:2], "--model", str(tmp_path), "--out", str(tmp_path / "out")]) == 4
    assert not (tmp_path / "out").exists()
