"""Every planted leak between two sets of images is found, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lesionlab.data.cases import Case
from lesionlab.data.sources import load_source
from lesionlab.errors import DataError
from lesionlab.evaluation import leakage
from lesionlab.evaluation.leakage import KINDS, Found, Match, counts, find_matches, hidden, neighbours


@pytest.fixture(scope="module")
def lesions(synthetic: Path) -> list[Case]:
    """One image of each synthetic lesion."""
    first = {case.lesion_id: case for case in reversed(load_source(synthetic).cases)}
    return list(first.values())


@pytest.fixture
def planted(lesions: list[Case], tmp_path: Path) -> Callable[..., Case]:
    """A function that writes a copy of a case's image as a case of another lesion: (case, name, change)."""

    def plant(case: Case, name: str, change: Callable[[Image.Image], Image.Image] | None = None) -> Case:
        path = tmp_path / name
        if change:
            change(Image.open(case.path)).save(path, quality=90)
        else:
            shutil.copy(case.path, path)
        return replace(case, image_id=name, lesion_id=f"L_{name}", path=str(path))

    return plant


def told(found: Found) -> dict[tuple[str, str], tuple[str, ...]]:
    return {(match.test.image_id, match.train.image_id): match.kinds for match in found.matches}


def test_each_kind_of_leak_is_found(lesions: list[Case], planted: Callable[..., Case]) -> None:
    train = lesions[:12]
    test = [
        *lesions[12:24],
        planted(train[0], "same.jpg"),
        planted(train[1], "pixels.png", lambda image: image),
        planted(train[2], "turned.jpg", lambda image: image.transpose(Image.Transpose.ROTATE_90)),
        replace(lesions[25], lesion_id=train[3].lesion_id),
        replace(planted(train[4], "own.jpg"), lesion_id=train[4].lesion_id),
    ]
    found = find_matches(train, test)
    assert told(found) == {
        ("same.jpg", train[0].image_id): ("exact",),
        ("pixels.png", train[1].image_id): ("exact",),
        ("turned.jpg", train[2].image_id): ("near",),
        (lesions[25].image_id, train[3].image_id): ("lesion",),
        ("own.jpg", train[4].image_id): ("exact", "lesion"),
    }
    assert [match.kinds[0] for match in found.matches] == ["exact", "exact", "exact", "near", "lesion"]
    assert [match.score is not None for match in found.matches] == [False, False, False, True, False]
    assert (found.train, found.test) == (train, test)
    assert hidden(found.matches) == 3
    assert ("turned.jpg", train[2].image_id) not in told(find_matches(train, test, near=False))


def test_copies_within_one_side_are_no_leak_but_pass_one_on(lesions: list[Case], planted: Callable[..., Case]) -> None:
    """Of equal images the audit compares one; the other leaks as well."""
    flipped = planted(lesions[0], "flipped.png", lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    twice = planted(flipped, "twice.png")
    train = [lesions[0], lesions[1], planted(lesions[1], "own.jpg")]
    found = find_matches(train, [flipped, twice, lesions[2]])
    assert told(found) == {(name, lesions[0].image_id): ("near",) for name in ("flipped.png", "twice.png")}


def test_one_image_on_both_sides_under_one_id(lesions: list[Case]) -> None:
    found = find_matches(lesions[:3], lesions[2:5])
    assert told(found) == {(lesions[2].image_id, lesions[2].image_id): ("exact", "lesion")}


def test_without_a_readable_file_only_the_lesion_counts(lesions: list[Case], tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    bad = replace(lesions[0], image_id="bad", path=str(tmp_path / "bad.jpg"))
    absent = replace(lesions[1], image_id="absent", path="")
    found = find_matches(lesions[:3], [bad, absent, lesions[4]])
    assert told(found) == {("bad", lesions[0].image_id): ("lesion",), ("absent", lesions[1].image_id): ("lesion",)}
    assert found.test == [lesions[4]] and found.train == lesions[:3]


def case(name: str, lesion: str = "", dx: str = "nv") -> Case:
    return Case(name, "", dx, lesion or name)


def test_a_filler_is_no_lesion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leakage, "LESION_LIMIT", 3)
    assert len(find_matches([case("a", "0"), case("b", "0")], [case("c", "0")]).matches) == 2
    with pytest.raises(DataError, match="'0' stands for 4 images"):
        find_matches([case("a", "0"), case("b", "0")], [case("c", "0"), case("d", "0")])


def test_counts_are_of_images_not_of_pairs() -> None:
    test = [case("a", dx="mel"), case("b", dx="mel"), case("c"), case("d", dx="")]
    matches = [
        Match(test[0], case("x"), ("exact", "lesion")),
        Match(test[0], case("y"), ("lesion",)),
        Match(test[1], case("x", dx="mel"), ("near",), 0.9),
    ]
    found = counts(test, matches)
    assert found["mel"] == {"images": 2, "exact": 1, "near": 1, "lesion": 1, "any": 2, "share": 1.0}
    assert found["nv"]["share"] == 0 and found["df"]["share"] is None
    assert found["unknown"]["images"] == 1
    assert found["all"] == {"images": 4, "exact": 1, "near": 1, "lesion": 1, "any": 2, "share": 0.5}
    assert hidden(matches) == 1
    assert [match.contradicts for match in matches] == [True, True, False]
    assert "unknown" not in counts(test[:3], matches)


@given(st.lists(st.integers(0, 4), max_size=12), st.lists(st.integers(0, 4), max_size=12))
def test_every_pair_of_one_lesion_and_no_other(train: list[int], test: list[int]) -> None:
    sides = [[case(f"i{row}", f"L{lesion}") for row, lesion in enumerate(side)] for side in (train, test)]
    found = find_matches(*sides)
    expected = {(a.image_id, b.image_id) for a in sides[1] for b in sides[0] if a.lesion_id == b.lesion_id}
    assert told(found) == dict.fromkeys(expected, ("lesion",))
    rows = counts(sides[1], found.matches)
    assert rows["all"]["any"] == sum(lesion in train for lesion in test)
    assert all(rows["all"][kind] <= rows["all"]["any"] for kind in KINDS)


def test_neighbours_are_the_nearest_of_what_does_not_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leakage, "_BLOCK", 2)
    train = [case("t0", "A"), case("t1", "B"), case("t2")]
    test = [case("a", "A"), case("b", "B"), case("c"), case("d"), case("e")]
    matches = [
        Match(test[0], train[0], ("lesion",)),
        Match(test[1], train[1], ("lesion",)),
        Match(test[4], train[0], ("exact",)),
    ]
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8], [0.8, 0.6], [1, 0]], np.float32)
    told = neighbours(Found(matches, train, test), np.array([[1, 0], [0, -1], [0, 1]], np.float32), vectors, 1)
    assert told.candidates == [Match(test[2], train[2], ("neighbour",), 0.8)]
    assert (told.known, told.recognised) == (2, 1)
    both = neighbours(Found(matches, train, test), np.array([[1, 0], [0, -1], [0, 1]], np.float32), vectors, 9)
    assert [(one.test.image_id, one.train.image_id) for one in both.candidates] == [("c", "t2"), ("d", "t0")]
