"""Groups of images: by case table, traits, size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.data.cases import Case
from lesionlab.data.traits import TRAITS
from lesionlab.evaluation.groups import UNKNOWN, Groups, age_band, case_groups, size_groups, trait_groups


def members(groups: Groups) -> dict[str, dict[str, list[int]]]:
    return {name: {group: np.flatnonzero(rows).tolist() for group, rows in of.items()} for name, of in groups.items()}


@pytest.mark.parametrize(
    ("age", "band"),
    [
        (0.0, "under 30"), (29.9, "under 30"), (30.0, "30 to 44"), (45.0, "45 to 59"), (59.0, "45 to 59"),
        (60.0, "60 to 74"), (75.0, "75 and over"), (110.0, "75 and over"), (None, UNKNOWN),
    ],
)  # fmt: skip
def test_age_bands(age: float | None, band: str) -> None:
    assert age_band(age) == band


def test_groups_of_a_case_table() -> None:
    """Ages in their order, names in theirs, the unknown last; what nobody knows is no attribute."""
    cases = [
        Case("a", "", "nv", "a", 80.0, "male", "back", "", "histo"),
        Case("b", "", "nv", "b", 5.0, "", "face", "", "consensus"),
        Case("c", "", "mel", "c", None, "female", "back", "", "histo"),
    ]
    assert members(case_groups(cases)) == {
        "age": {"under 30": [1], "75 and over": [0], UNKNOWN: [2]},
        "sex": {"female": [2], "male": [0], UNKNOWN: [1]},
        "site": {"back": [0, 2], "face": [1]},
        "dx_type": {"consensus": [1], "histo": [0, 2]},
    }
    assert list(case_groups(cases)["age"]) == ["under 30", "75 and over", UNKNOWN]
    assert case_groups([Case("a", "", "nv", "a")]) == {}


@given(
    st.lists(
        st.tuples(st.none() | st.floats(0, 130), st.sampled_from(["", "male", "female"]), st.text(max_size=2)),
        min_size=1,
        max_size=20,
    )
)
def test_each_image_is_in_one_group_of_each_attribute(people: list[tuple[float | None, str, str]]) -> None:
    cases = [Case(str(i), "", "nv", str(i), age, sex, site) for i, (age, sex, site) in enumerate(people)]
    for groups in case_groups(cases).values():
        assert (np.sum(list(groups.values()), axis=0) == 1).all()
        assert all(rows.any() for rows in groups.values())


def test_groups_by_trait() -> None:
    marked = {name: dict.fromkeys(TRAITS, False) for name in "abc"}
    marked["b"]["hair"] = True
    found = members(trait_groups(["a", "b", "c"], marked))
    assert list(found) == list(TRAITS)
    assert found["hair"] == {"hair": [1], "no hair": [0, 2]}
    assert found["ink"] == {"no ink": [0, 1, 2]}


def test_groups_by_size() -> None:
    names = [str(i) for i in range(10)]
    areas = {name: int(name) / 10 for name in names if name != "9"}
    groups, cuts = size_groups(names, areas)
    assert members(groups)["lesion size"] == {
        "small": [0, 1, 2], "medium": [3, 4, 5], "large": [6, 7, 8], UNKNOWN: [9],
    }  # fmt: skip
    assert 0.2 < cuts[0] < 0.3 and 0.5 < cuts[1] < 0.6
    alike, _ = size_groups(names, dict.fromkeys(names, 0.3))
    assert members(alike)["lesion size"] == {"small": list(range(10))}
