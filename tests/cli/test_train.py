"""`lesionlab train`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lesionlab.cli.main import main
from lesionlab.data.splits import read_split
from lesionlab.files import lock, read_json

TINY = ("--recipe", "tiny", "--set", "epochs=1", "--set", "size=64", "--set", "views=1", "--weights", "none")


def test_a_finished_run_tells_where_it_lies(run: Path, synthetic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Resuming a finished run trains nothing and tells the same."""
    before = (run / "model" / "model.safetensors").stat().st_mtime_ns
    assert main(["train", "--data", str(synthetic), "--out", str(run), "--resume", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["validation"] == read_json(run / "run.json")["validation"]
    assert all(Path(told[name]).exists() for name in ("run", "model", "curves"))
    assert told["leak"] == {}
    assert (run / "model" / "model.safetensors").stat().st_mtime_ns == before


def test_the_papers_protocol_tells_its_leak(
    synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "--data", str(synthetic), "--out", str(tmp_path / "run"), *TINY, "--split", "paper"]
    assert main(arguments) == 0
    shown = capsys.readouterr()
    assert "lesion also in train" in shown.out and "balanced accuracy" in shown.out
    assert shown.err.count("epoch 1/1: training loss") == 1


def test_one_fold_of_a_kfold_split(synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    split = tmp_path / "folds.csv"
    kfold = ["--protocol", "kfold", "--folds", "3", "--out", str(split)]
    assert main(["data", "split", str(synthetic), *kfold]) == 0
    arguments = ["train", "--data", str(synthetic), "--out", str(tmp_path / "run"), *TINY, "--split", str(split)]
    assert main(arguments) == 2
    assert "--fold" in capsys.readouterr().err
    assert main([*arguments, "--fold", "7"]) == 2
    assert main([*arguments, "--fold", "1"]) == 0
    assert read_split(tmp_path / "run" / "split.csv").parts == read_split(split).fold(1).parts


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--data", "{}/none"], 3, "no such folder"),
        (["--data", "{}/empty"], 3, "holds no images"),
        (["--set", "epoch=2"], 2, "did you mean 'epochs'?"),
        (["--set", "epochs=none"], 2, "epochs"),
        (["--recipe", "huge"], 2, "cpu"),
        (["--split", "{}/nowhere.csv"], 2, "neither a protocol nor a file"),
        (["--weights", "{}/none.safetensors"], 4, "no such weights file"),
        (["--weights", "{}/other.safetensors"], 4, "not weights of"),
        (["--weights", "imagenet"], 4, "--weights FILE.safetensors"),
        (["--duplicates", "{}/none.json"], 3, "none.json"),
    ],
)
def test_mistakes(
    options: list[str],
    code: int,
    words: str,
    synthetic: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    save_file({"conv1.weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", _no_network)
    given = [word.format(tmp_path) for word in options]
    arguments = ["train", "--data", str(synthetic), "--out", str(tmp_path / "run"), *TINY, *given]
    assert main(arguments) == code
    shown = capsys.readouterr()
    assert words in shown.err and "Traceback" not in shown.err and shown.out == ""
    assert not (tmp_path / "run" / "run.json").exists()


def _no_network(*_: object, **__: object) -> None:
    raise OSError("the hub cannot be reached")


def test_a_run_folder_in_use(synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    with lock(folder, "the run folder"):
        assert main(["train", "--data", str(synthetic), "--out", str(folder), *TINY]) == 3
    assert "in use" in capsys.readouterr().err


def test_a_run_is_not_overwritten(run: Path, synthetic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--data", str(synthetic), "--out", str(run), *TINY]) == 2
    assert "--resume" in capsys.readouterr().err
