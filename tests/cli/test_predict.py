"""`lesionlab predict`."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
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


def test_bulk_tables_hold_the_refused_too(
    run: Path, photographs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, out = tmp_path / "list.csv", tmp_path / "answers.jsonl"
    table.write_text("path,image_id\n" + "".join(f"{path},{n}\n" for n, path in enumerate([*photographs, "gone.jpg"])))
    assert main(["predict", str(table), "--model", str(run), "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"written": str(out), "answered": 3, "refused": 1}
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["image_id"] for row in rows] == ["0", "1", "2", "3"]
    assert rows[3]["refused"].endswith("gone.jpg: no such file")
    assert main(["predict", str(table), "--model", str(run), "--json"]) == 0
    assert [row.get("image_id") for row in json.loads(capsys.readouterr().out)["answers"]] == ["0", "1", "2", None]
    assert main(["predict", str(table), "--model", str(run), "--out", str(tmp_path / "answers.csv")]) == 0
    shown = capsys.readouterr().out
    assert "3 answered, 1 refused" in shown and "answers.refused.csv" in shown


def test_shards_hold_each_image_once(run: Path, synthetic: Path, tmp_path: Path) -> None:
    found = []
    for number in (1, 2):
        out = tmp_path / f"{number}.csv"
        given = ["predict", str(synthetic / "images"), "--model", str(run), "--out", str(out)]
        assert main([*given, "--shard", f"{number}/2"]) == 0
        found.append({row["path"] for row in csv.DictReader(out.open(encoding="utf-8"))})
    assert not found[0] & found[1] and all(found)
    assert found[0] | found[1] == {str(path) for path in (synthetic / "images").glob("*.jpg")}


@pytest.mark.parametrize(("out", "options", "module"), [("a.parquet", [], "pyarrow"), ("a.csv", ["ray"], "ray")])
def test_what_is_not_installed_is_told_before_any_work(
    out: str, options: list[str], module: str, run: Path, photographs: list[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, module, None)
    given = ["predict", *photographs, "--model", str(run), "--out", str(tmp_path / out)]
    assert main([*given, *(["--engine", *options] if options else [])]) == 2
    shown = capsys.readouterr().err
    assert module in shown and f"lesionlab[{'bulk' if module == 'pyarrow' else 'ray'}]" in shown
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["{}/none"], 3, "no image found"),
        (["--out", "{}/answers.txt"], 2, ".parquet"),
        (["--out", "{}/answers.parquet", "--by", "lesion"], 2, ".csv or .jsonl"),
        (["--out", "{}/answers.csv", "--shard", "3/2"], 2, "--shard 3/2"),
        (["--out", "{}/answers.csv", "--engine", "spark"], 2, "--engine spark"),
        (["--out", "{}/answers.csv", "--workers", "2"], 2, "--engine ray"),
        (["--shard", "1/2"], 2, "--out FILE"),
        (["--out", "{}/folder.csv"], 2, "a folder"),
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
    (tmp_path / "folder.csv").mkdir()
    given = [word.format(tmp_path) for word in options]
    paths = given if not given[0].startswith("-") else [photographs[0], *given]
    assert main(["predict", "--model", str(run), *paths]) == code
    shown = capsys.readouterr()
    assert words in shown.err and shown.out == ""
