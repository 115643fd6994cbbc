"""Where models look, and what RGB and grayscale differ in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_study import add_attention, write_study

from lesionlab.files import read_json, write_json
from lesionlab.study import looking
from lesionlab.study.results import Results, read_results


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return read_results(write_study(tmp_path, images=70))


def test_where_models_look(results: Results) -> None:
    assert looking.attention(results).rows == () and looking.colour_against_gray(results).rows == ()
    add_attention(results.folder)
    table = looking.attention(results)
    assert [cell.text for cell in table.rows[1][:3]] == ["Xception, grayscale", "grouped", "118"]
    assert table.rows[1][3].text == "1.80" and table.rows[1][3].note == "[1.70, 1.95]"
    assert "at most 300" in table.caption and "Protocol paper" not in table.caption


def test_rgb_minus_grayscale(results: Results) -> None:
    add_attention(results.folder)
    table = looking.colour_against_gray(results)
    (line,) = table.rows
    assert [cell.text for cell in line] == [
        "Xception, RGB", "Xception, grayscale", "grouped", "117",
        "+0.020", "[−0.010, 0.050]", "−0.200", "[−0.300, −0.100]",
    ]  # fmt: skip
    assert [line[place].kind for place in (4, 6)] == ["number", "outside"]
    assert looking.colour_finding(results) in table.caption


@pytest.mark.parametrize(
    ("intervals", "wanted"),
    [
        ([(-0.1, 0.2)], "no evidence of a difference in 1"),
        ([(0.1, 0.2)], "RGB higher in 1"),
        ([(-0.3, -0.2), (0.1, 0.2), (-0.1, 0.1), (0.0, 0.3)],
         "RGB lower in 1, RGB higher in 1, no evidence of a difference in 2"),
    ],
)  # fmt: skip
def test_the_finding_goes_by_the_intervals(results: Results, intervals: list[tuple[float, float]], wanted: str) -> None:
    add_attention(results.folder)
    file = results.folder / "grouped" / "attention.json"
    content: dict[str, Any] = read_json(file)
    figures = [{"value": (low + high) / 2, "low": low, "high": high} for low, high in intervals]
    content["differences"] = {
        f"gray {place}": {
            "against": "RGB",
            "images": 9,
            "empty": 0,
            "measures": dict.fromkeys(looking.COMPARED, figure),
        }
        for place, figure in enumerate(figures)
    }
    write_json(file, content)
    assert looking.colour_finding(results).endswith(
        f"share inside the lesion: {wanted}; border against interior: {wanted}."
    )


def test_nothing_measured_nothing_found(results: Results) -> None:
    assert looking.colour_finding(results) == ""
