"""The two arms of the paired leak experiment: what is the same in both, and what is not."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from lesionlab.data.cases import Case
from lesionlab.data.splits import grouped, lesion_groups
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError
from lesionlab.study.arms import ARMS, make_arms


def table(lesions: int = 420, most: int = 4, seed: int = 0) -> list[Case]:
    """Return cases of lesions with one to `most` images each, the diagnoses in turn."""
    counts = np.random.default_rng(seed).integers(1, most + 1, lesions)
    return [
        Case(f"image{lesion:04d}{i}", "", CODES[lesion % 7], f"lesion{lesion:04d}")
        for lesion, count in enumerate(counts)
        for i in range(count)
    ]


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return table()


def in_part(split: object, cases: list[Case], part: str) -> list[Case]:
    return split.select(cases, part)  # type: ignore[attr-defined,no-any-return]


def test_both_arms_have_the_same_counts_validation_and_test(cases: list[Case]) -> None:
    splits, _ = make_arms(cases)
    base = grouped(cases)
    assert set(splits) == set(ARMS) and splits["clean"].fingerprint != splits["leak"].fingerprint
    for part in ("val", "test"):
        assert in_part(splits["clean"], cases, part) == in_part(splits["leak"], cases, part)
    assert in_part(splits["clean"], cases, "val") == base.select(cases, "val")
    assert in_part(splits["clean"], cases, "train") == base.select(cases, "train")
    counts = [Counter(case.dx for case in in_part(splits[arm], cases, "train")) for arm in ARMS]
    assert counts[0] == counts[1] and set(counts[0]) == set(CODES)


def test_only_the_leaking_arm_trains_on_the_tests_siblings(cases: list[Case]) -> None:
    splits, classes = make_arms(cases)
    groups = lesion_groups(cases)
    tested = [groups[case.image_id] for case in in_part(splits["clean"], cases, "test")]
    assert len(tested) == len(set(tested))
    siblings = {}
    for arm in ARMS:
        trained = in_part(splits[arm], cases, "train")
        siblings[arm] = {case.image_id for case in trained if groups[case.image_id] in set(tested)}
    assert not siblings["clean"]
    others = {case.image_id for case in cases if groups[case.image_id] in set(tested)}
    assert siblings["leak"] == others - {case.image_id for case in in_part(splits["clean"], cases, "test")}
    assert sum(row["siblings"] for row in classes.values()) == len(siblings["leak"])


def test_the_first_image_of_each_lesion_with_several_is_tested(cases: list[Case]) -> None:
    splits, classes = make_arms(cases)
    test = in_part(grouped(cases), cases, "test")
    sizes = Counter(case.lesion_id for case in test)
    wanted = {f"image{lesion[6:]}0" for lesion, count in sizes.items() if count > 1}
    assert {case.image_id for case in in_part(splits["clean"], cases, "test")} == wanted
    assert sum(row["test"] for row in classes.values()) == len(wanted)


def test_whole_lesions_make_room(cases: list[Case]) -> None:
    """At most one lesion of each diagnosis is left in part."""
    splits, _ = make_arms(cases)
    before, after = (Counter(c.lesion_id for c in in_part(splits[arm], cases, "train")) for arm in ARMS)
    partly = [case.dx for case in cases if 0 < after[case.lesion_id] < before[case.lesion_id]]
    lesions = {case.lesion_id for case in cases if 0 < after[case.lesion_id] < before[case.lesion_id]}
    assert len(lesions) <= len(set(partly))
    assert sum(after[lesion] == 0 for lesion in before) > 7


def test_the_arms_depend_on_the_seed_only(cases: list[Case]) -> None:
    first, again, other = (make_arms(order, seed)[0] for order, seed in ((cases, 0), (cases[::-1], 0), (cases, 1)))
    assert {arm: first[arm].fingerprint for arm in ARMS} == {arm: again[arm].fingerprint for arm in ARMS}
    assert all(first[arm].fingerprint != other[arm].fingerprint for arm in ARMS)


def test_duplicates_count_as_siblings(cases: list[Case]) -> None:
    """Two test lesions that are known to be one give one test image."""
    test = make_arms(cases)[0]["clean"].select(cases, "test")
    a, b = [case for case in test if case.dx == "nv"][:2]
    splits, _ = make_arms(cases, 0, [(a.image_id, b.image_id)])
    groups = lesion_groups(cases, [(a.image_id, b.image_id)])
    tested = [groups[case.image_id] for case in splits["clean"].select(cases, "test")]
    assert len(tested) == len(set(tested))


def test_mistakes() -> None:
    with pytest.raises(DataError, match="no test lesion has a second image"):
        make_arms(table(most=1))


def test_no_room_for_a_sibling() -> None:
    """A sibling of another diagnosis than its lesion's has no training image that could make room for it."""
    cases = [case for case in table() if case.dx == "nv"]
    splits, _ = make_arms(cases)
    tested = splits["clean"].select(cases, "test")[0].lesion_id
    last = max(case.image_id for case in cases if case.lesion_id == tested)
    odd = [replace(case, dx="vasc") if case.image_id == last else case for case in cases]
    with pytest.raises(DataError, match="too few training images of vasc"):
        make_arms(odd)
