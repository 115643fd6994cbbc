"""A study's folder as the report reads it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_study import add_siblings, write_study

from lesionlab.errors import DataError
from lesionlab.files import read_json, write_json
from lesionlab.study.results import Results, read_results, value, why_missing


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return read_results(write_study(tmp_path, images=70))


def test_rows_by_id_and_kind(results: Results) -> None:
    assert results.protocols == ("paper", "grouped")
    assert [row["id"] for row in results.designs("mix")] == ["mix", "margin"]
    assert results.label("mel-nv") == "mel or nv" and results.label("nobody") == "nobody"
    assert results.pair("akiec-bcc") == ["akiec", "bcc"] and results.pair("xception") == []
    assert results.row("paper", "nobody") is None and results.predictions("paper", "vote") is None
    assert len(results.history(results.row("paper", "xception") or {})) == 4


def test_the_best_network_is_judged_on_all_sites(results: Results) -> None:
    """The one of lower extremities has the highest figure; combined models are no networks."""
    best = results.best("paper")
    assert best is not None and best["id"] == "xception" and results.base == "xception"
    leg = value(results.row("paper", "leg"), "macro_f1")["value"]
    assert leg is not None and leg > (value(best, "macro_f1")["value"] or 0)


def test_the_papers_network_is_the_mix_models_base_or_the_best(results: Results) -> None:
    for row in results.state["protocols"]["paper"]["rows"]:
        if row["id"] in ("xception", "gray"):
            row |= {"status": "failed", "figures": None}
    assert [(results.lead(name) or {})["id"] for name in ("paper", "grouped")] == ["lite2", "xception"]


def test_no_text_names_a_folder_of_the_machine(results: Results) -> None:
    state = read_json(results.folder / "study.json")
    state["protocols"]["paper"]["rows"][0]["reason"] = f"{results.folder}/deep/file.csv: no such file"
    write_json(results.folder / "study.json", state)
    add_siblings(results.folder)
    paired = read_json(results.folder / "siblings" / "siblings.json")
    paired["command"] = "/opt/bin/lesionlab study siblings --data /home/me/ham10000"
    write_json(results.folder / "siblings" / "siblings.json", paired)
    again = read_results(results.folder)
    assert why_missing(again.row("paper", "resnet50")) == "not run: file.csv: no such file"
    assert again.siblings()["command"] == "lesionlab study siblings --data ham10000"
    assert str(results.folder) not in json.dumps(again.state)
    assert again.predictions("paper", "xception") is not None  # runs are found all the same


def test_figures_that_are_missing(results: Results) -> None:
    empty = {"value": None, "low": None, "high": None}
    assert value(None, "accuracy") == value(results.row("paper", "vote"), "accuracy") == empty
    assert why_missing(None) == "not run" and why_missing({"status": "unfinished", "reason": ""}) == "unfinished"
    assert results.siblings() == {} and list(results.experiments("attention.json")) == []


def test_no_study(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no study here"):
        read_results(tmp_path)
    for content in ([], {"protocols": {}}, {"protocols": {"kfold": {}}}):
        write_json(tmp_path / "study.json", content)
        with pytest.raises(DataError, match=r"study\.json"):
            read_results(tmp_path)
