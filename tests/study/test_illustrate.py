"""The pictures and maps of a study whose networks are random: what is made, and of which models."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lesionlab.data.cases import labelled
from lesionlab.data.sources import load_source
from lesionlab.data.splits import grouped, paper, read_split, write_split
from lesionlab.errors import DataError
from lesionlab.files import read_json, write_json
from lesionlab.report.evaluate_model import evaluate_model
from lesionlab.report.parts import Images
from lesionlab.study.illustrate import illustrate

DESIGNS = {
    "rgb": {"architecture": "tiny", "colour": "rgb", "site": ""},
    "gray": {"architecture": "tiny", "colour": "gray", "site": ""},
    "legs": {"architecture": "tiny", "colour": "rgb", "site": "lower extremity"},
    "other": {"architecture": "another", "colour": "rgb", "site": ""},
}


@pytest.fixture(scope="module")
def study(synthetic: Path, tmp_path_factory: pytest.TempPathFactory, make_member: Callable[..., Path]) -> Path:
    """A study with both protocols; row "other" is done with protocol paper only, "failed" never."""
    out = tmp_path_factory.mktemp("study")
    cases = labelled(load_source(synthetic).cases, "synthetic")
    protocols = {}
    for protocol, part, split in (("paper", "val", paper(cases)), ("grouped", "test", grouped(cases))):
        write_split(out / protocol / "split.csv", split)
        rows: list[dict[str, Any]] = [
            {"id": "failed", "label": "failed", "kind": "row", "status": "failed", "run": None}
        ]
        for name, recipe in DESIGNS.items():
            run = out / protocol / "rows" / name
            training = {"split": {"fingerprint": split.fingerprint}, "recipe": {"site": recipe["site"]}}
            make_member(run / "model", training=training, colour=recipe["colour"])
            write_split(run / "split.csv", split)
            write_json(run / "run.json", {"status": "finished"})
            done = protocol == "paper" or name != "other"
            figures = evaluate_model(run, Images(synthetic), part, resamples=0).result if done else None
            rows.append(
                {"id": name, "label": f"Tiny, {name}", "kind": "row", "status": "done" if done else "unfinished",
                 "run": f"{protocol}/rows/{name}", "recipe": recipe, "figures": figures}
            )  # fmt: skip
        protocols[protocol] = {"part": part, "rows": rows}
    write_json(out / "study.json", {"title": "Small", "budget": "smoke", "note": "", "protocols": protocols})
    return out


def test_everything_that_there_are_models_for(study: Path, synthetic: Path) -> None:
    found = illustrate(study, Images(synthetic), resamples=50)
    assert found.remarks == []
    files = found.files
    assert all(path.is_file() for path in files) and len(set(files)) == len(files)
    assert {path.name for path in files if path.parent.name == "population"} == {
        "class_distribution.csv", "class_distribution.png", "melanoma_by_age_and_site.png", "samples.png",
        "augmentation.png",
    }  # fmt: skip
    for protocol in ("paper", "grouped"):
        pages = {path.stem for path in files if path.parent == study / protocol / "gradcam"}
        judged = read_split(study / protocol / "split.csv").select(load_source(synthetic).cases, told_part(protocol))
        tables = {f"maps_for_{case.dx}_tiny" for case in judged if case.dx in ("mel", "nv")}
        assert tables and {page for page in pages if page.startswith("maps")} == tables
        assert {"each_class_rgb", "each_class_gray"} == {page for page in pages if page.startswith("each")}
        mistakes = {page.split("_")[1] for page in pages if page.startswith("mistakes")}
        assert mistakes <= {"rgb", "gray", "other"}
        told = read_json(study / protocol / "attention.json")
        names = ["rgb", "gray", "legs", *(["other"] if protocol == "paper" else [])]
        assert list(told["models"]) == [f"Tiny, {name}" for name in names]
        assert "Tiny, gray" in told["differences"] and "Tiny, legs" not in told["differences"]
        assert told["part"] == told_part(protocol)


def told_part(protocol: str) -> str:
    return {"paper": "val", "grouped": "test"}[protocol]


def written(study: Path, synthetic: Path, **settings: Any) -> dict[str, bool]:
    """Return each file of the study that `illustrate` tells, and whether it was written by this call."""
    began = time.time_ns()
    files = illustrate(study, Images(synthetic), **({"count": 4, "resamples": 50} | settings)).files
    return {str(path.relative_to(study)): path.stat().st_mtime_ns >= began for path in files}


def test_only_what_is_stale_is_made_again(study: Path, synthetic: Path, tmp_path: Path) -> None:
    """Another model in one protocol: its maps. Other settings: what they shape."""
    out = shutil.copytree(study, tmp_path / "study", ignore=shutil.ignore_patterns("kept"))
    assert all(written(out, synthetic).values())
    assert not any(written(out, synthetic).values())
    assert {name for name, new in written(out, synthetic, resamples=60).items() if new} == {
        "paper/attention.json", "grouped/attention.json",
    }  # fmt: skip
    card = out / "grouped" / "rows" / "gray" / "model" / "bundle.json"
    write_json(card, read_json(card) | {"prior_offset": [0, 0, 0, 0, 2.0, 0, 0]})
    again = written(out, synthetic, resamples=60)
    assert {name.startswith("grouped/") for name, new in again.items() if new} == {True}
    assert all(new for name, new in again.items() if name.startswith("grouped/"))
    (out / "paper" / "attention.json").unlink()
    assert [name for name, new in written(out, synthetic, resamples=60).items() if new] == ["paper/attention.json"]


def test_an_image_without_a_mask_is_left_out_and_told(study: Path, synthetic: Path, tmp_path: Path) -> None:
    """And when the mask is there, it is measured."""
    out, masks = shutil.copytree(study, tmp_path / "study"), shutil.copytree(synthetic / "masks", tmp_path / "masks")
    judged = read_split(out / "paper" / "split.csv").select(load_source(synthetic).cases, "val")
    lost = masks / f"{judged[0].image_id}_segmentation.png"
    lost.rename(tmp_path / lost.name)
    found = illustrate(out, Images(synthetic), masks, resamples=50)
    assert found.remarks == [f"protocol paper: maps could not be measured on 1 images: {judged[0].image_id}"]
    told = read_json(out / "paper" / "attention.json")
    assert {model["images"] for model in told["models"].values()} == {
        len(judged) - 1,
        told["models"]["Tiny, legs"]["images"],
    }
    assert illustrate(out, Images(synthetic), masks, resamples=50).remarks == found.remarks
    (tmp_path / lost.name).rename(lost)
    assert illustrate(out, Images(synthetic), masks, resamples=50).remarks == []


def test_mistakes(study: Path, synthetic: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no study"):
        illustrate(tmp_path, Images(synthetic))
    state = read_json(study / "study.json")
    for about in state["protocols"].values():
        about["rows"] = about["rows"][:1]
    write_json(tmp_path / "study.json", state)
    with pytest.raises(DataError, match="no model is done"):
        illustrate(tmp_path, Images(synthetic))
    with pytest.raises(DataError, match="no mask of any"):
        (tmp_path / "masks").mkdir()
        illustrate(study, Images(synthetic), tmp_path / "masks")
