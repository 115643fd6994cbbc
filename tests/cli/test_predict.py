"""`lesionlab predict`."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from lesionlab.cli.main import main
from lesionlab.diagnoses import CODES, NAMES
from lesionlab.models import shipped
from lesionlab.prediction.answers import COLUMNS, LESION_COLUMNS


def test_a_table(run: Path, photographs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", *photographs, "--model", str(run)]) == 0
    shown = capsys.readouterr().out
    assert all(Path(path).stem in shown for path in photographs)
    assert any(name in shown for name in NAMES.values()), "the diagnosis in words"
    assert "not a medical device" in shown.splitlines()[-1]


def test_decisions_of_a_trained_model(run: Path, photographs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    decided = json.loads((run / "model" / "bundle.json").read_text())["decisions"]
    points = {point["aim"]: point["threshold"] for point in decided["operating"] if point["target"] == "malignant"}
    for options, aim in (([], decided["default_point"]), (["--point", "sensitivity 0.95"], "sensitivity 0.95")):
        assert main(["predict", *photographs, "--model", str(run), "--json", *options]) == 0
        for answer in json.loads(capsys.readouterr().out)["answers"]:
            chance = sum(answer[f"p_{code}"] for code in ("akiec", "bcc", "mel"))
            assert answer["malignant"] == (chance >= points[aim])
            assert answer["diagnosis"] == answer["prediction_set"][0]
            assert answer["abstained"] == bool(answer["reason"])


def test_a_model_without_decisions_leaves_columns_empty(
    run: Path, photographs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare, out = shutil.copytree(run / "model", tmp_path / "model"), tmp_path / "answers.csv"
    card = json.loads((bare / "bundle.json").read_text())
    (bare / "bundle.json").write_text(json.dumps(card | {"decisions": None}))
    assert main(["predict", *photographs, "--model", str(bare), "--out", str(out)]) == 0
    for row in csv.DictReader(out.open(encoding="utf-8")):
        assert list(row) == list(COLUMNS) and row["malignant"] == row["prediction_set"] == row["abstained"] == ""
    assert main(["predict", *photographs, "--model", str(bare)]) == 0


def test_the_model_of_the_package_answers_where_none_is_named(
    run: Path,
    photographs: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(shipped.resources, "files", lambda package: tmp_path)
    assert main(["predict", *photographs]) == 4
    assert "no model comes with" in capsys.readouterr().err
    shutil.copytree(run / "model", tmp_path / "shipped")
    assert main(["predict", *photographs]) == 0
    assert Path(photographs[0]).stem in capsys.readouterr().out


def test_photographs_of_one_lesion_are_answered_together(
    run: Path, photographs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, out = tmp_path / "cases.csv", tmp_path / "answers.csv"
    names = [Path(path).stem for path in photographs]
    table.write_text("image_id,lesion_id\n" + "".join(f"{name},{'yx'[n > 0]}\n" for n, name in enumerate(names)))
    given = ["predict", *photographs, "--model", str(run), "--by", "lesion"]
    assert main([*given, "--cases", str(table), "--out", str(out)]) == 0
    rows = list(csv.DictReader(out.open(encoding="utf-8")))
    assert tuple(rows[0]) == LESION_COLUMNS
    assert [(row["lesion_id"], row["photographs"]) for row in rows] == [("y", "1"), ("x", "2")]
    capsys.readouterr()
    assert main(given) == 0
    assert "(3 photographs)" in capsys.readouterr().out


def test_a_bad_image_never_stops_the_rest(
    run: Path, photographs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, out = tmp_path / "bad.jpg", tmp_path / "answers.csv"
    bad.write_bytes(b"\xff\xd8 no more")
    assert main(["predict", photographs[0], str(bad), photographs[1], "--model", str(run), "--out", str(out)]) == 0
    assert f"refused: {bad}" in capsys.readouterr().err
    rows = list(csv.DictReader(out.open(encoding="utf-8")))
    assert list(rows[0]) == list(COLUMNS)
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
    assert sum(answers[0][f"p_{code}"] for code in CODES) == pytest.approx(1, abs=1e-6)


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
        (["--by", "patient"], 2, "--by patient"),
        (["--cases", "{}/cases.csv"], 2, "--by lesion"),
        (["--by", "lesion", "--cases", "{}/cases.csv"], 3, "cases.csv"),
        (["--point", "sensitivity 0.99"], 2, "sensitivity 0.99"),
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
