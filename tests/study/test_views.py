"""One network with one view and with more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_study import add_views, write_study

from lesionlab.data.cases import labelled
from lesionlab.data.sources import load_source
from lesionlab.data.splits import grouped, write_split
from lesionlab.evaluation.paired import difference
from lesionlab.evaluation.predictions import read_predictions
from lesionlab.files import read_json, write_json
from lesionlab.report.evaluate_model import evaluate_model
from lesionlab.report.parts import Images
from lesionlab.study.results import Results, read_results
from lesionlab.study.views import VIEWS, judge_views, views_table


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return read_results(write_study(tmp_path, images=70))


def test_figures_and_differences_to_one_view(results: Results) -> None:
    assert views_table(results).rows == ()
    add_views(results.folder)
    table = views_table(results)
    assert [[cell.text for cell in line][:3] for line in table.rows] == [
        ["Xception, RGB", "grouped", "1"],
        ["4", f"{table.records[1]['accuracy']:.3f}", f"{table.records[1]['macro_precision']:.3f}"],
    ]
    one, four = (read_predictions(results.folder / "grouped/views/xception" / n / "predictions.csv") for n in "14")
    wanted = difference(one, four)["macro_f1"]
    assert [table.records[1][f"macro_f1_difference_{key}"] for key in ("value", "low")] == [
        wanted["value"],
        wanted["low"],
    ]
    assert [cell.text for cell in table.rows[0][-2:]] == ["–", "–"]
    assert "Protocol grouped: 70 test images" in table.caption and "Protocol paper" not in table.caption


def test_without_a_single_view_there_is_nothing_to_compare_with(results: Results) -> None:
    add_views(results.folder)
    (results.folder / "grouped/views/xception/1/metrics.json").unlink()
    assert views_table(results).rows == ()


def test_views_are_judged_once(synthetic: Path, tmp_path: Path, make_member: Callable[..., Path]) -> None:
    split = grouped(labelled(load_source(synthetic).cases, "synthetic"))
    run, place = tmp_path / "grouped" / "rows" / "rgb", tmp_path / "grouped" / "views" / "rgb"
    training = {"split": {"fingerprint": split.fingerprint}, "recipe": {}}
    make_member(run / "model", training=training, views=2)
    write_split(run / "split.csv", split)
    write_json(run / "run.json", {"status": "finished"})
    figures = evaluate_model(run, Images(synthetic), "test", views=1, out=tmp_path / "one", resamples=0).result
    row = {"id": "rgb", "label": "RGB", "kind": "row", "status": "done", "run": "grouped/rows/rgb", "recipe": {}}
    about = {"part": "test", "rows": [{**row, "figures": figures}]}
    write_json(tmp_path / "study.json", {"protocols": {"grouped": about}})
    files = judge_views(tmp_path, Images(synthetic), resamples=0)
    assert {path.parent for path in files} == {place / str(views) for views in VIEWS}
    assert read_json(place / "1" / "metrics.json")["metrics"] == figures["metrics"]
    one, eight = (read_predictions(place / str(views) / "predictions.csv").probabilities for views in (1, 8))
    assert not np.array_equal(one, eight)
    before = [path.stat().st_mtime_ns for path in files]
    assert judge_views(tmp_path, Images(synthetic), resamples=0) == files
    assert [path.stat().st_mtime_ns for path in files] == before


def test_nothing_done_nothing_judged(results: Results) -> None:
    state = read_json(results.folder / "study.json")
    for about in state["protocols"].values():
        about["rows"] = [row for row in about["rows"] if row["status"] != "done"]
    write_json(results.folder / "study.json", state)
    assert judge_views(results.folder, Images(Path("nowhere"))) == []
