"""`lesionlab data ...`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from lesionlab.cli.main import main
from lesionlab.data.cases import labelled
from lesionlab.data.sources import load_source
from lesionlab.data.splits import KEPT_OUT, grouped, joined, read_split


def test_check_prints_a_table_and_writes_what_split_reads(
    synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, split = tmp_path / "check.json", tmp_path / "split.csv"
    assert main(["data", "check", str(synthetic), "--no-near", "--out", str(found)]) == 0
    shown = capsys.readouterr().out
    assert "diagnosis mel" in shown and str(found) in shown
    arguments = ["data", "split", str(synthetic), "--protocol", "grouped", "--out", str(split)]
    assert main([*arguments, "--duplicates", str(found)]) == 0
    assert main([*arguments, "--duplicates", str(split)]) == 3


def test_check_names_a_corrupt_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for dx, name in (("mel", "good"), ("nv", "bad")):
        (tmp_path / dx).mkdir()
        Image.new("RGB", (40, 40), (99, 40, 30)).save(tmp_path / dx / f"{name}.png")
    (tmp_path / "nv" / "bad.png").write_bytes(b"no image at all")
    assert main(["data", "check", str(tmp_path)]) == 0
    assert "unreadable image: bad: " in capsys.readouterr().out
    assert main(["data", "check", str(tmp_path), "--json", "--no-near"]) == 0
    assert json.loads(capsys.readouterr().out)["unreadable"] == 1


@pytest.mark.parametrize("protocol", ["grouped", "kfold", "paper"])
def test_split_writes_a_file_and_counts(
    protocol: str, synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "split.csv"
    arguments = ["data", "split", str(synthetic), "--protocol", protocol, "--out", str(out), "--folds", "3", "--json"]
    assert main(arguments) == 0
    told, split = json.loads(capsys.readouterr().out), read_split(out)
    assert told["fingerprint"] == split.fingerprint
    assert {part: row["images"] for part, row in told["parts"].items()} == {
        part: list(split.parts.values()).count(part) for part in set(split.parts.values())
    }
    for row in told["parts"].values():
        assert row["images"] == sum(n for name, n in row.items() if name not in ("images", "lesions"))


def test_a_split_of_several_sources_is_that_of_training(synthetic: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    for number in range(20):
        path = second / ("mel", "nv")[number % 2] / f"other{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), (number, 0, 0)).save(path)
    out = tmp_path / "split.csv"
    command = ["data", "split", str(synthetic), "--protocol", "grouped", "--also", str(second), "--out", str(out)]
    assert main(command) == 0
    own, other = (labelled(load_source(folder).cases, "") for folder in (synthetic, second))
    assert read_split(out).fingerprint == joined(grouped(own, 0), [other]).fingerprint
    assert KEPT_OUT in read_split(out).parts.values()


def test_the_papers_split_tells_its_leak(synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["data", "split", str(synthetic), "--protocol", "paper", "--out", str(tmp_path / "s.csv")]
    assert main([*arguments, "--json"]) == 0
    leak = json.loads(capsys.readouterr().out)["leak"]
    shared, images = (sum(column) for column in zip(*leak.values(), strict=True))
    assert 0 < shared <= images
    assert main(arguments) == 0
    last = next(line for line in capsys.readouterr().out.splitlines() if line.split()[:1] == ["all"])
    assert last.split() == ["all", str(images), str(shared), f"{shared / images:.1%}"]


def test_external_holds_one_source_out(synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["data", "split", str(synthetic), "--protocol", "external", "--out", str(tmp_path / "split.csv")]
    assert main(arguments) == 2
    assert "--test-source" in capsys.readouterr().err
    assert main([*arguments, "--test-source", "synthetic_west", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parts"]["test"]["images"] > 0


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (["check", "{}/none"], 3, "no such folder"),
        (["check", "{}/empty"], 3, "holds no images"),
        (["split", "{}/none", "--protocol", "paper", "--out", "{}/split.csv"], 3, "no such folder"),
        (["split", "{}/none", "--protocol", "random", "--out", "{}/split.csv"], 2, "random"),
        (["pack", "{}/empty"], 3, "holds no images"),
        (["check", "{}", "--source", "dicom9"], 2, "dicom9"),
        (["synth", "{}/drawn", "--lesions", "3"], 2, "3 lesions"),
        (["download", "imagenet", "{}/in"], 2, "ham10000"),
        (["download", "ham10000", "{}/in", "--mirror", "file:///etc"], 2, "file:///etc"),
    ],
)
def test_mistakes(
    command: list[str], code: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["data", *(word.format(tmp_path) for word in command)]) == code
    shown = capsys.readouterr()
    assert words in shown.err and "Traceback" not in shown.err and shown.out == ""
    assert not (tmp_path / "split.csv").exists()


def test_synth_can_be_repeated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["data", "synth", str(tmp_path / "drawn"), "--lesions", "7", "--width", "64", "--json"]
    assert main(arguments) == 0
    first = capsys.readouterr().out
    assert main(arguments) == 0
    assert capsys.readouterr().out == first
    assert json.loads(first)["images"] == len(list((tmp_path / "drawn" / "images").glob("*.jpg")))


def test_pack_tells_where(synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "pack", str(synthetic), "--size", "32", "--cache", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["cache"] == str(tmp_path / "packs")
    assert len(list(Path(told["cache"]).glob("*/pixels.npy"))) == 1


def test_augment_preview_draws_a_picture(synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "preview.png"
    arguments = ["data", "augment-preview", str(synthetic), "--out", str(out), "--count", "3"]
    assert main([*arguments, "--image", "SYN_0000001", "--augmentation", "strong"]) == 0
    assert "SYN_0000001" in capsys.readouterr().out
    assert Image.open(out).width > 400
    assert main([*arguments, "--augmentation", "wild"]) == 2
    assert main([*arguments, "--image", "SYN_9"]) == 3
