"""Photographs of one lesion count together; those that are turned away do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lesionlab.errors import DataError
from lesionlab.models.decisions import Decisions
from lesionlab.prediction.judging import UNLIKE, Verdict, judge
from lesionlab.prediction.lesions import LesionAnswer, by_folder, by_lesion, by_table
from lesionlab.prediction.predictor import Answer, Refusal

PATHS = [Path("one/a.jpg"), Path("one/b.jpg"), Path("two/c.jpg")]
ROWS = [[0, 0, 0, 0, 0.9, 0.1, 0], [0, 0, 0, 0, 0.3, 0.7, 0], [0, 0, 0, 0, 0.2, 0.8, 0]]
LESIONS = dict(zip(PATHS, ("x", "x", "y"), strict=True))


def answers(decisions: Decisions | None, outliers: list[bool] | None = None) -> list[Answer | Refusal]:
    verdicts = judge(np.array(ROWS, float), decisions, None if outliers is None else np.array(outliers))
    return [Answer(path.stem, path, verdict) for path, verdict in zip(PATHS, verdicts, strict=True)]


def found(results: list[Answer | Refusal], decisions: Decisions | None, aim: str | None = None) -> dict[str, Verdict]:
    lesions = [one for one in by_lesion(results, LESIONS, decisions, aim) if isinstance(one, LesionAnswer)]
    return {one.lesion_id: one.verdict for one in lesions}


def test_probabilities_are_averaged(decisions: Decisions) -> None:
    refused = Refusal(Path("one/bad.jpg"), "damaged")
    results = [answers(decisions)[0], refused, *answers(decisions)[1:]]
    first, x, y = by_lesion(results, LESIONS, decisions)
    assert first == refused
    assert isinstance(x, LesionAnswer) and isinstance(y, LesionAnswer)
    assert (x.lesion_id, x.photographs, y.photographs) == ("x", tuple(PATHS[:2]), (PATHS[2],))
    assert x.verdict.probabilities == pytest.approx((0, 0, 0, 0, 0.6, 0.4, 0))
    assert (x.verdict.diagnosis, x.verdict.malignant, x.verdict.outlier) == ("mel", True, None)
    assert y.verdict == answers(decisions)[2].verdict  # type: ignore[union-attr]


def test_what_is_turned_away_does_not_count(decisions: Decisions) -> None:
    verdicts = found(answers(decisions, [True, False, False]), decisions)
    assert verdicts["x"].probabilities == pytest.approx(ROWS[1])
    assert (verdicts["x"].abstained, verdicts["x"].outlier) == (False, False)


def test_a_lesion_of_nothing_else_is_turned_away(decisions: Decisions) -> None:
    verdicts = found(answers(decisions, [True, True, False]), decisions)
    assert (verdicts["x"].abstained, verdicts["x"].outlier, verdicts["x"].reason) == (True, True, UNLIKE)
    assert verdicts["x"].probabilities == pytest.approx((0, 0, 0, 0, 0.6, 0.4, 0))
    assert verdicts["y"].outlier is False


def test_the_operating_point_is_asked_for_again(decisions: Decisions) -> None:
    assert not found(answers(decisions), decisions)["y"].malignant
    assert found(answers(decisions), decisions, "sensitivity 0.95")["y"].malignant


def test_a_model_without_decisions_averages_too() -> None:
    verdict = found(answers(None), None)["x"]
    assert verdict == replace(verdict, malignant=None, prediction_set=None, abstained=None, outlier=None)


def test_a_folder_is_a_lesion() -> None:
    assert by_folder([*PATHS, Path("d.jpg")]) == {
        PATHS[0]: "one", PATHS[1]: "one", PATHS[2]: "two", Path("d.jpg"): ".",
    }  # fmt: skip


def test_a_table_names_lesions(tmp_path: Path) -> None:
    table = tmp_path / "cases.csv"
    table.write_text("lesion_id,image_id,more\nx,a,\nx,b,\ny,c,\nz,other,\n")
    assert by_table(PATHS, table) == LESIONS


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("image_id,dx\na,mel\n", "no table of lesions"),
        ("image_id,lesion_id\n", "no table of lesions"),
        ("image_id,lesion_id\na,x\na,y\n", "'a' stands twice"),
        ("image_id,lesion_id\na,\n", "lacks its lesion"),
        ("image_id,lesion_id\na,x\n", "2 images are not in it: b, c"),
    ],
)
def test_wrong_tables_are_refused(tmp_path: Path, content: str, words: str) -> None:
    table = tmp_path / "cases.csv"
    table.write_text(content)
    with pytest.raises(DataError, match=words):
        by_table(PATHS, table)
