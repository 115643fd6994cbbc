"""Tables of answers."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lesionlab.diagnoses import CODES
from lesionlab.prediction.answers import COLUMNS, csv_lines, jsonl_lines, write_lines
from lesionlab.prediction.predictor import Answer, Refusal

PROBABILITIES = (0.1, 0.2, 0.3, 0.05, 0.05, 0.2999999, 0.0000001)
RESULTS = [
    Answer("ISIC_1", Path("in/ISIC_1.jpg"), "bkl", PROBABILITIES),
    Refusal(Path("in/broken.jpg"), "in/broken.jpg: damaged"),
    Answer("=cmd", Path("+in, two\nlines/=cmd.jpg"), "bkl", PROBABILITIES),
    Answer("caf\udce9", Path(os.fsdecode(b"caf\xe9.jpg")), "bkl", PROBABILITIES),
]


def test_the_csv_has_the_promised_columns(tmp_path: Path) -> None:
    write_lines(tmp_path / "out" / "answers.csv", csv_lines(RESULTS))
    with (tmp_path / "out" / "answers.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS == ("image_id", "path", "diagnosis", *(f"p_{code}" for code in CODES))
    assert [row["image_id"] for row in rows] == ["ISIC_1", "'=cmd", "caf\ufffd"]
    assert rows[1]["path"] == "'+in, two\nlines/=cmd.jpg"
    assert [float(rows[0][f"p_{code}"]) for code in CODES] == pytest.approx(PROBABILITIES, abs=1e-8)


def test_jsonl_has_one_object_a_line_refusals_too() -> None:
    rows = [json.loads(line) for line in jsonl_lines(RESULTS)]
    assert tuple(rows[0]) == COLUMNS
    assert rows[1] == {"path": "in/broken.jpg", "refused": "in/broken.jpg: damaged"}
    assert rows[2]["image_id"] == "=cmd"
    assert all("\n" not in line.rstrip("\n") and line.endswith("\n") for line in jsonl_lines(RESULTS))


def test_lines_are_given_as_answers_come() -> None:
    def answers() -> Iterator[Answer]:
        yield RESULTS[0]  # type: ignore[misc]
        raise AssertionError("asked for too much")

    lines = csv_lines(answers())
    assert next(lines).startswith("image_id,")
    assert next(lines).startswith("ISIC_1,")


def test_a_table_that_fails_half_way_is_not_there(tmp_path: Path) -> None:
    def lines() -> Iterator[str]:
        yield "image_id\n"
        raise KeyboardInterrupt

    (tmp_path / "answers.csv").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write_lines(tmp_path / "answers.csv", lines())
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("answers.csv", "old")]
