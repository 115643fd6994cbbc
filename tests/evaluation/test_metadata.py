"""What age, sex and site alone tell: learnt from known cases, set on others, judged on others still."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score
from sklearn.preprocessing import OneHotEncoder

from lesionlab.data.cases import Case
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError
from lesionlab.evaluation.metadata import PENALTIES, PRIOR_SHARES, from_metadata

MEL = CODES.index("mel")
SITES = dict(zip(CODES, ("face", "back", "scalp", "foot", "", "trunk", "hand"), strict=True))


def case(number: int, dx: str, age: float | None = 50.0, sex: str = "male", site: str = "back") -> Case:
    return Case(f"image{number}", "", dx, f"lesion{number}", age=age, sex=sex, site=site)


def drawn(n: int, seed: int) -> list[Case]:
    """Return cases in which age tells melanoma, partly, and sex tells nothing; some ages are missing."""
    generator = np.random.default_rng(seed)
    found = []
    for number in range(n):
        dx = str(generator.choice(CODES, p=[0.04, 0.05, 0.11, 0.02, 0.12, 0.64, 0.02]))
        years = float(np.clip(generator.normal(62 if dx == "mel" else 47, 12), 0, 90))
        age = None if generator.random() < 0.05 else years
        site = str(generator.choice(["back", "face", "trunk"]))
        found.append(case(1000 * seed + number, dx, age, str(generator.choice(["male", "female"])), site))
    return found


def test_a_site_for_each_diagnosis_tells_all() -> None:
    """Melanoma has no site: what is unknown tells, too."""
    cases = [case(number, code, site=SITES[code]) for number, code in enumerate(CODES * 6)]
    found, told = from_metadata(cases[:28], cases[28:35], cases[35:])
    assert (found.predicted == found.truth).all() and found.image_ids == tuple(one.image_id for one in cases[35:])
    assert told["attributes"] == ["age", "sex", "site"]
    assert (told["fitted_on"], told["chosen_on"], told["seen"]) == (28, 7, 0)


def test_as_scikit_learn() -> None:
    train, validate, judged = drawn(700, 1), drawn(300, 2), drawn(300, 3)
    found, told = from_metadata(train, validate, judged)

    def values(cases: list[Case]) -> list[list[str]]:
        return [["" if one.age is None else str(one.age // 10), one.sex, one.site] for one in cases]

    def truth(cases: list[Case]) -> np.ndarray:
        return np.array([CODES.index(one.dx) for one in cases])

    encoder = OneHotEncoder(handle_unknown="ignore").fit(values(train))
    prior = np.bincount(truth(train)) / len(train)
    figures = {}
    for penalty in PENALTIES:
        fit = LogisticRegression(C=penalty, max_iter=1000).fit(encoder.transform(values(train)), truth(train))
        for share in PRIOR_SHARES:
            answers = (fit.predict_proba(encoder.transform(values(validate))) / prior ** (1 - share)).argmax(axis=1)
            figures[penalty, share] = (
                balanced_accuracy_score(truth(validate), answers), f1_score(truth(validate), answers, average="macro"),
            )  # fmt: skip
    assert [(row["C"], row["prior"]) for row in told["tried"]] == list(figures)
    for row in told["tried"]:
        assert (row["balanced_accuracy"], row["macro_f1"]) == pytest.approx(figures[row["C"], row["prior"]])
    best = max(figures, key=lambda key: sum(figures[key]))
    assert told["setting"] == {"C": best[0], "prior": best[1]}
    fit = LogisticRegression(C=best[0], max_iter=1000).fit(encoder.transform(values(train)), truth(train))
    plain = fit.predict_proba(encoder.transform(values(judged)))
    np.testing.assert_array_equal(found.predicted, (plain / prior ** (1 - best[1])).argmax(axis=1))
    areas = [roc_auc_score(found.truth == MEL, table[:, MEL]) for table in (plain, found.probabilities)]
    assert areas[1] == pytest.approx(areas[0], abs=0.05) and areas[1] > 0.65


def test_what_training_did_not_show() -> None:
    """A diagnosis that only the judged cases have gets next to nothing; an unheard-of site does no harm."""
    train = [one for one in drawn(400, 4) if one.dx != "vasc"]
    validate = drawn(100, 5)
    judged = [case(1, "vasc", site="nail"), case(2, "nv", age=None, sex="", site=""), validate[0]]
    found, told = from_metadata(train, validate, judged)
    assert found.probabilities[:, CODES.index("vasc")].max() < 1e-3
    assert told["seen"] == 1


def test_only_what_is_known_is_named() -> None:
    cases = [case(number, code, age=None, sex="", site=SITES[code]) for number, code in enumerate(CODES * 4)]
    assert from_metadata(cases, cases, cases)[1]["attributes"] == ["site"]


def test_nothing_to_learn_from() -> None:
    blank = [case(number, code, age=None, sex="", site="") for number, code in enumerate(CODES)]
    for train, words in ((blank, "no training image has"), ([], "no training image has"), ([case(1, "nv")], "single")):
        with pytest.raises(DataError, match=words):
            from_metadata(train, drawn(20, 6), drawn(20, 7))
