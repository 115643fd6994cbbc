"""`lesionlab predict`."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from lesionlab.cli.main import main
from lesionlab.diagnoses import CODES

NAMES = ["image_id", "path", "diagnosis", *(f"p_{code}" for code in CODES)]


def test_a_table(run: Path, photographs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", *photographs, "--model", str(run)]) == 0
    shown = capsys.readouterr().out
    assert all(Path(path).stem in shown for path in photographs)


def test_a_bad_image_never_stops_the_rest(
    run: Path, photographs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, out = tmp_path / "bad.jpg", tmp_path / "answers.csv"
    bad.write_bytes(b"\xff\xd8 no more")
    assert main(["predict", photographs[0], str(bad), photographs[1], "--model", str(run), "--out", str(out)]) == 0
    assert f"refused: {bad}" in capsys.readouterr().err
    rows = list(csv.DictReader(out.open(encoding="utf-8")))
    assert list(rows[0])[: len(NAMES)] == NAMES
    assert [row["path"] for row in rows] == photographs[:2]
    assert main(["predict", str(bad), "--model", str(run), "--out", str(tmp_path / "none.csv")]) == 3
    assert "none of 1 images could be read" in capsys.readouterr().err
    assert not (tmp_path / "none.csv").exists()


def test_jsonl_and_json_agree(
    run: Path, photographs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "answers.jsonl"
    assert main(["predict", *photographs, "--model", str(run), "--views", "2", "--out", str(out)]) == 0
    capsys.readouterr()
    assert main(["predict", *photographs, "--model", str(run), "--views", "2", "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)["answers"]
    assert [json.loads(line) for line in out.read_text().splitlines()] == answers
    assert sum(answers[0][name] for name in NAMES[3:]) == pytest.approx(1, abs=1e-6)


def test_a_list_on_standard_input(
    run: Path, photographs: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = io.TextIOWrapper(io.BytesIO("\n".join(photographs).encode()))
    monkeypatch.setattr("sys.stdin", listed)
    assert main(["predict", "-", "--model", str(run), "--json"]) == 0
    assert [answer["path"] for answer in json.loads(capsys.readouterr().out)["answers"]] == photographs


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["{}/none"], 3, "no image found"),
        (["--out", "{}/answers.txt"], 2, ".jsonl"),
        (["--views", "3"], 2, "3 views"),
        (["--model", "{}"], 4, "no model here"),
    ],
)
def test_mistakes(
    options: list[str], code: int, words: str, run: Path, photographs: list[str], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    given = [word.format(tmp_path) for word in options]
    paths = given if not given[0].startswith("-") else [photographs[0], *given]
    assert main(["predict", "--model", str(run), *paths]) == code
    shown = capsys.readouterr()
    assert words in shown.err and shown.out == ""
