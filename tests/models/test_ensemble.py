"""The rules of ensembles, on members that disagree."""

from __future__ import annotations

import numpy as np
import pytest

from lesionlab.diagnoses import CODES
from lesionlab.models.ensemble import RULES, Fitted, fits

NOTHING = Fitted()


def sure(*pairs: tuple[str, float]) -> np.ndarray:
    """Return one row per (code, probability): the code has it, the other six share the rest."""
    rows = [np.where(np.array(CODES) == code, p, (1 - p) / 6) for code, p in pairs]
    return np.array(rows)


TABLES = np.stack([sure(("nv", 0.4), ("mel", 0.5)), sure(("mel", 0.9), ("nv", 0.5)), sure(("nv", 0.5), ("bkl", 0.6))])
"""Three members, two images: mel against nv twice, and three different answers."""


def answers(table: np.ndarray) -> list[str]:
    return [CODES[k] for k in table.argmax(axis=1)]


def test_averaging_is_the_mean() -> None:
    found = RULES["average"](TABLES, NOTHING)
    np.testing.assert_allclose(found, TABLES.mean(axis=0))
    assert answers(found) == ["mel", "bkl"], "one sure member outweighs two unsure ones"


def test_the_majority_wins_and_ties_go_to_the_first_label() -> None:
    found = RULES["vote"](TABLES, NOTHING)
    np.testing.assert_allclose(found[0, [CODES.index("mel"), CODES.index("nv")]], [1 / 3, 2 / 3])
    assert answers(found) == ["nv", "bkl"], "mel, nv and bkl have a vote each: bkl comes first in the alphabet"


def test_the_surest_member_decides() -> None:
    found = RULES["max"](TABLES, NOTHING)
    np.testing.assert_array_equal(found, [TABLES[1, 0], TABLES[2, 1]])


def test_weights_share_out_the_say() -> None:
    fitted = Fitted(weights=[0.7, 0.0, 0.3])
    np.testing.assert_allclose(RULES["weighted"](TABLES, fitted), 0.7 * TABLES[0] + 0.3 * TABLES[2])


def test_stacking_is_a_softmax_of_logarithms() -> None:
    """Identity for the first member and nothing for the others gives the first member back; the intercept moves it."""
    eye, nothing = np.eye(7).tolist(), np.zeros((7, 7)).tolist()
    fitted = Fitted(coefficients=[eye, nothing, nothing], intercept=[0.0] * 7)
    np.testing.assert_allclose(RULES["stacked"](TABLES, fitted), TABLES[0])
    moved = Fitted(coefficients=[eye, nothing, nothing], intercept=[50.0, 0, 0, 0, 0, 0, 0])
    assert answers(RULES["stacked"](TABLES, moved)) == ["akiec", "akiec"]


def test_stacking_maps_inputs_to_outputs() -> None:
    """One coefficient, from the third member's bkl (column) to the score of df (row)."""
    matrices = np.zeros((3, 7, 7))
    matrices[2, CODES.index("df"), CODES.index("bkl")] = 1
    found = RULES["stacked"](TABLES, Fitted(coefficients=matrices.tolist(), intercept=[0.0] * 7))
    odds = np.ones((2, 7))
    odds[:, CODES.index("df")] = TABLES[2][:, CODES.index("bkl")]
    np.testing.assert_allclose(found, odds / odds.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("rule", RULES)
def test_rows_add_up_to_one(rule: str) -> None:
    generator = np.random.default_rng(0)
    tables = generator.dirichlet(np.full(7, 0.3), size=(3, 50))
    tables[0, 0] = np.eye(7)[2]  # a probability of 0 has no logarithm
    fitted = {
        "weighted": Fitted(weights=[0.2, 0.5, 0.3]),
        "stacked": Fitted(coefficients=generator.normal(size=(3, 7, 7)).tolist(), intercept=[0.1] * 7),
    }.get(rule, NOTHING)
    found = RULES[rule](tables, fitted)
    assert found.shape == (50, 7)
    assert found.min() >= 0
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert RULES[rule](tables[:, :0], fitted).shape == (0, 7)


def test_what_a_rule_needs() -> None:
    assert fits("average", NOTHING, 3)
    assert fits("weighted", Fitted(weights=[0.5, 0.5]), 2)
    assert not fits("weighted", Fitted(weights=[0.5, 0.4]), 2), "weights add up to 1"
    assert not fits("weighted", Fitted(weights=[0.5, 0.5]), 3)
    assert not fits("vote", Fitted(weights=[0.5, 0.5]), 2), "a vote takes no weights"
    assert not fits("stacked", Fitted(weights=[0.5, 0.5]), 2)
