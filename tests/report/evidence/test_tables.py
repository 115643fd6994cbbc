"""The tables of how good the answers are hold the figures of the evaluation."""

from __future__ import annotations

from dataclasses import replace

from lesionlab.diagnoses import CODES
from lesionlab.report.evidence import tables
from lesionlab.report.evidence.gathering import Evidence
from lesionlab.report.table import number


def test_every_figure_is_there(bare: Evidence) -> None:
    table = tables.quality(bare)
    assert {row["figure"] for row in table.records} == set(bare.metrics["metrics"])
    accuracy = bare.metrics["metrics"]["accuracy"]
    assert table.rows[0][0].text == "accuracy" and table.rows[0][1].text == number(accuracy["value"])
    assert f"{accuracy['low']:.3f}" in table.rows[0][1].note


def test_every_diagnosis_has_a_row(bare: Evidence) -> None:
    table = tables.per_class(bare)
    assert [row["code"] for row in table.records] == list(CODES)
    melanoma = bare.metrics["per_class"]["mel"]
    assert table.records[CODES.index("mel")]["recall_value"] == melanoma["recall"]["value"]
    assert all(len(row) == len(table.columns) for row in table.rows)


def test_a_model_without_decisions_has_no_such_tables(bare: Evidence) -> None:
    for make in (tables.operating, tables.sets, tables.abstaining, tables.elsewhere):
        assert make(bare).rows == ()


def test_what_is_undefined_is_told(bare: Evidence) -> None:
    asked = {
        "melanoma": {"images": 9, "positives": 3, "auroc": {"value": 0.8, "low": 0.7, "high": 0.9}},
        "malignant": {"images": 9, "positives": 0, "undefined": "all images give the same answer"},
    }
    table = tables.elsewhere(replace(bare, elsewhere={"images": 9, "questions": asked}))
    assert [row[-1].text for row in table.rows] == ["0.800", "all images give the same answer"]
    assert [row["value"] for row in table.records] == [0.8]
    assert tables.figure_cell({"value": None, "low": None, "high": None}).text == "–"
    assert tables.figure_cell({"too_few": "3 images, 50 needed"}).text == "too few"


def test_melanoma_and_malignant_stand_side_by_side(bare: Evidence) -> None:
    table = tables.targets(bare)
    assert (
        table.columns == ("figure", "melanoma", "malignant")
        and len(table.rows) == len(bare.metrics["targets"]["melanoma"]) - 2
    )
    assert table.records[0]["value"] == bare.metrics["targets"]["melanoma"]["auroc"]["value"]


def test_operating_points_stand_beside_what_they_had_on_validation(bare: Evidence) -> None:
    figure = {"value": 0.5, "low": 0.4, "high": 0.6}
    point = {
        "target": "malignant",
        "aim": "sensitivity 0.90",
        "threshold": 0.1234,
        "prevalence": 0.2,
        "fitted": {"sensitivity": 0.91, "specificity": 0.7},
        **dict.fromkeys(tables.CARRIED, figure),
    }
    of = replace(bare, metrics=bare.metrics | {"decisions": {"operating": [point]}})
    table = tables.operating(of)
    assert [cell.text for cell in table.rows[0]] == [
        "malignant, sensitivity 0.90",
        "0.12",
        "0.91",
        "0.70",
        *["0.50"] * 5,
    ]
    assert "20.0% malignant" in table.caption and table.records[0]["threshold"] == 0.1234
    assert table.records[0]["validation_sensitivity"] == 0.91
