"""What a reader states is checked before anything is computed."""

from __future__ import annotations

import pytest

from lesionlab.errors import UsageError
from lesionlab.evaluation.stated import Stated, read_prevalence


def test_prevalences_are_read() -> None:
    assert read_prevalence(["melanoma=0.02", " malignant = .1"]) == {"melanoma": 0.02, "malignant": 0.1}
    assert Stated(0.88, read_prevalence([])) == Stated(0.88)


@pytest.mark.parametrize("text", ["melanoma", "melanoma=", "melanoma=2%", "=0.1"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--prevalence"):
        Stated(prevalence=read_prevalence([text]))


@pytest.mark.parametrize("given", [{"nevus": 0.1}, {"melanoma": 0.0}, {"melanoma": 1.0}, {"malignant": float("nan")}])
def test_a_prevalence_is_a_share_of_a_target(given: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="melanoma or malignant") as caught:
        Stated(prevalence=given)
    assert next(iter(given)) in caught.value.message


@pytest.mark.parametrize("least", [-0.1, 1.0, float("nan")])
def test_a_least_sensitivity_is_below_one(least: float) -> None:
    with pytest.raises(UsageError, match="--min-tpr"):
        Stated(min_tpr=least)
