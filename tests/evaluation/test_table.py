"""The whole table of figures: agreement with scikit-learn, also on weights, and bins of calibration by hand."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk
from sklearn.calibration import calibration_curve

from lesionlab.diagnoses import CODES
from lesionlab.evaluation.metrics import BINS, equal_width
from lesionlab.evaluation.predictions import Predictions
from lesionlab.evaluation.table import OF_TARGET, SHARES, equal_mass, kappa, loss_terms, mcc, measures
from lesionlab.models.decisions import TARGETS, chance_of, columns


def plain(predictions: Predictions, min_tpr: float = 0.8) -> dict[str, float]:
    found = measures(predictions, min_tpr)(np.ones((1, len(predictions))))
    return {name: float(value[0]) for name, value in found.items()}


@pytest.mark.parametrize("ties", [False, True])
def test_scikit_learn_agrees_on_weights(draw, ties: bool) -> None:
    p = draw(400, ties=ties)
    weights = np.random.default_rng(2).integers(0, 4, size=(3, 400)).astype(float)
    found = measures(p, 0.8)(weights)
    for b, weight in enumerate(weights):
        assert found["kappa"][b] == pytest.approx(sk.cohen_kappa_score(p.truth, p.predicted, sample_weight=weight))
        assert found["mcc"][b] == pytest.approx(sk.matthews_corrcoef(p.truth, p.predicted, sample_weight=weight))
        areas = [
            sk.average_precision_score(p.truth == k, p.probabilities[:, k], sample_weight=weight)
            for k in range(len(CODES))
        ]
        assert [found[f"auprc.{code}"][b] for code in CODES] == pytest.approx(areas)
        assert found["macro_auprc"][b] == pytest.approx(np.mean(areas))
        for target, codes in TARGETS.items():
            shown, chance = np.isin(p.truth, columns(codes)), chance_of(target, p.probabilities)
            expected = {
                "auroc": sk.roc_auc_score(shown, chance, sample_weight=weight),
                "auprc": sk.average_precision_score(shown, chance, sample_weight=weight),
                "brier": sk.brier_score_loss(shown, np.clip(chance, 0, 1), sample_weight=weight),
                "nll": sk.log_loss(shown, chance, sample_weight=weight),
            }
            false_positives, true_positives, _ = sk.roc_curve(shown, chance, sample_weight=weight)
            for share in SHARES:
                best = true_positives[false_positives <= 1 - share + 1e-9].max()
                expected[f"sensitivity_at_specificity_{share:.2f}"] = best
                best = 1 - false_positives[true_positives >= share - 1e-9].min()
                expected[f"specificity_at_sensitivity_{share:.2f}"] = best
            for name, value in expected.items():
                assert found[f"{target}.{name}"][b] == pytest.approx(value, abs=1e-9), (target, name)


def test_every_figure_of_a_target_is_there(draw) -> None:
    found = plain(draw(60))
    assert {f"{target}.{name}" for target in TARGETS for name in OF_TARGET} <= set(found)
    assert all(np.isfinite(value) for value in found.values())


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("name", "strategy"), [("ece", "uniform"), ("ece_equal_mass", "quantile")])
def test_calibration_errors_are_those_of_scikit_learns_bins(draw, ties: bool, name: str, strategy: str) -> None:
    p = draw(500, seed=3, ties=ties)
    chance, shown = p.probabilities[:, CODES.index("mel")], p.truth == CODES.index("mel")
    happened, told = calibration_curve(shown, chance, n_bins=BINS, strategy=strategy)
    bins = equal_width(chance) if strategy == "uniform" else equal_mass(chance)
    sizes = np.bincount(bins)
    sizes = sizes[sizes > 0]
    assert len(sizes) == len(happened)
    assert plain(p)[f"melanoma.{name}"] == pytest.approx((sizes * abs(happened - told)).sum() / 500)


def test_bins_of_equal_mass_hold_equally_many() -> None:
    assert np.bincount(equal_mass(np.linspace(0.1, 0.9, 10 * BINS))).tolist() == [10] * BINS
    assert set(equal_mass(np.full(40, 0.3))) == {0}
    assert len(set(equal_mass(np.array([0.2, 0.2, 0.2, 0.7])))) == 2


def test_the_answers_error_in_bins_of_equal_mass_by_a_loop(draw) -> None:
    p = draw(400, seed=5)
    confidence, right = p.probabilities.max(axis=1), p.predicted == p.truth
    parts = np.array_split(np.argsort(confidence), BINS)
    expected = sum(abs(confidence[part].mean() - right[part].mean()) * len(part) for part in parts) / 400
    assert plain(p)["ece_equal_mass"] == pytest.approx(expected, abs=2e-3)  # a bin's edge may fall one image further


def test_losses_by_hand() -> None:
    terms = loss_terms(np.array([0.9, 0.2]), np.array([True, True]))
    assert terms[:, 0] == pytest.approx([0.01, 0.64])
    assert terms[:, 1] == pytest.approx([-np.log(0.9), -np.log(0.2)])
    assert terms[:, 2:].sum(axis=1) == pytest.approx([2 * -0.1, 2 * -0.8])
    assert loss_terms(np.array([0.0]), np.array([True]))[0, 1] == pytest.approx(-np.log(np.finfo(float).eps))


def test_agreement_by_hand() -> None:
    """Cohen's own two-by-two case: 60 of 100 agree, 50 by chance; and the two-class formula of Matthews."""
    confusion = np.zeros((1, 7, 7))
    confusion[0, :2, :2] = [[45, 15], [25, 15]]
    assert kappa(confusion)[0] == pytest.approx((0.60 - 0.54) / (1 - 0.54))
    assert mcc(confusion)[0] == pytest.approx((45 * 15 - 15 * 25) / np.sqrt(60 * 40 * 70 * 30))


def test_agreement_that_cannot_be_told_is_nan() -> None:
    confusion = np.zeros((3, 7, 7))
    confusion[0, 2, 2] = 5  # one class
    confusion[1, 2:4, 2] = 5  # one answer
    confusion[2, 2, 2:4] = 5  # one truth
    assert np.isnan(kappa(confusion)).tolist() == [True, False, False]
    assert np.isnan(mcc(confusion)).all()


def test_the_least_sensitivity_is_a_parameter(draw) -> None:
    p = draw(200)
    assert plain(p, 0.0)["melanoma.pauc"] == pytest.approx(plain(p)["melanoma_auroc"])
    assert plain(p, 0.88)["melanoma.pauc"] < plain(p, 0.8)["melanoma.pauc"] < 0.2
