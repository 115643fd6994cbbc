"""Tables of answers."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lesionlab.diagnoses import CODES
from lesionlab.prediction.answers import COLUMNS, LESION_COLUMNS, Result, csv_lines, jsonl_lines, write_lines
from lesionlab.prediction.judging import Verdict
from lesionlab.prediction.lesions import LesionAnswer
from lesionlab.prediction.predictor import Answer, Refusal

PROBABILITIES = (0.1, 0.2, 0.3, 0.05, 0.05, 0.2999999, 0.0000001)
PLAIN = Verdict("bkl", PROBABILITIES)
DECIDED = Verdict("bkl", PROBABILITIES, True, ("bkl", "nv"), True, "not certain enough", False)
RESULTS: list[Result] = [
    Answer("ISIC_1", Path("in/ISIC_1.jpg"), DECIDED),
    Refusal(Path("in/broken.jpg"), "in/broken.jpg: damaged"),
    Answer("=cmd", Path("+in, two\nlines/=cmd.jpg"), PLAIN),
    Answer("caf\udce9", Path(os.fsdecode(b"caf\xe9.jpg")), PLAIN),
]


def rows(results: list[Result], columns: tuple[str, ...] = COLUMNS) -> list[dict[str, str]]:
    return list(csv.DictReader(csv_lines(results, columns)))


def test_the_csv_has_the_promised_columns(tmp_path: Path) -> None:
    write_lines(tmp_path / "out" / "answers.csv", csv_lines(RESULTS))
    with (tmp_path / "out" / "answers.csv").open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    promised = ["image_id", "path", "diagnosis", *(f"p_{code}" for code in CODES)]
    assert list(found[0]) == list(COLUMNS) == [*promised, "malignant", "prediction_set", "abstained", "reason"]
    assert [row["image_id"] for row in found] == ["ISIC_1", "'=cmd", "caf\ufffd"]
    assert found[1]["path"] == "'+in, two\nlines/=cmd.jpg"
    assert [float(found[0][f"p_{code}"]) for code in CODES] == pytest.approx(PROBABILITIES, abs=1e-8)


def test_decisions_are_words_and_what_was_not_decided_is_empty() -> None:
    decided, plain, _ = rows(RESULTS)
    names = ("malignant", "prediction_set", "abstained", "reason")
    assert [decided[name] for name in names] == ["yes", "bkl|nv", "yes", "not certain enough"]
    assert [plain[name] for name in names] == [""] * 4


def test_jsonl_has_one_object_a_line_refusals_too() -> None:
    found = [json.loads(line) for line in jsonl_lines(RESULTS)]
    assert tuple(found[0]) == tuple(found[2]) == COLUMNS
    assert (found[0]["malignant"], found[0]["prediction_set"]) == (True, ["bkl", "nv"])
    assert (found[2]["malignant"], found[2]["prediction_set"], found[2]["reason"]) == (None, None, "")
    assert found[1] == {"path": "in/broken.jpg", "refused": "in/broken.jpg: damaged"}
    assert found[2]["image_id"] == "=cmd"
    assert all("\n" not in line.rstrip("\n") and line.endswith("\n") for line in jsonl_lines(RESULTS))


def test_lesions_have_columns_of_their_own() -> None:
    answer = LesionAnswer("=1+1", (Path("a.jpg"), Path("b.jpg")), DECIDED)
    (found,) = rows([answer], LESION_COLUMNS)
    assert tuple(found) == LESION_COLUMNS == ("lesion_id", "photographs", *COLUMNS[2:])
    assert (found["lesion_id"], found["photographs"], found["diagnosis"]) == ("'=1+1", "2", "bkl")


def test_lines_are_given_as_answers_come() -> None:
    def answers() -> Iterator[Result]:
        yield RESULTS[0]
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
