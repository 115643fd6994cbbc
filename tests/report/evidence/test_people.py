"""Who is in the data is counted by part, and told in the data card."""

from __future__ import annotations

from pathlib import Path

from lesionlab.data.cases import Case
from lesionlab.data.splits import Split
from lesionlab.report.evidence.people import counted, data_card, people, people_table

CASES = [
    Case("a", "a.jpg", "mel", "1", 50.0, "male", "back"),
    Case("b", "b.jpg", "mel", "1", 50.0, "male", "back"),
    Case("c", "c.jpg", "nv", "2", 20.0, "female", "back"),
    Case("d", "d.jpg", "", "3", None, "", "", excluded="mel|bkl"),
    Case("e", "e.jpg", "nv", "4", 20.0, "female", "back"),
]
SPLIT = Split("grouped", 0, {"a": "test", "b": "test", "c": "train", "d": "kept_out"})


def test_counted_by_hand() -> None:
    found = counted(CASES, SPLIT)
    assert found["parts"] == {
        "train": {"images": 1, "lesions": 1},
        "test": {"images": 2, "lesions": 1},
        "kept_out": {"images": 1, "lesions": 1},
    }
    assert found["groups"]["diagnosis"] == {
        "mel": {"train": 0, "test": 2, "kept_out": 0},
        "nv": {"train": 1, "test": 0, "kept_out": 0},
        "known in part": {"train": 0, "test": 0, "kept_out": 1},
    }
    assert found["groups"]["sex"]["male"]["test"] == 2 and "source" not in found["groups"]
    table = people_table(found)
    assert table.columns == ("by", "group", "train", "test", "kept_out")
    assert [row["group"] for row in table.records][:3] == ["mel", "nv", "known in part"]
    assert all(len(line) == 5 for line in table.grid())


def test_the_card_says_what_is_known_and_what_is_not() -> None:
    training = {"data": {"source": "ham10000", "images": 4}, "split": {"protocol": "grouped", "fingerprint": "abc"}}
    card = data_card(training, counted(CASES, SPLIT))
    assert "CC BY-NC 4.0" in card and "grouped" in card and "skin tone" in card and "| mel |" in card
    assert "see the source" in data_card({"data": {"source": "folder"}}, {})


def test_a_run_without_a_case_table(tmp_path: Path) -> None:
    assert people(tmp_path) == {} and people_table({}).rows == ()
