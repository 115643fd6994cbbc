"""`lesionlab ensemble` and `lesionlab mix`, and that what they write is a model like any other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lesionlab.cli.main import main


def changed(run: Path, folder: Path, classes: tuple[str, ...] = (), **card: Any) -> Path:
    """Return a copy of a run whose model has another card, as if it were another run on the same split."""
    shutil.copytree(run, folder)
    file = folder / "model" / "bundle.json"
    content = json.loads(file.read_text()) | card
    content["training"]["recipe"]["classes"] = list(classes)
    file.write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def second(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that leans to melanoma, in gray."""
    offset = [0.0, 0, 0, 0, 2, 0, 0]
    return changed(run, tmp_path_factory.mktemp("second") / "gray", colour="gray", prior_offset=offset)


@pytest.fixture(scope="module")
def specialist(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    offset = [-100.0, -100, -100, -100, 0, 0, -100]
    return changed(run, tmp_path_factory.mktemp("special") / "pair", ("mel", "nv"), prior_offset=offset)


def test_an_ensemble_is_a_model_like_any_other(
    run: Path, second: Path, synthetic: Path, photographs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "together"
    arguments = [str(run), str(second), "--rule", "weighted", "--data", str(synthetic), "--out", str(out)]
    assert main(["ensemble", *arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["kind"], told["rule"], told["members"]) == ("ensemble", "weighted", ["run", "gray"])
    assert sum(told["fitted"]["weights"]) == pytest.approx(1)
    assert told["training"]["fitted_on"]["part"] == "val" and "macro_f1" in told["metrics"]["validation"]
    assert main(["predict", *photographs, "--model", str(out), "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)["answers"]
    singles = []
    for one in (run, second):
        assert main(["predict", *photographs, "--model", str(one), "--json"]) == 0
        singles.append(json.loads(capsys.readouterr().out)["answers"])
    for answer, *own in zip(answers, *singles, strict=True):
        mean = sum(w * single["p_mel"] for w, single in zip(told["fitted"]["weights"], own, strict=True))
        assert answer["p_mel"] == pytest.approx(mean, abs=1e-5)
    assert main(["evaluate", "--model", str(out), "--data", str(synthetic), "--resamples", "40"]) == 0
    shown = capsys.readouterr().out
    assert "so far: 1" in shown and str(out / "evaluation" / "test") in shown
    maps = tmp_path / "maps"
    assert main(["explain", *photographs, "--model", str(out), "--out", str(maps), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(list(maps.iterdir())) == 3


def test_a_mix_model_is_a_model_like_any_other(
    run: Path, specialist: Path, synthetic: Path, photographs: list[str], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "mix"
    arguments = ["--base", str(run), "--specialist", str(specialist), "--data", str(synthetic), "--out", str(out)]
    assert main(["mix", *arguments, "--routing", "margin"]) == 0
    shown = capsys.readouterr()
    assert "macro F1" in shown.out and "base" in shown.out and f"model: {out}" in shown.out
    assert "by cross-fitting" in shown.err
    assert main(["predict", *photographs, "--model", str(out / "model"), "--views", "2", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["answers"]) == 3
    assert main(["evaluate", "--model", str(out), "--data", str(synthetic), "--resamples", "0"]) == 0
    maps = ["--out", str(tmp_path / "maps"), "--panel"]
    assert main(["explain", photographs[0], "--model", str(out), *maps]) == 0
    assert len(list((tmp_path / "maps").iterdir())) == 1


def test_a_lone_combined_model_needs_its_split(
    run: Path, second: Path, synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "together"
    assert main(["ensemble", str(run), str(second), "--data", str(synthetic), "--out", str(out)]) == 0
    lone = tmp_path / "elsewhere" / "lone"
    shutil.copytree(out / "model", lone)
    arguments = ["evaluate", "--model", str(lone), "--data", str(synthetic), "--resamples", "0"]
    assert main(arguments) == 2
    assert "--out" in capsys.readouterr().err
    arguments += ["--out", str(tmp_path / "figures")]
    assert main(arguments) == 2
    assert "--split-file" in capsys.readouterr().err
    assert main([*arguments, "--split-file", str(out / "split.csv")]) == 0
    other = tmp_path / "other.csv"
    assert main(["data", "split", str(synthetic), "--protocol", "grouped", "--seed", "5", "--out", str(other)]) == 0
    assert main([*arguments, "--split-file", str(other)]) == 3
    assert "with which the model was trained" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["ensemble", "{run}", "{second}", "--rule", "median"], 2, "rules are average"),
        (["ensemble", "{run}"], 2, "at least two"),
        (["ensemble", "{run}", "{specialist}"], 4, "other diagnoses"),
        (["mix", "--base", "{run}", "--specialist", "{second}"], 2, "no specialist"),
        (["mix", "--base", "{run}", "--specialist", "{specialist}", "--routing", "best"], 2, "routings are paper"),
        (["mix", "--base", "{run}"], 2, "--specialist"),
    ],
)
def test_mistakes(
    arguments: list[str], code: int, words: str, run: Path, second: Path, specialist: Path, synthetic: Path,
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    given = [word.format(run=run, second=second, specialist=specialist) for word in arguments]
    assert main([*given, "--data", str(synthetic), "--out", str(tmp_path / "out")]) == code
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
