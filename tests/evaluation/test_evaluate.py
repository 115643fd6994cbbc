"""An evaluation: what it holds, and that nothing undefined comes out as a number."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lesionlab.diagnoses import CODES
from lesionlab.errors import UsageError
from lesionlab.evaluation.evaluate import LABELS, evaluate, summary_rows, target_rows
from lesionlab.evaluation.metrics import OVERALL
from lesionlab.evaluation.predictions import Predictions
from lesionlab.evaluation.stated import Stated
from lesionlab.evaluation.table import FURTHER, OF_CLASS, OF_TARGET
from lesionlab.models.decisions import TARGETS


def test_everything_is_there_and_is_json(draw) -> None:
    predictions = draw(200, lesions=120)
    result = evaluate(predictions, 200, seed=4)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert (result["images"], result["lesions"]) == (200, len(set(predictions.lesion_ids)))
    assert result["classes"] == list(CODES) == result["classes_in_truth"] == list(result["per_class"])
    assert tuple(result["metrics"]) == (*OVERALL, *FURTHER) == tuple(LABELS)
    assert tuple(result["targets"]) == tuple(TARGETS) == tuple(result["decision_curves"])
    assert all(set(OF_TARGET) < set(row) for row in result["targets"].values())
    assert all(set(OF_CLASS) < set(row) for row in result["per_class"].values())
    assert {"resamples": 200, "seed": 4, "unit": "lesion", "level": 0.95}.items() <= result["bootstrap"].items()
    figures = result["metrics"] | {
        f"{target}.{name}": row[name] for target, row in result["targets"].items() for name in OF_TARGET
    }
    for name in [name for name in figures if "ece" not in name]:  # the bootstrap moves ECE upwards, see intervals.py
        metric = figures[name]
        assert metric["low"] <= metric["value"] <= metric["high"], name


def test_per_class_counts_fit_the_confusion_matrix(draw) -> None:
    result = evaluate(draw(200), 0)
    counts = np.array(result["confusion"]["counts"])
    assert [row["images"] for row in result["per_class"].values()] == counts.sum(axis=1).tolist()
    assert [row["predicted"] for row in result["per_class"].values()] == counts.sum(axis=0).tolist()
    recall = [row["recall"]["value"] for row in result["per_class"].values()]
    assert np.diag(np.array(result["confusion"]["normalised"])) == pytest.approx(recall)


def test_lesions_of_a_class_are_counted() -> None:
    names = tuple("abcd")
    predictions = Predictions(names, ("x", "x", "y", "z"), np.array([4, 4, 4, 5]), np.full((4, 7), 1 / 7))
    rows = evaluate(predictions, 0)["per_class"]
    assert (rows["mel"]["images"], rows["mel"]["lesions"], rows["nv"]["lesions"]) == (3, 2, 1)


def test_absent_classes_are_none_with_a_reason(by_hand: Predictions) -> None:
    result = evaluate(by_hand, 0)
    assert result["classes_in_truth"] == ["bcc", "mel", "nv"]
    for code in ("akiec", "bkl", "df", "vasc"):
        for name in ("precision", "recall", "f1", "auroc", "auprc"):
            assert result["per_class"][code][name] == {"value": None, "low": None, "high": None}
            assert result["undefined"][f"{name}.{code}"] == f"no image in the truth is {code}"
    assert result["confusion"]["normalised"][0] is None
    assert result["metrics"]["macro_f1"]["value"] == pytest.approx((3 / 4 + 8 / 11) / 3)


def test_a_class_of_one_lesion_has_values_without_intervals(by_hand: Predictions) -> None:
    """bcc has one lesion, so a third of the resamples lack it: no interval for it, nor for the macro means."""
    result = evaluate(by_hand, 400)
    for name in ("macro_f1", "balanced_accuracy", "macro_auroc"):
        assert result["metrics"][name]["value"] is not None
        assert result["metrics"][name]["low"] is None
        assert "of the resamples" in result["undefined"][name]
        assert result["bootstrap"]["undefined_share"][name] == pytest.approx(0.9**10, abs=0.08)
    assert result["metrics"]["accuracy"]["low"] is not None
    assert "accuracy" not in result["undefined"]


def test_a_single_class_has_no_auroc() -> None:
    names = tuple("abc")
    result = evaluate(Predictions(names, names, np.array([5, 5, 5]), np.full((3, 7), 1 / 7)), 100)
    assert result["undefined"]["macro_auroc"] == "the truth holds a single class"
    assert result["undefined"]["melanoma_auroc"] == "no image in the truth is mel"
    assert result["undefined"]["malignant_auroc"] == "every image in the truth is benign"
    assert result["undefined"]["melanoma.pauc"] == "no image in the truth is mel"
    assert result["undefined"]["malignant.sensitivity_at_specificity_0.90"] == "every image in the truth is benign"
    assert result["decision_curves"]["melanoma"] == {"undefined": "no image in the truth is mel"}
    assert result["undefined"]["npv.akiec"] == "every image is taken for akiec"  # equal probabilities: the first code
    assert result["targets"]["melanoma"]["brier"]["value"] == pytest.approx(1 / 49)
    assert result["undefined"]["specificity.nv"] == "every image in the truth is nv"
    assert result["undefined"]["auroc.nv"] == "every image in the truth is nv"
    assert result["metrics"]["macro_recall"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_a_single_lesion_has_no_intervals(by_hand: Predictions) -> None:
    one = Predictions(by_hand.image_ids, ("x",) * 10, by_hand.truth, by_hand.probabilities)
    result = evaluate(one, 100)
    assert result["lesions"] == 1
    accuracy = result["metrics"]["accuracy"]
    assert (accuracy["value"], accuracy["low"], accuracy["high"]) == (pytest.approx(0.7), None, None)
    assert accuracy["why"] == result["undefined"]["accuracy"]
    assert result["undefined"]["accuracy"] == "no interval: there is a single lesion"


@pytest.mark.parametrize("truth", [[5], [0, 1, 2, 3, 4, 5, 6], [4, 4, 4, 0], [5, 5, 6]])
@pytest.mark.parametrize("resamples", [0, 60])
def test_every_gap_has_a_reason_and_no_number_is_missing_one(truth: list[int], resamples: int) -> None:
    names = tuple(str(i) for i in range(len(truth)))
    result = evaluate(Predictions(names, names, np.array(truth), np.full((len(truth), 7), 1 / 7)), resamples)
    json.dumps(result, allow_nan=False)
    named = {**result["metrics"]}
    named |= {f"{name}.{code}": row[name] for code, row in result["per_class"].items() for name in OF_CLASS}
    named |= {f"{target}.{name}": row[name] for target, row in result["targets"].items() for name in OF_TARGET}
    gap = "low" if resamples else "value"
    assert {name for name, metric in named.items() if metric[gap] is None} == set(result["undefined"])


@pytest.mark.parametrize("resamples", [-1, 1, 39])
def test_too_few_resamples_are_refused(by_hand: Predictions, resamples: int) -> None:
    with pytest.raises(UsageError, match="resamples"):
        evaluate(by_hand, resamples)


def test_summary_says_value_and_interval(draw, by_hand: Predictions) -> None:
    result = evaluate(draw(200), 100)
    rows = dict(summary_rows(result))
    accuracy = result["metrics"]["accuracy"]
    assert rows["accuracy"] == f"{accuracy['value']:.3f} [{accuracy['low']:.3f}, {accuracy['high']:.3f}]"
    assert rows["images"] == f"200 of {result['lesions']} lesions"
    assert "not in the truth" not in rows
    partial = dict(summary_rows(evaluate(by_hand, 0)))
    assert partial["accuracy"] == "0.700"
    assert partial["recall df"] == "undefined"
    assert partial["not in the truth"].startswith("akiec, bkl, df, vasc")


def test_kappa_and_mcc_say_what_they_lack() -> None:
    names, table = tuple("abc"), np.eye(7)[[5, 5, 5]]
    same = evaluate(Predictions(names, names, np.array([5, 5, 5]), table), 0)["undefined"]
    assert same["kappa"] == "truths and answers are one and the same class"
    assert same["mcc"] == same["macro_auprc"] == "the truth holds a single class"
    one_answer = evaluate(Predictions(names, names, np.array([5, 5, 4]), table), 0)
    assert one_answer["metrics"]["kappa"]["value"] == 0
    assert one_answer["undefined"]["mcc"] == "the answers are a single class"


def test_targets_are_counted_and_printed(draw) -> None:
    predictions = draw(200, lesions=150)
    result = evaluate(predictions, 60, stated=Stated(min_tpr=0.88))
    melanoma = result["targets"]["melanoma"]
    assert melanoma["images"] == result["per_class"]["mel"]["images"]
    assert melanoma["lesions"] == result["per_class"]["mel"]["lesions"]
    assert melanoma["auroc"] == result["metrics"]["melanoma_auroc"] == result["per_class"]["mel"]["auroc"]
    assert melanoma["auprc"] == result["per_class"]["mel"]["auprc"]
    assert result["min_tpr"] == 0.88 and melanoma["pauc"]["high"] <= 0.12
    rows = {name: cells for name, *cells in target_rows(result)}
    assert rows["images that show it"][0].startswith(f"{melanoma['images']} of ")
    assert rows["partial AUROC above sensitivity 0.88"][0].startswith(f"{melanoma['pauc']['value']:.3f} [")
    assert rows["net benefit above all and none"][0].endswith(
        f"{result['decision_curves']['melanoma']['better_at'][-1]:.2f}"
    )


def test_an_undefined_decision_curve_is_told() -> None:
    names = tuple("ab")
    rows = target_rows(evaluate(Predictions(names, names, np.array([5, 6]), np.full((2, 7), 1 / 7)), 0))
    assert rows[-1][1:] == ("undefined", "undefined") and rows[1][1:] == ("undefined", "undefined")
