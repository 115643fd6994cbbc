"""Predictions: what is refused, and what a file gives back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lesionlab.data.cases import Case, read_rows, write_rows
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError
from lesionlab.evaluation.metrics import sample, scores
from lesionlab.evaluation.predictions import (
    COLUMNS,
    Predictions,
    from_cases,
    read_predictions,
    write_isic,
    write_predictions,
)


def even(n: int = 3, **changes: object) -> Predictions:
    """Return n images with all probabilities 1/7, after changes to the arguments."""
    names = tuple(f"image{i}" for i in range(n))
    arguments: dict[str, object] = {
        "image_ids": names,
        "lesion_ids": names,
        "truth": np.zeros(n, dtype=int),
        "probabilities": np.full((n, 7), 1 / 7),
    }
    return Predictions(**{**arguments, **changes})  # type: ignore[arg-type]


def spoiled(row: int, column: int, value: float) -> np.ndarray:
    probabilities = np.full((3, 7), 1 / 7)
    probabilities[row, column] = value
    return probabilities


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"probabilities": spoiled(1, 2, np.nan)}, r"row 2 \(image 'image1'\): a probability is not a finite"),
        ({"probabilities": spoiled(2, 0, np.inf)}, r"row 3 \(image 'image2'\): a probability is not a finite"),
        ({"probabilities": spoiled(0, 0, -0.1)}, r"row 1 \(image 'image0'\): a probability is negative"),
        ({"probabilities": spoiled(1, 0, 1 / 7 + 2e-4)}, r"row 2 \(image 'image1'\).*do not add up to 1"),
        ({"truth": np.array([0, 7, -1])}, r"row 2 \(image 'image1'\): its truth"),
        ({"truth": np.array([0, -1, 0])}, r"row 2 \(image 'image1'\): its truth"),
        ({"truth": np.zeros(3)}, "the truth has type float64"),
        ({"truth": np.zeros(2, dtype=int)}, "do not fit together"),
        ({"lesion_ids": ("a", "b")}, "do not fit together"),
        ({"probabilities": np.full((3, 6), 1 / 6)}, "do not fit together"),
        ({"image_ids": ("a", "b", "a")}, r"row 3 \(image 'a'\): the image_id stands twice"),
        ({"image_ids": ("a", "", "c")}, "row 2 .*empty"),
        ({"lesion_ids": ("a", "b", "")}, "row 3 .*empty"),
    ],
)
def test_faults_name_the_first_row(changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        even(**changes)


def test_no_image_is_refused() -> None:
    with pytest.raises(DataError, match="no image"):
        even(0)


def test_rounded_probabilities_are_taken() -> None:
    assert len(even(probabilities=np.full((3, 7), 0.14286))) == 3


def test_values_cannot_change_afterwards() -> None:
    given = np.full((3, 7), 1 / 7)
    predictions = even(probabilities=given)
    given[0, 0] = 9
    assert predictions.probabilities[0, 0] == 1 / 7
    with pytest.raises(ValueError, match="read-only"):
        predictions.probabilities[0, 0] = 9


def test_equal_probabilities_give_the_first_class() -> None:
    assert even().predicted.tolist() == [0, 0, 0]


def test_images_of_one_lesion_share_a_number() -> None:
    assert even(4, lesion_ids=("b", "a", "b", "c")).lesions.tolist() == [1, 0, 1, 2]


def test_from_cases_keeps_order_and_refuses_unlabelled() -> None:
    cases = [Case("i1", "i1.jpg", "nv", "l1"), Case("i2", "i2.jpg", "bcc", "l1")]
    predictions = from_cases(cases, np.full((2, 7), 1 / 7))
    assert [CODES[i] for i in predictions.truth] == ["nv", "bcc"]
    assert predictions.lesion_ids == ("l1", "l1")
    with pytest.raises(DataError, match="'i3' has no diagnosis"):
        from_cases([Case("i3", "i3.jpg", "", "l2")], np.full((1, 7), 1 / 7))


def test_file_gives_back_the_same(tmp_path: Path, draw) -> None:
    predictions = draw(50)
    write_predictions(tmp_path / "p.csv", predictions)
    back = read_predictions(tmp_path / "p.csv")
    assert tuple(read_rows(tmp_path / "p.csv")[0]) == COLUMNS
    assert (back.image_ids, back.lesion_ids) == (predictions.image_ids, predictions.lesion_ids)
    assert np.array_equal(back.truth, predictions.truth)
    assert np.array_equal(back.probabilities, predictions.probabilities)


def test_columns_are_found_by_name(tmp_path: Path, draw) -> None:
    predictions = draw(20)
    write_predictions(tmp_path / "p.csv", predictions)
    rows = read_rows(tmp_path / "p.csv")
    header = ["note", *reversed(COLUMNS)]
    write_rows(tmp_path / "q.csv", header, [["x", *(row[name] for name in reversed(COLUMNS))] for row in rows])
    assert np.array_equal(read_predictions(tmp_path / "q.csv").probabilities, predictions.probabilities)


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("truth", "", "row 2 .*empty"),
        ("truth", "wart", "row 2 .*unknown diagnosis 'wart'"),
        ("p_mel", "many", "row 2 .*could not convert"),
        ("p_mel", "nan", "row 2 .*not a finite number"),
        ("p_mel", "-1", "row 2 .*negative"),
        ("p_mel", "0.9999", "row 2 .*add up"),
        ("image_id", "image0", "row 2 .*twice"),
        ("diagnosis", "vasc", "row 2 .*not the most probable"),
    ],
)
def test_faults_in_a_file_name_file_and_row(tmp_path: Path, by_hand, column: str, cell: str, message: str) -> None:
    write_predictions(tmp_path / "p.csv", by_hand)
    rows = read_rows(tmp_path / "p.csv")
    rows[1][column] = cell
    write_rows(tmp_path / "p.csv", COLUMNS, [list(row.values()) for row in rows])
    with pytest.raises(DataError, match=message) as caught:
        read_predictions(tmp_path / "p.csv")
    assert str(tmp_path / "p.csv") in caught.value.message


@pytest.mark.parametrize("missing", ["lesion_id", "truth", "diagnosis", "p_vasc"])
def test_missing_column_is_named(tmp_path: Path, by_hand, missing: str) -> None:
    write_predictions(tmp_path / "p.csv", by_hand)
    rows = [{k: v for k, v in row.items() if k != missing} for row in read_rows(tmp_path / "p.csv")]
    write_rows(tmp_path / "p.csv", list(rows[0]), [list(row.values()) for row in rows])
    with pytest.raises(DataError, match=f"column '{missing}' is missing"):
        read_predictions(tmp_path / "p.csv")


def test_file_without_rows_is_refused(tmp_path: Path) -> None:
    write_rows(tmp_path / "p.csv", COLUMNS, [])
    with pytest.raises(DataError, match="no row"):
        read_predictions(tmp_path / "p.csv")


@pytest.mark.parametrize("ties", [False, True])
def test_isic_challenge_scoring_agrees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, draw, ties: bool) -> None:
    """The challenge's own program scores our two files: same balanced accuracy, same AUROC of every class."""
    pandas = pytest.importorskip("pandas")
    scoring = pytest.importorskip("isic_challenge_scoring.classification")
    # Its reader calls DataFrame.applymap, which pandas 3 removed in favour of map.
    monkeypatch.setattr(pandas.DataFrame, "applymap", pandas.DataFrame.map, raising=False)
    predictions = draw(400, ties=ties)
    write_isic(tmp_path / "truth.csv", predictions, truth=True)
    write_isic(tmp_path / "answer.csv", predictions)
    metric = scoring.ClassificationMetric.BALANCED_ACCURACY
    theirs = scoring.ClassificationScore.from_file(tmp_path / "truth.csv", tmp_path / "answer.csv", metric)
    ours = scores(sample(predictions), np.ones((1, len(predictions))))
    for k, code in enumerate(CODES):
        assert theirs.per_category.loc[code.upper(), "auc"] == pytest.approx(ours.per_class["auroc"][0, k], abs=1e-12)
    assert theirs.macro_average["auc"] == pytest.approx(ours.overall["macro_auroc"][0], abs=1e-12)
    largest = predictions.probabilities == predictions.probabilities.max(axis=1, keepdims=True)
    undecided = np.flatnonzero((largest.sum(axis=1) > 1) & (predictions.predicted == predictions.truth))
    credit = sum(1 / (predictions.truth == predictions.truth[i]).sum() for i in undecided) / len(CODES)
    assert theirs.overall == pytest.approx(ours.overall["balanced_accuracy"][0] - credit, abs=1e-12)
    assert bool(len(undecided)) is ties
