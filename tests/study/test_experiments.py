"""Table 1, the leak, the paired experiment, and how rows were made."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_study import add_pictures, add_siblings, write_study

from lesionlab.study import experiments
from lesionlab.study.results import Results, read_results


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return read_results(write_study(tmp_path, images=70))


def test_the_leak_is_counted_by_diagnosis(results: Results) -> None:
    table = experiments.leak(results)
    assert [cell.text for cell in table.rows[0]] == ["akiec", "10", "10", "100.0%", "10", "0", "0.0%"]
    assert [cell.text for cell in table.rows[-1]] == ["all", "70", "70", "100.0%", "70", "0", "0.0%"]
    assert experiments.leak(results).rows == table.rows  # counting leaves the results as they are


def test_the_paired_experiment(results: Results) -> None:
    assert experiments.siblings(results).rows == ()
    add_siblings(results.folder)
    table = experiments.siblings(results)
    assert [cell.text for cell in table.rows[3]] == [
        "F1",
        "0.700",
        "0.731",
        "+0.031",
        "[0.012, 0.050]",
        "+0.031, +0.031",
    ]
    assert table.rows[3][3].kind == "outside"
    assert "xception, 4 epochs at 128 px, weights" in table.caption and "seeds 0, 1" in table.caption


def test_what_the_leak_is_worth(results: Results) -> None:
    table = experiments.leak_worth(results)
    assert [record["id"] for record in table.records] == ["xception", "gray", "leg", "mix", "margin"]
    for record in table.records:
        assert record["macro_f1_difference"] == record["macro_f1_paper_protocol"] - record["macro_f1_grouped"]
    assert table.records[0]["macro_f1_difference"] > 0


def test_table_1_stands_beside_the_papers(results: Results) -> None:
    assert experiments.class_distribution(results).rows == ()
    add_pictures(results.folder)
    table = experiments.class_distribution(results)
    assert [cell.text for cell in table.rows[0]] == [
        "Melanocytic nevus", "nv", "6,705 (66.95%)", "55 (22.45%)", "−6,650", "4",
    ]  # fmt: skip
    assert [cell.text for cell in table.rows[-1]] == ["all", "", "10,015 (100.00%)", "245 (100.00%)", "−9,770", "28"]
    assert [record["dx"] for record in table.records] == ["nv", "mel", "bkl", "bcc", "akiec", "vasc", "df"]


def test_how_rows_were_made(results: Results) -> None:
    made = {row["id"]: row for row in experiments.how_made(results)}
    assert made["made-paper-xception"]["minutes"] == "12.6" and made["made-paper-xception"]["status"] == "done"
    assert made["made-grouped-lite2"]["status"] == "failed: out of memory <8 GB>"
    assert made["made-paper-resnet50"]["command"] == ""
