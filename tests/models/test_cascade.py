"""The Mix-Model's routing and re-deciding, on members that disagree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionlab.diagnoses import CODES
from lesionlab.models.cascade import NOBODY, redecide, route

MEL_NV, AKIEC_BCC, MEL_BKL = ("mel", "nv"), ("akiec", "bcc"), ("mel", "bkl")
PAIRS = (MEL_NV, AKIEC_BCC, MEL_BKL)


def row(**probabilities: float) -> np.ndarray:
    """Return one row (1, 7); diagnoses that are not named share what is left."""
    left = (1 - sum(probabilities.values())) / (7 - len(probabilities))
    return np.array([[probabilities.get(code, left) for code in CODES]])


def test_a_specialist_turns_the_answer_round() -> None:
    """0.6 nv and 0.3 mel become, by a specialist that says 0.9 mel, 0.81 mel and 0.09 nv; the rest stays."""
    general = row(nv=0.6, mel=0.3)
    mixed, asked = route(general, {MEL_NV: row(mel=0.9, nv=0.1)})
    assert asked.tolist() == [0]
    np.testing.assert_allclose(mixed, row(mel=0.81, nv=0.09))


def test_an_unsure_specialist_still_decides() -> None:
    """0.9 times 0.55 is less than the 0.6 of nv, so the winner takes the 0.6 and the answer is the specialist's."""
    mixed, _ = route(row(nv=0.6, mel=0.3), {MEL_NV: row(mel=0.55, nv=0.45)})
    np.testing.assert_allclose(mixed, row(mel=0.6, nv=0.3))


def test_only_the_pair_of_the_specialists_answer_is_looked_at() -> None:
    general = row(nv=0.5, mel=0.4)
    mixed, _ = route(general, {MEL_NV: row(akiec=0.9, mel=0.06, nv=0.02)})
    np.testing.assert_allclose(mixed, row(mel=0.9 * 0.75, nv=0.9 * 0.25))


def test_other_answers_are_left_alone() -> None:
    general = np.concatenate([row(vasc=0.9), row(df=0.5, mel=0.4)])
    mixed, asked = route(general, {pair: np.full((2, 7), 1 / 7) for pair in PAIRS})
    assert asked.tolist() == [NOBODY, NOBODY]
    np.testing.assert_array_equal(mixed, general)


def test_melanoma_goes_to_the_specialist_whose_other_diagnosis_is_likelier() -> None:
    general = np.concatenate([row(mel=0.5, nv=0.1, bkl=0.3), row(mel=0.5, nv=0.3, bkl=0.1), row(bkl=0.6), row(nv=0.6)])
    specialists = {pair: np.full((4, 7), 1 / 7) for pair in PAIRS}
    assert route(general, specialists)[1].tolist() == [2, 0, 2, 0]
    assert route(row(mel=0.4), {pair: row() for pair in PAIRS})[1].tolist() == [0], "the first of equals"


def test_the_margin_asks_only_where_the_top_two_are_a_pair_and_close() -> None:
    general = np.concatenate([
        row(mel=0.45, nv=0.35), row(nv=0.6, mel=0.2), row(mel=0.4, vasc=0.35, nv=0.2), row(bcc=0.5, akiec=0.45),
    ])  # fmt: skip
    specialists = {pair: np.full((4, 7), 1 / 7) for pair in PAIRS}
    assert route(general, specialists, "margin", 0.2)[1].tolist() == [0, NOBODY, NOBODY, 1]
    assert route(general, specialists, "margin", 0.0)[1].tolist() == [NOBODY] * 4
    assert route(general, specialists, "margin", 1.0)[1].tolist() == [0, 0, NOBODY, 1]


@settings(deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["paper", "margin"]), st.floats(0, 1))
def test_the_answer_is_the_specialists_and_rows_add_up(seed: int, routing: str, margin: float) -> None:
    generator = np.random.default_rng(seed)
    general = generator.dirichlet(np.full(7, 0.5), size=20)
    specialists = {pair: generator.dirichlet(np.full(7, 0.5), size=20) for pair in PAIRS}
    before = general.copy()
    mixed, asked = route(general, specialists, routing, margin)
    np.testing.assert_array_equal(general, before)
    np.testing.assert_allclose(mixed.sum(axis=1), 1)
    assert mixed.min() >= 0
    for i, number in enumerate(asked):
        if number == NOBODY:
            np.testing.assert_array_equal(mixed[i], general[i])
            continue
        pair = PAIRS[number]
        winner = max(pair, key=lambda code: specialists[pair][i, CODES.index(code)])
        assert CODES[general[i].argmax()] in pair
        assert CODES[mixed[i].argmax()] == winner
        others = [k for k, code in enumerate(CODES) if code not in pair]
        np.testing.assert_array_equal(mixed[i, others], general[i, others])


def test_an_undecided_specialist_takes_the_first_of_its_pair() -> None:
    mixed = redecide(row(nv=0.4, mel=0.4), np.zeros((1, 7)), ("nv", "mel"))
    assert CODES[mixed[0].argmax()] == "mel"
    np.testing.assert_allclose(mixed, row(nv=0.4, mel=0.4))


def test_no_images_and_an_unknown_routing() -> None:
    none = np.empty((0, 7))
    assert route(none, {MEL_NV: none})[0].shape == (0, 7)
    with pytest.raises(ValueError, match="routing"):
        route(row(mel=0.5), {MEL_NV: row()}, "best")
