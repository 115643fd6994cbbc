"""The paper's figures beside ours: what differs, what is missing and why."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_study import NO_WEIGHTS, write_study

from lesionlab.files import read_json, write_json
from lesionlab.study import comparisons
from lesionlab.study.results import Results, read_results


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return read_results(write_study(tmp_path_factory.mktemp("study")))


def figure(of: Results, protocol: str, identifier: str, metric: str) -> dict[str, float]:
    row = of.row(protocol, identifier)
    assert row is not None
    found: dict[str, float] = row["figures"]["metrics"][metric]
    return found


def test_table_3(results: Results) -> None:
    table = comparisons.paper_table(results, 3)
    assert table.columns[:6] == ("model", "figure", "paper", "ours", "difference", "95 % interval")
    grid = table.grid()
    assert len(grid) == 8 and {len(line) for line in grid} == {9}
    missing = grid[0][3]
    assert (
        missing is not None and missing.text == f"not run: {NO_WEIGHTS}" and (missing.rows, missing.columns) == (4, 6)
    )
    accuracy = [cell.text if cell else "" for cell in grid[4]]
    ours = figure(results, "paper", "xception", "accuracy")
    assert accuracy[:4] == ["3. Xception, RGB", "accuracy", "0.87", f"{ours['value']:.3f}"]
    assert accuracy[4] == f"{ours['value'] - 0.87:+.3f}".replace("-", "−")
    assert accuracy[5] == f"[{ours['low']:.3f}, {ours['high']:.3f}]"
    clean = grid[4][6]
    assert clean is not None and clean.text == f"{figure(results, 'grouped', 'xception', 'accuracy')['value']:.3f}"


def test_differences_outside_the_interval_are_marked(results: Results) -> None:
    for line in comparisons.paper_table(results, 3).grid()[4:]:
        for start, protocol in ((4, "paper"), (7, "grouped")):
            cell, name = line[start], {"accuracy": "accuracy", "F1": "macro_f1"}.get(line[1].text if line[1] else "")
            if cell and name:
                ours = figure(results, protocol, "xception", name)
                published = {"accuracy": 0.87, "macro_f1": 0.78}[name]
                assert (cell.kind == "outside") == (not ours["low"] <= published <= ours["high"])


def test_a_model_without_any_figure_takes_one_line(results: Results) -> None:
    assert len(comparisons.paper_table(results, 2).grid()) == 1


def test_each_protocol_tells_its_own_reason(results: Results) -> None:
    line = comparisons.others(results).grid()[4]
    assert line[3] is not None and line[3].kind == "ours"
    assert line[6] is not None and line[6].text == "failed: out of memory <8 GB>" and line[6].columns == 3


def test_table_6_holds_base_and_mix(results: Results) -> None:
    names = [cells[0].text for cells in comparisons.paper_table(results, 6).rows if cells[0].rows == 4]
    assert names == ["Xception, RGB", "Mix-Model", "Mix-Model where unsure"]


def test_the_summary(results: Results) -> None:
    table = comparisons.summary(results)
    assert table.columns[1:4] == ("F1, paper", "F1, ours", "F1, ours without the leak")
    labels = [cells[0].text for cells in table.rows]
    assert "mel or nv" not in labels and labels[-1] == "Mix-Model where unsure"
    assert [cell.text for cell in table.rows[0][1:4]] == ["0.78", "not run", "not run"]
    done = table.rows[1][3]
    assert done.link == "made-grouped-xception" and done.note.startswith("[0.")


def test_figures_by_cross_fitting_say_so(results: Results) -> None:
    """The weighted average was fitted on the images that judge under protocol paper, and only there."""
    table = comparisons.ensembles(results)
    assert "Fitted on the images that judge under protocol paper: Weighted average;" in table.caption
    assert {record["cross_fitted"] for record in table.records if record["id"] == "weighted"} == {True, False}
    assert all(cell.note.startswith("[0.") for cell in comparisons.summary(results).rows[-1][2:4])


def test_the_forest_spans_all_values(results: Results) -> None:
    forest = comparisons.forest(results)
    labels = [model["label"] for model in forest["models"]]
    assert "ViT-B/32, RGB" not in labels and "ResNet50, RGB" in labels
    values = [v for model in forest["models"] for ours in model["ours"].values() for v in ours.values() if v]
    assert forest["low"] <= min(values) and max(values) <= forest["high"] and len(forest["ticks"]) >= 2


def test_undefined_figures_stay_empty(tmp_path: Path) -> None:
    out = write_study(tmp_path, images=28)
    state = read_json(out / "study.json")
    row = next(row for row in state["protocols"]["paper"]["rows"] if row["id"] == "xception")
    row["figures"]["metrics"]["macro_f1"] = {"value": None, "low": None, "high": None}
    write_json(out / "study.json", state)
    line = comparisons.paper_table(read_results(out), 3).grid()[7]
    assert [cell.text for cell in line[1:6] if cell] == ["F1", "0.78", "–", "–", "–"]
