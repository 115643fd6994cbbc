"""No split but the paper's own lets one lesion stand on two sides."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionlab.data import splits
from lesionlab.data.cases import Case
from lesionlab.data.splits import KNOWN_DUPLICATES, SHARES, Split
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError, UsageError

Clusters = list[tuple[str, ...]]


def table(lesions: int, seed: int = 0, largest: int = 4) -> list[Case]:
    """Return cases like HAM10000's: most are naevi, a lesion has 1 to `largest` photographs, two sources."""
    rng = random.Random(seed)
    cases = []
    for lesion in range(lesions):
        dx = rng.choices(CODES, (33, 51, 110, 12, 111, 670, 14))[0]
        for _ in range(rng.randint(1, largest)):
            source = rng.choice(("vidir", "rosendahl"))
            cases.append(Case(f"ISIC_{len(cases):07d}", "x.jpg", dx, f"HAM_{lesion}", source=source))
    return cases


def parts_of_lesions(cases: list[Case], split: Split) -> dict[str, set[str]]:
    """Return lesion_id -> the parts its images are in."""
    found: dict[str, set[str]] = defaultdict(set)
    for case in cases:
        if case.image_id in split.parts:
            found[case.lesion_id].add(split.parts[case.image_id])
    return found


def assert_leak_free(cases: list[Case], clusters: Clusters, split: Split) -> None:
    assert all(len(parts) == 1 for parts in parts_of_lesions(cases, split).values())
    for cluster in clusters:
        assert len({split.parts[image_id] for image_id in cluster if image_id in split.parts}) <= 1


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Case], Clusters]:
    """Any small table, even with lesions of several diagnoses, and clusters of duplicates across lesions."""
    rows = draw(st.lists(st.tuples(st.integers(0, 12), st.sampled_from(CODES), st.booleans()), min_size=3, max_size=40))
    cases = [Case(f"i{n}", "x", dx, f"l{lesion}", source=f"s{side:d}") for n, (lesion, dx, side) in enumerate(rows)]
    image = st.sampled_from([case.image_id for case in cases])
    return cases, draw(st.lists(st.lists(image, min_size=2, max_size=4, unique=True).map(tuple), max_size=4))


def check_any_table(material: tuple[list[Case], Clusters], seed: int) -> None:
    cases, clusters = material
    ids = {case.image_id for case in cases}
    grouped = splits.grouped(cases, seed, clusters)
    folds = splits.kfold(cases, 3, seed, clusters)
    for split in (grouped, folds):
        assert set(split.parts) == ids
        assert_leak_free(cases, clusters, split)
    assert set(grouped.parts.values()) <= set(SHARES)
    assert set(folds.parts.values()) <= {"fold0", "fold1", "fold2"}
    shuffled = random.Random(seed).sample(cases, len(cases))
    assert splits.grouped(shuffled, seed, clusters[::-1]).fingerprint == grouped.fingerprint
    assert splits.kfold(shuffled, 3, seed, clusters[::-1]).fingerprint == folds.fingerprint
    if len({case.source for case in cases}) == 2:
        external = splits.external(cases, "s0", seed, clusters)
        tested = {case.image_id for case in cases if case.source == "s0"}
        assert {image_id for image_id, part in external.parts.items() if part == "test"} == tested
        assert_leak_free(cases, clusters, external)


@settings(max_examples=200, deadline=None)
@given(tables(), st.integers(0, 2**31 - 1))
def test_no_table_is_split_with_a_leak(material: tuple[list[Case], Clusters], seed: int) -> None:
    check_any_table(material, seed)


@pytest.mark.slow
@settings(max_examples=2000, deadline=None)
@given(tables(), st.integers(0, 2**31 - 1))
def test_no_table_of_thousands_is_split_with_a_leak(material: tuple[list[Case], Clusters], seed: int) -> None:
    check_any_table(material, seed)


def test_shares_are_kept_per_class_on_a_large_table() -> None:
    cases = table(5000)
    split = splits.grouped(cases)
    for dx in CODES:
        counts = Counter(split.parts[case.image_id] for case in cases if case.dx == dx)
        total = sum(counts.values())
        for part, share in SHARES.items():
            # A lesion is never cut, so an edge may lie half a lesion (2 of 4 images) off on either side.
            assert abs(counts[part] - share * total) <= 4, (dx, part, counts)


@pytest.mark.parametrize("seed", range(5))
def test_a_class_of_few_lesions_trains_before_it_tests(seed: int) -> None:
    one = [Case(f"i{n}", "x", "df", "a") for n in range(3)]
    assert set(splits.grouped(one, seed).parts.values()) == {"train"}
    four = [Case(f"i{n}", "x", "df", f"l{n}") for n in range(4)]
    assert Counter(splits.grouped(four, seed).parts.values()) == {"train": 3, "test": 1}


def test_folds_are_equal_per_class() -> None:
    cases = table(3000)
    split = splits.kfold(cases, 5)
    for dx in CODES:
        counts = Counter(split.parts[case.image_id] for case in cases if case.dx == dx)
        assert max(counts.values()) - min(counts.values()) <= 8, (dx, counts)


def test_another_seed_is_another_split_and_the_same_seed_is_the_same() -> None:
    cases = table(300)
    makers: list[Callable[[int], Split]] = [
        lambda seed: splits.grouped(cases, seed),
        lambda seed: splits.kfold(cases, 5, seed),
        lambda seed: splits.paper(cases, seed),
        lambda seed: splits.external(cases, "vidir", seed),
    ]
    for make in makers:
        assert make(1).fingerprint == make(1).fingerprint != make(2).fingerprint


def test_a_few_more_images_move_few_others() -> None:
    cases = table(1000)
    before = splits.grouped(cases).parts
    more = [*cases, *(Case(f"new{n}", "x", "nv", f"new{n}") for n in range(10))]
    after = splits.grouped(more).parts
    assert sum(before[name] != after[name] for name in before) < 0.02 * len(cases)


def test_known_duplicates_of_ham10000_stay_together() -> None:
    cases = table(2000) + [
        Case(image_id, "x", "nv", f"lesion of {image_id}") for pair in KNOWN_DUPLICATES for image_id in pair
    ]
    assert len(KNOWN_DUPLICATES) == 18
    for seed in range(5):
        assert_leak_free(cases, list(KNOWN_DUPLICATES), splits.grouped(cases, seed))


def test_clusters_tie_through_shared_lesions() -> None:
    cases = [Case(name, "x", "nv", name[0]) for name in ("a1", "a2", "b1", "b2", "c1", "d1")]
    groups = splits.lesion_groups(cases, [("a2", "b1"), ("b2", "c1"), ("elsewhere", "d1")])
    assert [groups[name] for name in ("a1", "a2", "b1", "b2", "c1")] == ["a"] * 5
    assert groups["d1"] == "d"


def test_protocols_say_whether_lesions_stay_together() -> None:
    cases = table(60)
    source = cases[0].source
    made = [
        splits.grouped(cases),
        splits.kfold(cases, 3),
        splits.kfold(cases, 3).fold(1),
        splits.external(cases, source),
    ]
    assert all(splits.keeps_lesions_together(split.protocol) for split in made)
    assert not any(splits.keeps_lesions_together(name) for name in (splits.paper(cases).protocol, "siblings-leak", ""))


def test_paper_counts_of_ham10000() -> None:
    cases = [Case(f"ISIC_{n:07d}", "x", CODES[n % 7], f"l{n}") for n in range(10015)]
    assert Counter(splits.paper(cases).parts.values()) == {"train": 8516, "val": 1499}
    assert splits.paper(cases[::-1]).fingerprint == splits.paper(cases).fingerprint


def test_siblings_across_counts_a_hand_made_table() -> None:
    cases = [
        Case("a1", "x", "mel", "a"), Case("a2", "x", "mel", "a"), Case("a3", "x", "mel", "a"),
        Case("b1", "x", "mel", "b"), Case("c1", "x", "nv", "c"), Case("c2", "x", "nv", "c"), Case("d1", "x", "nv", "d"),
        Case("ISIC_0033481", "x", "bkl", "e"), Case("ISIC_0033421", "x", "bkl", "f"),
    ]  # fmt: skip
    val = {"a1", "a2", "b1", "c1", "c2", "ISIC_0033481"}
    split = Split("paper", 0, {case.image_id: "val" if case.image_id in val else "train" for case in cases})
    found = splits.siblings_across(cases, split)
    assert tuple(found) == CODES
    assert (found["mel"], found["nv"], found["bkl"], found["df"]) == ((2, 3), (0, 2), (1, 1), (0, 0))
    assert sum(leaks for leaks, _ in splits.siblings_across(cases, splits.grouped(cases)).values()) == 0


def test_a_fold_tests_once_and_validates_once() -> None:
    cases = table(200)
    folds = splits.kfold(cases, 4)
    tested: list[str] = []
    for number in range(4):
        split = folds.fold(number)
        assert set(split.parts.values()) == {"train", "val", "test"}
        assert_leak_free(cases, [], split)
        tested += [image_id for image_id, part in split.parts.items() if part == "test"]
    assert sorted(tested) == sorted(folds.parts)
    assert len({folds.fold(number).fingerprint for number in range(4)}) == 4


def test_eleven_folds_are_counted_in_numerical_order() -> None:
    folds = splits.kfold(table(400), 11)
    split = folds.fold(9)
    assert {folds.parts[i] for i, part in split.parts.items() if part == "val"} == {"fold10"}


def test_select_returns_the_part_in_the_tables_order() -> None:
    cases = table(50)
    split = splits.grouped(cases)
    assert split.select(cases, "val") == [case for case in cases if split.parts[case.image_id] == "val"]
    with pytest.raises(DataError, match="no images in part 'fold0'") as caught:
        split.select(cases, "fold0")
    assert caught.value.hint == "it has test, train, val"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: splits.kfold(table(20), 2), "2 folds are too few"),
        (lambda: splits.kfold(table(20), 3).fold(3), "fold 3 does not exist"),
        (lambda: splits.kfold(table(20), 3).fold(-1), "fold -1 does not exist"),
        (lambda: splits.grouped(table(20)).fold(0), "grouped split has no folds"),
        (lambda: splits.external(table(20), "moon"), "source 'moon' cannot be the test part"),
    ],
)
def test_impossible_wishes_are_usage_errors(make: Callable[[], object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_a_split_comes_back_from_its_file(tmp_path: Path) -> None:
    split = splits.grouped(table(60), 3)
    splits.write_split(tmp_path / "split.csv", split)
    found = splits.read_split(tmp_path / "split.csv")
    assert (found.protocol, found.seed, found.parts) == (split.protocol, split.seed, split.parts)
    assert found.fingerprint == split.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: [rows[0], rows[1].replace(",train,", ",val,").replace(",test,", ",val,"), *rows[2:]],
        lambda rows: rows[:-1],
        lambda rows: [*rows, rows[-1]],
        lambda rows: [row.replace(",grouped,0,", ",grouped,none,") for row in rows],
        lambda rows: rows[:1],
        lambda rows: [row.rpartition(",")[0] for row in rows],
    ],
    ids=["another part", "a row less", "a row twice", "no seed", "no rows", "no fingerprint"],
)
def test_a_split_file_changed_by_hand_is_refused(tmp_path: Path, change: Callable[[list[str]], list[str]]) -> None:
    path = tmp_path / "split.csv"
    splits.write_split(path, Split("grouped", 0, {f"i{n}": "test" if n == 0 else "train" for n in range(5)}))
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    with pytest.raises(DataError, match=r"split\.csv: (its content does not match|not a split file)"):
        splits.read_split(path)


@pytest.fixture(scope="module")
def real(ham10000: Path) -> list[Case]:
    """The real metadata; images are not opened."""
    from lesionlab.data.sources import load_source

    return load_source(ham10000).cases


def test_real_metadata_is_split_without_a_leak(real: list[Case]) -> None:
    split = splits.grouped(real)
    counts = Counter(split.parts.values())
    for part, share in SHARES.items():
        assert abs(counts[part] / len(real) - share) < 0.005
    assert_leak_free(real, list(KNOWN_DUPLICATES), split)
    assert_leak_free(real, list(KNOWN_DUPLICATES), splits.kfold(real, 5))
    for part in SHARES:
        assert {case.dx for case in split.select(real, part)} == set(CODES)


def test_the_papers_split_of_the_real_images_leaks(real: list[Case]) -> None:
    """More than a third of the paper's validation images show a lesion that was trained on."""
    counts = splits.siblings_across(real, splits.paper(real))
    leaked, total = (sum(column) for column in zip(*counts.values(), strict=True))
    assert total == round(len(real) * 1499 / 10015)
    assert 0.36 < leaked / total < 0.46


def test_of_a_further_source_a_fixed_fifth_is_kept_out() -> None:
    own, other = table(60, seed=1), [replace(case, image_id=f"x{case.image_id}") for case in table(300, seed=2)]
    split = splits.joined(splits.grouped(own, seed=3), [other])
    assert {case.image_id: split.parts[case.image_id] for case in own} == splits.grouped(own, seed=3).parts
    parts = Counter(split.parts[case.image_id] for case in other)
    assert set(parts) == {"train", splits.KEPT_OUT}
    assert parts[splits.KEPT_OUT] == pytest.approx(len(other) / 5, rel=0.1)
    assert_leak_free(other, [], split)
    kept = splits.joined(splits.grouped(own, seed=4), [other]).parts
    assert all(kept[case.image_id] == split.parts[case.image_id] for case in other)
