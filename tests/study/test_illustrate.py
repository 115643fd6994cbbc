"""The pictures and maps of a study whose networks are random: what is made, and of which models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lesionlab.data.cases import labelled
from lesionlab.data.sources import load_source
from lesionlab.data.splits import grouped, paper, write_split
from lesionlab.errors import DataError
from lesionlab.files import read_json, write_json
from lesionlab.report.evaluate_model import evaluate_model
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
            figures = evaluate_model(run, synthetic, part, resamples=0).result if done else None
            rows.append(
                {"id": name, "label": f"Tiny, {name}", "kind": "row", "status": "done" if done else "unfinished",
                 "run": f"{protocol}/rows/{name}", "recipe": recipe, "figures": figures}
            )  # fmt: skip
        protocols[protocol] = {"part": part, "rows": rows}
    write_json(out / "study.json", {"title": "Small", "budget": "smoke", "note": "", "protocols": protocols})
    return out


def test_everything_that_there_are_models_for(study: Path, synthetic: Path) -> None:
    files = illustrate(study, synthetic, resamples=50)
    assert all(path.is_file() for path in files) and len(set(files)) == len(files)
    assert {path.name for path in files if path.parent.name == "population"} == {
        "class_distribution.png", "melanoma_by_age_and_site.png", "samples.png", "augmentation.png",
    }  # fmt: skip
    for protocol in ("paper", "grouped"):
        pages = {path.stem for path in files if path.parent == study / protocol / "gradcam"}
        assert {"each_class_rgb", "each_class_gray"} == {page for page in pages if page.startswith("each")}
        assert {page for page in pages if page.startswith("maps")} <= {"maps_for_mel_tiny", "maps_for_nv_tiny"}
        told = read_json(study / protocol / "attention.json")
        names = ["rgb", "gray", "legs", *(["other"] if protocol == "paper" else [])]
        assert list(told["models"]) == [f"Tiny, {name}" for name in names]
        assert "Tiny, gray" in told["differences"] and "Tiny, legs" not in told["differences"]
        assert told["part"] == {"paper": "val", "grouped": "test"}[protocol]
    assert study / "paper" / "gradcam" / "maps_for_nv_tiny.png" in files


def test_mistakes(study: Path, synthetic: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no study"):
        illustrate(tmp_path, synthetic)
    state = read_json(study / "study.json")
    for about in state["protocols"].values():
        about["rows"] = about["rows"][:1]
    write_json(tmp_path / "study.json", state)
    with pytest.raises(DataError, match="no model is done"):
        illustrate(tmp_path, synthetic)
    with pytest.raises(DataError, match="no mask of any"):
        (tmp_path / "masks").mkdir()
        illustrate(study, synthetic, tmp_path / "masks")
