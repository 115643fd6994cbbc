"""`lesionlab evaluate`, and the count of looks at the test images."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lesionlab.cli.main import main
from lesionlab.data.sources.synthetic import generate
from lesionlab.data.splits import read_split
from lesionlab.evaluation.predictions import read_predictions
from lesionlab.files import read_json
from lesionlab.report.evaluation import FILES

QUICK = ("--resamples", "40")


def test_the_test_part(own: Path, synthetic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", "--model", str(own), "--data", str(synthetic), *QUICK]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    folder = own / "evaluation" / "test"
    assert str(folder) in shown and "balanced accuracy" in shown and "so far: 1" in shown
    assert all((folder / name).is_file() for name in FILES)
    split = read_split(own / "split.csv")
    tested = {image_id for image_id, part in split.parts.items() if part == "test"}
    assert set(read_predictions(folder / "predictions.csv").image_ids) == tested
    assert main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["looks"] == 2 and told["result"] == read_json(folder / "metrics.json")
    assert "abstained" in shown and told["result"]["decisions"]["abstaining"]["abstained"]["value"] >= 0
    looks = [json.loads(line) for line in (own / "looks.jsonl").read_text().splitlines()]
    assert [look["part"] for look in looks] == ["test", "test"]
    assert looks[0]["split"] == split.fingerprint


def test_stress_goes_with_it(own: Path, synthetic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", "--model", str(own), "--data", str(synthetic), "--split", "val", "--stress", *QUICK]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "balanced accuracy without corruption" in shown and "macro F1" in shown
    told = read_json(own / "stress" / "val" / "stress.json")
    assert told["images"] == told["chosen_of"] == read_json(own / "evaluation" / "val" / "metrics.json")["images"]


def test_validation_repeats_what_training_found(own: Path, synthetic: Path) -> None:
    """The written model, read by another runtime, gives the figures of the run within rounding; no look is counted."""
    arguments = ["evaluate", "--model", str(own), "--data", str(synthetic), "--split", "val", *QUICK]
    assert main(arguments) == 0
    metrics, trained = read_json(own / "evaluation" / "val" / "metrics.json")["metrics"], read_json(own / "run.json")
    for name in ("balanced_accuracy", "macro_f1", "nll"):
        assert metrics[name]["value"] == pytest.approx(trained["validation"][name], abs=2e-3)
    assert not (own / "looks.jsonl").exists()


def test_all_images_warns_of_those_it_learnt(own: Path, synthetic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", "--model", str(own / "model"), "--data", str(synthetic), "--split", "all", *QUICK]
    assert main(arguments) == 0
    trained = list(read_split(own / "split.csv").parts.values()).count("train")
    shown = capsys.readouterr()
    assert f"trained on {trained} of these images" in shown.err
    assert "so far: 1" in shown.out and (own / "evaluation" / "all" / "metrics.json").is_file()


def test_a_lone_model(run: Path, synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(run / "model", tmp_path / "model")
    arguments = ["evaluate", "--model", str(tmp_path / "model"), "--data", str(synthetic), *QUICK]
    out = ["--out", str(tmp_path / "out")]
    assert main(arguments) == 2
    assert "--out" in capsys.readouterr().err
    assert main([*arguments, *out]) == 2
    assert "--split-file" in capsys.readouterr().err
    assert main([*arguments, *out, "--split-file", str(run / "split.csv"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["looks"] is None


def test_another_split_or_source_is_refused(
    run: Path, synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    split = tmp_path / "split.csv"
    made = ["--protocol", "grouped", "--seed", "5", "--out", str(split)]
    assert main(["data", "split", str(synthetic), *made]) == 0
    arguments = ["evaluate", "--model", str(run), "--out", str(tmp_path / "out"), *QUICK]
    assert main([*arguments, "--data", str(synthetic), "--split-file", str(split)]) == 3
    assert "with which the model was trained" in capsys.readouterr().err
    other = generate(tmp_path / "other", lesions=7, seed=1, size=(64, 48))
    assert main([*arguments, "--data", str(other)]) == 3
    assert "are not in it" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_a_reader_states(own: Path, synthetic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", "--model", str(own), "--data", str(synthetic), "--split", "val", *QUICK]
    assert main([*arguments, "--prevalence", "melanoma=0.02", "--min-tpr", "0.5"]) == 0
    shown = capsys.readouterr().out
    assert "against the rest" in shown and "partial AUROC above sensitivity 0.50" in shown
    metrics = read_json(own / "evaluation" / "val" / "metrics.json")
    assert metrics["min_tpr"] == 0.5 and 0 <= metrics["targets"]["melanoma"]["pauc"]["value"] <= 0.5
    stated = {row["target"]: row["prevalence"] for row in metrics["decisions"]["operating"]}
    assert stated["melanoma"] == 0.02 and stated["malignant"] > 0.02
    assert "where 2.0% are melanoma: PPV" in shown


@pytest.mark.parametrize("given", [["--prevalence", "nevus=0.5"], ["--prevalence", "melanoma=5"], ["--min-tpr", "1"]])
def test_what_cannot_be_stated(
    given: list[str], run: Path, synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", "--model", str(run), "--data", str(synthetic), "--out", str(tmp_path / "out")]
    assert main([*arguments, *given]) == 2
    assert given[0] in capsys.readouterr().err
    assert not (tmp_path / "out").exists() and not (run / "looks.jsonl").exists()
