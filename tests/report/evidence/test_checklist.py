"""Checklists are filled in from what is known, and open where nothing is."""

from __future__ import annotations

from dataclasses import replace

from lesionlab.report.evidence.checklist import CLEAR_DERM, TRIPOD, checklist
from lesionlab.report.evidence.gathering import Evidence


def told(of: Evidence) -> dict[tuple[str, str], str]:
    return {(item.place, item.asks): item.told for item in checklist(of)}


def test_all_items_are_there_and_those_of_authors_are_open(bare: Evidence) -> None:
    items = told(bare)
    assert len(items) == len(TRIPOD) + len(CLEAR_DERM)
    assert {place.rstrip("abcdefg") for place, *_ in TRIPOD} == {str(number) for number in range(1, 28)}
    assert {area for area, *_ in CLEAR_DERM} == {"data", "technique", "technical assessment", "application"}
    assert items["17", "Approval by an ethics committee"] == "" == items["data", "Skin tone"]
    assert "2.5" not in items["23a", "Performance with intervals, in groups too"]
    assert "40 resamples" in items["23a", "Performance with intervals, in groups too"]


def test_more_evidence_fills_more(bare: Evidence, full: Evidence) -> None:
    filled = [sum(bool(text) for text in told(of).values()) for of in (bare, full)]
    assert filled[0] < filled[1]
    assert (
        told(full)["technical assessment", "Bias and robustness"]
        and not told(bare)["technical assessment", "Bias and robustness"]
    )
    looked = replace(bare, part="test", looks=[{"command": "x"}])
    assert told(looked)["technical assessment", "How often test images were used"].startswith(
        "test images were scored 1 time,"
    )
