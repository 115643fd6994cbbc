"""`lesionlab subgroups`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lesionlab.cli.main import main
from lesionlab.files import read_json
from lesionlab.report.evaluate_subgroups import FILES

QUICK = ("--resamples", "40", "--split", "train")


def test_the_table_and_the_files(
    run: Path, synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["subgroups", "--model", str(run), "--data", str(synthetic), "--out", str(tmp_path / "out"), *QUICK]
    assert main([*arguments, "--fewest", "8", "--fewest-of-kind", "2"]) == 0
    shown = capsys.readouterr()
    for words in ("train images", "balanced accuracy", "female", "hair", "lesion size", "worst group", "too few"):
        assert words in shown.out
    assert "worse by chance" in shown.err and str(tmp_path / "out") in shown.out
    assert "asked for its answers" in shown.err
    assert all((tmp_path / "out" / name).is_file() for name in FILES)
    assert main([*arguments, "--json", "--masks", str(synthetic / "masks")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["result"] == read_json(tmp_path / "out" / "subgroups.json")
    assert told["result"]["guard"] == {"images": 50, "kind": 10} and told["part"] == "train"
    assert told["result"]["sizes"]["masks"] == told["result"]["images"]


def test_only_asking_of_test_images_is_a_look(
    run: Path, synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = Path(shutil.copytree(run, tmp_path / "own"))
    arguments = ["--model", str(own), "--data", str(synthetic), "--resamples", "40"]
    assert main(["subgroups", *arguments]) == 0
    assert "so far: 1" in capsys.readouterr().out
    assert main(["evaluate", *arguments]) == 0
    assert main(["subgroups", *arguments]) == 0
    assert "so far" not in capsys.readouterr().out.partition("written to")[2]
    assert len((own / "looks.jsonl").read_text().splitlines()) == 2
