"""Tables beyond the paper's: leak, paired experiment, attention, how rows were made."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_study import add_attention, add_siblings, write_study

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
    assert "xception, 128 px, 4 epochs" in table.caption and "seeds 0, 1" in table.caption


def test_attention(results: Results) -> None:
    assert experiments.attention(results).rows == ()
    add_attention(results.folder)
    table = experiments.attention(results)
    assert [cell.text for cell in table.rows[1][:3]] == ["Xception, grayscale", "grouped", "118"]
    assert table.rows[1][3].text == "1.800" and table.rows[1][3].note == "[1.700, 1.950]"


def test_how_rows_were_made(results: Results) -> None:
    made = {row["id"]: row for row in experiments.how_made(results)}
    assert made["made-paper-xception"]["minutes"] == "12.6" and made["made-paper-xception"]["status"] == "done"
    assert made["made-grouped-lite2"]["status"] == "failed: out of memory <8 GB>"
    assert made["made-paper-resnet50"]["command"] == ""
