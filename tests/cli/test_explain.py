"""`lesionlab explain`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from lesionlab.cli.main import main
from lesionlab.diagnoses import CODES


def test_an_overlay_for_each_image(
    run: Path, photographs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, out = tmp_path / "bad.png", tmp_path / "maps"
    bad.write_bytes(b"nothing")
    assert main(["explain", *photographs[:2], str(bad), "--model", str(run), "--out", str(out), "--json"]) == 0
    shown = capsys.readouterr()
    told = json.loads(shown.out)
    assert [one["path"] for one in told] == photographs[:2]
    assert f"refused: {bad}" in shown.err
    for one in told:
        assert one["explained"] == one["diagnosis"] in CODES
        assert Image.open(one["picture"]).format == "PNG"
    assert {path.name for path in out.iterdir()} == {Path(one["picture"]).name for one in told}


@pytest.mark.parametrize("options", [["--panel"], ["--class", "mel"]])
def test_a_chosen_class_and_a_panel(
    options: list[str], run: Path, photographs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", photographs[0], "--model", str(run), "--out", str(tmp_path), *options]) == 0
    name = f"{Path(photographs[0]).stem}_{options[-1].removeprefix('--')}.png"
    assert str(tmp_path / name) in capsys.readouterr().out
    assert (tmp_path / name).is_file()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["{}/none"], 3, "no image found"),
        (["{0}/bad.png"], 3, "none of 1 images"),
        (["--class", "melanoma"], 2, "akiec"),
        (["--model", "{}"], 4, "no model here"),
    ],
)
def test_mistakes(
    options: list[str],
    code: int,
    words: str,
    run: Path,
    photographs: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "bad.png").write_bytes(b"nothing")
    given = [word.format(tmp_path) for word in options]
    paths = given if not given[0].startswith("-") else [photographs[0], *given]
    assert main(["explain", "--model", str(run), "--out", str(tmp_path / "maps"), *paths]) == code
    assert words in capsys.readouterr().err
    assert not (tmp_path / "maps").exists()
