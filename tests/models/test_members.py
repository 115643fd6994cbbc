"""Which models may answer together."""

from __future__ import annotations

from typing import Any

import pytest

from lesionlab.errors import ModelError
from lesionlab.models.bundle import Bundle
from lesionlab.models.members import check_members, common_training, trained_for


def member(size: int = 64, split: str | None = "one", site: str = "", classes: tuple[str, ...] = ()) -> Bundle:
    training: dict[str, Any] = {"recipe": {"site": site, "classes": list(classes)}, "data": {"images": 7}}
    return Bundle.model_construct(size=size, training=training | ({"split": {"fingerprint": split}} if split else {}))


def test_members_that_fit() -> None:
    check_members({"a": member(), "b": member()})
    check_members({"a": member(site="trunk"), "b": member(site="trunk")})
    check_members({"base": member(), "mel-nv": member(classes=("nv", "mel"))}, [("mel", "nv")])


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (member(size=96), "96 px"),
        (member().model_copy(update={"frame_aspect": 1.5}), "crop photographs to other shapes"),
        (member(split="two"), "may have learnt images"),
        (member(split=None), "split None"),
        (member(site="trunk"), "other diagnoses"),
        (member(classes=("mel", "nv")), "other diagnoses"),
    ],
)
def test_members_of_an_ensemble_that_do_not_fit(other: Bundle, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        check_members({"a": member(), "b": other})


def test_members_without_a_split_cannot_vouch_for_each_other() -> None:
    with pytest.raises(ModelError, match="split None"):
        check_members({"a": member(split=None), "b": member(split=None)})


def test_a_specialist_of_another_split_is_refused() -> None:
    with pytest.raises(ModelError, match="mel-nv may have learnt images that base is tested on"):
        check_members({"base": member(), "mel-nv": member(split="two", classes=("mel", "nv"))}, [("mel", "nv")])


def test_base_and_specialist_have_their_roles() -> None:
    pair = member(classes=("mel", "nv"))
    with pytest.raises(ModelError, match="knows only mel, nv"):
        check_members({"base": pair, "mel-nv": pair}, [("mel", "nv")])
    with pytest.raises(ModelError, match="other diagnoses"):
        check_members({"base": member(), "mel-nv": member()}, [("mel", "nv")])
    with pytest.raises(ModelError, match="other diagnoses"):
        check_members({"base": member(), "mel-bkl": pair}, [("mel", "bkl")])


def test_what_members_have_in_common() -> None:
    one = member(site="trunk", classes=("nv", "mel"))
    assert trained_for(one) == ("trunk", ("mel", "nv"))
    assert common_training({"a": one, "b": member()}) == {
        "data": {"images": 7},
        "split": {"fingerprint": "one"},
        "recipe": {"site": "trunk", "classes": ["mel", "nv"]},
    }
