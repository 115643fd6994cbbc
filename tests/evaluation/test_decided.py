"""What decisions come to on other images: counted by hand, and with intervals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lesionlab.evaluation.conformal import fit_conformal
from lesionlab.evaluation.decided import decision_rows, evaluate_decisions
from lesionlab.evaluation.operating import DEFAULT, fit_abstaining, fit_points
from lesionlab.evaluation.predictions import Predictions
from lesionlab.evaluation.stated import Stated
from lesionlab.models.decisions import Conformal, Decisions, Figure, Fit, OperatingPoint

FIT = Fit(
    part="val", images=9, lesions=9, nll_before=1, nll_after=1, ece_before=Figure(value=0), ece_after=Figure(value=0)
)


def small() -> Predictions:
    """Return two melanomas, one of them found with 0.8, and three nevi, one of them called melanoma with 0.4."""
    table = np.zeros((5, 7))
    table[:, 4] = (0.8, 0.3, 0.4, 0.2, 0.1)
    table[:, 5] = (0.2, 0.7, 0.35, 0.8, 0.9)
    table[2, 2] = 0.25
    return Predictions(tuple("abcde"), ("1", "2", "3", "3", "4"), np.array([4, 4, 5, 5, 5]), table)


def decided(**more: object) -> Decisions:
    point = OperatingPoint(target="melanoma", aim="sensitivity 0.90", threshold=0.35, sensitivity=0.9, specificity=0.5)
    sets = Conformal(coverage=0.9, thresholds=[1, 1, 1, 1, 0.35, 0.75, 1], images=[0, 0, 0, 0, 9, 9, 0])
    given = {"temperature": 1, "fitted_on": FIT, "operating": [point], "conformal": sets, "abstain_below": 0.5}
    return Decisions.model_validate(given | more)


def test_counted_by_hand() -> None:
    found = evaluate_decisions(small(), decided(), np.array([False, True, False, False, False]), resamples=0)
    (point,) = found["operating"]
    assert point["fitted"] == {"sensitivity": 0.9, "specificity": 0.5}
    assert (point["sensitivity"]["value"], point["specificity"]["value"]) == (0.5, pytest.approx(2 / 3))
    sets = found["sets"]
    assert sets["covered"]["value"] == pytest.approx(3 / 5)  # neither the second melanoma nor the first nevus
    assert {code: figure["value"] for code, figure in sets["per_class"].items()} == {
        "mel": 0.5, "nv": pytest.approx(2 / 3)
    }  # fmt: skip
    assert sets["size"]["value"] == 1
    abstaining = found["abstaining"]
    assert abstaining["abstained"]["value"] == 0.2  # the nevus with 0.4
    assert abstaining["balanced_accuracy"]["value"] == pytest.approx((0.5 + 2 / 3) / 2)
    assert abstaining["answered"]["value"] == 0.75 and abstaining["gain"]["value"] == pytest.approx(1 / 6)
    assert abstaining["least_certain"]["gain"]["value"] == pytest.approx(1 / 6)
    assert found["turned_away"] == {"value": 0.2, "low": None, "high": None}


def test_what_a_model_cannot_do_is_left_out() -> None:
    found = evaluate_decisions(small(), decided(operating=[], conformal=None), resamples=0)
    assert (found["operating"], found["sets"], found["turned_away"]) == ([], None, None)
    assert [name.split(",")[0] for name, _ in decision_rows(found)] == [
        "abstained", "balanced accuracy of the others", "... without the 10% least certain"
    ]  # fmt: skip


def test_a_model_that_always_abstains_has_no_accuracy_left() -> None:
    found = evaluate_decisions(small(), decided(abstain_below=0.95), resamples=40)
    assert found["abstaining"]["abstained"]["value"] == 1
    assert found["abstaining"]["answered"] == {"value": None, "low": None, "high": None}


def test_points_and_sets_hold_on_new_images_with_intervals(draw: Callable[..., Predictions]) -> None:
    validate, new = draw(3000, seed=1), draw(3000, seed=2)
    fitted = Decisions(
        temperature=1, fitted_on=FIT, operating=fit_points(validate), default_point=DEFAULT,
        conformal=fit_conformal(validate), abstain_below=fit_abstaining(validate),
    )  # fmt: skip
    found = evaluate_decisions(new, fitted, resamples=60)
    for point in found["operating"]:
        what, share = point["aim"].split()
        assert point[what]["value"] == pytest.approx(float(share), abs=0.08)
    assert found["sets"]["covered"]["value"] == pytest.approx(0.9, abs=0.04)
    assert found["abstaining"]["abstained"]["value"] == pytest.approx(0.1, abs=0.03)
    for name, figure in decision_rows(found):
        assert figure["low"] <= figure["value"] <= figure["high"], name


def test_the_deciding_point_is_told_in_full() -> None:
    found = evaluate_decisions(small(), decided(), resamples=0, stated=Stated(prevalence={"melanoma": 0.1}))
    rows = dict(decision_rows(found))
    assert rows["melanoma at sensitivity 0.90: sensitivity (validation: 0.900)"]["value"] == 0.5
    assert rows["... where 10.0% are melanoma: PPV"]["value"] == pytest.approx(0.05 / (0.05 + 0.3))
    assert rows["... where 10.0% are melanoma: others flagged for each found"]["value"] == pytest.approx(6)


def test_a_result_of_an_older_version_can_be_told() -> None:
    found = evaluate_decisions(small(), decided(), resamples=0)
    kept = ("target", "aim", "threshold", "sensitivity", "specificity")
    found["operating"] = [{key: row[key] for key in kept} for row in found["operating"]]
    assert [name for name, _ in decision_rows(found)][:3] == [
        "melanoma at sensitivity 0.90: sensitivity",
        "melanoma at sensitivity 0.90: specificity",
        "sets that hold the truth (meant: 0.90)",
    ]
