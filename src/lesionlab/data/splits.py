"""Splits: which image trains, which chooses, which tests. Written as CSV with a fingerprint.

The grouped protocols keep all photographs of one lesion, and all images known to show the same
lesion, on one side. Only the seed paper's own protocol splits by image; it reports its leak.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lesionlab.data.cases import Case, rank, read_rows, write_rows
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError, UsageError

PAPER_VALIDATION = 1499
PAPER_TOTAL = 10015
SHARES = {"train": 0.70, "val": 0.15, "test": 0.15}
KEPT_OUT = "kept_out"
"""The part of a further source that is in no training and no choice."""

KNOWN_DUPLICATES: tuple[tuple[str, str], ...] = tuple(
    (f"ISIC_{a}", f"ISIC_{b}")
    for a, b in (
        ("0033481", "0033421"), ("0033556", "0032634"), ("0029152", "0033173"), ("0029036", "0027027"),
        ("0027820", "0028209"), ("0027689", "0032647"), ("0030906", "0024879"), ("0033391", "0034186"),
        ("0025226", "0030074"), ("0026087", "0025664"), ("0024736", "0029748"), ("0024770", "0027811"),
        ("0027162", "0029061"), ("0024602", "0032283"), ("0029625", "0024629"), ("0030000", "0031392"),
        ("0024437", "0031299"), ("0033374", "0033417"),
    )
)  # fmt: skip
"""Pairs of HAM10000 images that show one lesion under two lesion_ids (Corrected-Skin-Image-Datasets)."""


@dataclass(frozen=True)
class Split:
    """Parts by image_id. `parts` maps every image_id to "train", "val", "test" or "fold0", "fold1", ..."""

    protocol: str
    seed: int
    parts: Mapping[str, str]

    @property
    def fingerprint(self) -> str:
        """16 hex digits that name which image is in which part."""
        lines = sorted(f"{image_id}\t{part}" for image_id, part in self.parts.items())
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]

    def select(self, cases: Iterable[Case], part: str) -> list[Case]:
        """Return the cases of one part, in the table's order; `DataError` when there are none."""
        chosen = [case for case in cases if self.parts.get(case.image_id) == part]
        if not chosen:
            known = ", ".join(sorted(set(self.parts.values())))
            raise DataError(f"the split has no images in part {part!r}", f"it has {known}")
        return chosen

    def fold(self, number: int) -> Split:
        """Return train/val/test from a k-fold split: fold `number` tests, the next one validates."""
        if self.protocol != "kfold":
            raise UsageError(f"a {self.protocol} split has no folds", "make one with: lesionlab data split kfold")
        names = sorted(set(self.parts.values()), key=lambda p: int(p.removeprefix("fold")))
        if not 0 <= number < len(names):
            raise UsageError(f"fold {number} does not exist", f"the split has folds 0 to {len(names) - 1}")
        roles = {names[number]: "test", names[(number + 1) % len(names)]: "val"}
        parts = {image_id: roles.get(part, "train") for image_id, part in self.parts.items()}
        return Split(f"{self.protocol}-{number}", self.seed, parts)


def lesion_groups(cases: Sequence[Case], duplicates: Iterable[Sequence[str]] = ()) -> dict[str, str]:
    """Return image_id -> group: images of one lesion, and images that `duplicates` ties, share a group.

    The 18 pairs of `KNOWN_DUPLICATES` are always tied where both are present. A group is named
    after its alphabetically first lesion_id.
    """
    parent = {case.lesion_id: case.lesion_id for case in cases}
    lesion_of = {case.image_id: case.lesion_id for case in cases}

    def root(lesion: str) -> str:
        while parent[lesion] != lesion:
            parent[lesion] = parent[parent[lesion]]
            lesion = parent[lesion]
        return lesion

    for cluster in (*KNOWN_DUPLICATES, *duplicates):
        lesions = sorted({root(lesion_of[image_id]) for image_id in cluster if image_id in lesion_of})
        for other in lesions[1:]:
            parent[other] = lesions[0]
    return {image_id: root(lesion) for image_id, lesion in lesion_of.items()}


def grouped(
    cases: Sequence[Case],
    seed: int = 0,
    duplicates: Iterable[Sequence[str]] = (),
    shares: Mapping[str, float] = SHARES,
) -> Split:
    """Split by lesion, stratified by diagnosis, into parts of the given shares (train last in line)."""
    order = sorted(shares, key=lambda part: (part == "train", part))
    return Split("grouped", seed, _assign(cases, lesion_groups(cases, duplicates), seed, order, shares))


def kfold(cases: Sequence[Case], folds: int = 5, seed: int = 0, duplicates: Iterable[Sequence[str]] = ()) -> Split:
    """Split by lesion, stratified by diagnosis, into `folds` equal parts named fold0, fold1, ..."""
    if folds < 3:
        raise UsageError(f"{folds} folds are too few", "one fold tests and one validates: take at least 3")
    names = [f"fold{i}" for i in range(folds)]
    shares = dict.fromkeys(names, 1 / folds)
    return Split("kfold", seed, _assign(cases, lesion_groups(cases, duplicates), seed, names, shares))


def paper(cases: Sequence[Case], seed: int = 0) -> Split:
    """Split by image at random, as the seed paper does: 1,499 of 10,015 validate, there is no test part.

    Photographs of one lesion fall on both sides; `siblings_across` counts how many.
    """
    count = round(len(cases) * PAPER_VALIDATION / PAPER_TOTAL)
    ranked = sorted((case.image_id for case in cases), key=lambda image_id: rank(seed, image_id))
    return Split("paper", seed, {image_id: "val" if i < count else "train" for i, image_id in enumerate(ranked)})


def external(cases: Sequence[Case], test_source: str, seed: int = 0, duplicates: Iterable[Sequence[str]] = ()) -> Split:
    """Test on all images of one source; train and validate (85/15, grouped) on all the others.

    A lesion that also has photographs elsewhere is kept out of training and validation.
    """
    sources = sorted({case.source for case in cases})
    test = [case for case in cases if case.source == test_source]
    if not test or len(test) == len(cases):
        raise UsageError(f"source {test_source!r} cannot be the test part", f"sources here: {', '.join(sources)}")
    groups = lesion_groups(cases, duplicates)
    tested = {groups[case.image_id] for case in test}
    rest = [case for case in cases if groups[case.image_id] not in tested]
    inner = _assign(rest, groups, seed, ["val", "train"], {"val": 0.15, "train": 0.85})
    return Split(f"external-{test_source}", seed, {**inner, **{case.image_id: "test" for case in test}})


def keeps_lesions_together(protocol: str) -> bool:
    """Return whether splits of a protocol have all photographs of a lesion on one side."""
    return protocol.partition("-")[0] in ("grouped", "kfold", "external")


def joined(split: Split, others: Sequence[Sequence[Case]]) -> Split:
    """Return the split with other sources' images in it: four fifths in "train", one fifth in `KEPT_OUT`.

    The fifth is chosen by lesion and stratified by diagnosis, for each source by itself, and is the same for every
    seed: runs that share nothing else share what they have not seen.
    """
    parts = dict(split.parts)
    for cases in others:
        parts |= grouped(cases, shares={KEPT_OUT: 0.2, "train": 0.8}).parts
    return Split(split.protocol, split.seed, parts)


def _assign(
    cases: Sequence[Case], groups: Mapping[str, str], seed: int, order: Sequence[str], shares: Mapping[str, float]
) -> dict[str, str]:
    """Lay each diagnosis' groups on a line in hashed order and cut it at the cumulative shares.

    Hashing instead of shuffling keeps the assignment almost unchanged when a few groups are tied
    or images are added: only groups at a cut move.
    """
    members: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        members[groups[case.image_id]].append(case)
    strata: dict[str, list[str]] = defaultdict(list)
    for group, images in members.items():
        counts = Counter(case.dx for case in images)
        strata[min(counts, key=lambda dx: (-counts[dx], dx))].append(group)
    parts: dict[str, str] = {}
    for names in strata.values():
        names.sort(key=lambda group: rank(seed, group))
        total = sum(len(members[group]) for group in names)
        done = 0
        for group in names:
            middle = (done + len(members[group]) / 2) / total
            done += len(members[group])
            edge = 0.0
            for part in order:
                edge += shares[part]
                if middle < edge or part == order[-1]:
                    break
            parts.update((case.image_id, part) for case in members[group])
    return parts


def siblings_across(cases: Sequence[Case], split: Split, part: str = "val") -> dict[str, tuple[int, int]]:
    """Return dx -> (images of `part` whose lesion also has an image in train, images of `part`)."""
    groups = lesion_groups(cases)
    trained = {groups[case.image_id] for case in cases if split.parts.get(case.image_id) == "train"}
    counts: dict[str, tuple[int, int]] = {}
    for dx in CODES:
        mine = [case for case in cases if split.parts.get(case.image_id) == part and case.dx == dx]
        counts[dx] = (sum(groups[case.image_id] in trained for case in mine), len(mine))
    return counts


def write_split(path: Path, split: Split) -> None:
    """Write image_id, part, protocol, seed and fingerprint as CSV, atomically."""
    mark = split.fingerprint
    rows = [(i, part, split.protocol, split.seed, mark) for i, part in sorted(split.parts.items())]
    write_rows(path, ("image_id", "part", "protocol", "seed", "fingerprint"), rows)


def read_split(path: Path) -> Split:
    """Read a split and check its fingerprint; `DataError` when the file was changed by hand."""
    rows = read_rows(path)
    needed = ("image_id", "part", "protocol", "seed", "fingerprint")
    if not rows or any(name not in rows[0] for name in needed):
        raise DataError(f"{path}: not a split file", "make one with: lesionlab data split")
    seed = rows[0]["seed"]
    split = Split(rows[0]["protocol"], int(seed) if seed.isdecimal() else -1, {r["image_id"]: r["part"] for r in rows})
    if split.seed < 0 or len(split.parts) != len(rows) or split.fingerprint != rows[0]["fingerprint"]:
        raise DataError(f"{path}: its content does not match its fingerprint", "make it anew: lesionlab data split")
    return split
