"""`lesionlab export`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lesionlab.cli.main import main
from lesionlab.models import hub


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lesionlab.training.exporting.COMPARED", 7)


def test_one_file_that_predicts(
    run: Path, photographs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(run), "--out", str(tmp_path / "m.lesion")]) == 0
    shown = capsys.readouterr().out
    assert "agrees with torch on 7 images" in shown and "m.lesion" in shown
    assert main(["predict", photographs[0], "--model", str(run), "--json"]) == 0
    expected = capsys.readouterr().out
    assert main(["predict", photographs[0], "--model", str(tmp_path / "m.lesion"), "--json"]) == 0
    assert capsys.readouterr().out == expected
    assert main(["explain", photographs[0], "--model", str(tmp_path / "m.lesion"), "--out", str(tmp_path / "e")]) == 0


def test_less_precision(
    run: Path, synthetic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lesionlab.training.exporting.MOST_LOST", 1.0)
    assert main(["export", str(run), "--out", str(tmp_path / "m"), "--data", str(synthetic), "--half", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["precision"] == "fp16" and set(told["balanced_accuracy"]) == {"fp32", "fp16"}
    assert told["bytes"] > 100_000 and told["address"] is None
    assert main(["export", str(run), "--out", str(tmp_path / "n"), "--data", str(synthetic), "--half"]) == 0
    assert "in fp32" in capsys.readouterr().out


def test_uploading_says_what_it_uploads_and_where_it_is_then(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = {}

    def upload(contents: dict[str, bytes], repository: str) -> str:
        sent.update(contents)
        return f"hf://{repository}@{'0' * 40}"

    monkeypatch.setattr(hub, "upload", upload)
    assert main(["export", str(run), "--out", str(tmp_path / "m.lesion"), "--push", "clinic/moles"]) == 0
    shown = capsys.readouterr()
    assert f"--model hf://clinic/moles@{'0' * 40}" in shown.out
    assert {"bundle.json", "model.onnx", "model.safetensors", "README.md"} <= set(sent)
    assert all(name in shown.err for name in sent)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--half", "--int8"], 2, "exclude each other"),
        (["--int8"], 2, "--data"),
        (["--data", "{}/none"], 3, "none"),
        (["--push", "no name"], 2, "no name of a repository"),
    ],
)
def test_mistakes(
    options: list[str], code: int, words: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [word.format(tmp_path) for word in options]
    assert main(["export", str(run), "--out", str(tmp_path / "m.lesion"), *given]) == code
    assert words in capsys.readouterr().err
    assert not (tmp_path / "m.lesion").exists() or "--push" in options
