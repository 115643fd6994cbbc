"""The two arms of the paired leak experiment, as splits: the same but for the test lesions' siblings.

Photographs of one lesion are siblings. Both arms start from the grouped split. Of each test lesion with two images or
more, the first by image_id is tested; the others are its siblings. The arm `clean` trains on the train part alone. The
arm `leak` trains on the siblings too, and on as many images of each diagnosis less from the train part, so that both
arms see equally many images of every diagnosis. Validation images are the same. What differs in the figures is what
the siblings give away.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from lesionlab.data.cases import Case, rank
from lesionlab.data.splits import Split, grouped, lesion_groups
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError

ARMS = ("clean", "leak")


def make_arms(
    cases: Sequence[Case], seed: int = 0, duplicates: Iterable[Sequence[str]] = ()
) -> tuple[dict[str, Split], dict[str, dict[str, int]]]:
    """Return the split of each of `ARMS`, and of each diagnosis how many images are tested, siblings, trained on.

    Parts are train, val, test; unused for images of neither arm's parts. Whole lesions leave the leaking arm's train
    part, in the order of a hash, and one lesion in part where the count asks for it. Raises `DataError` when no test
    lesion has a sibling, or when a diagnosis has too few training images to make room for the siblings.
    """
    clusters = [tuple(cluster) for cluster in duplicates]
    base, lesions = grouped(cases, seed, clusters), lesion_groups(cases, clusters)
    tested, siblings = _tested(base.select(cases, "test"), lesions)
    if not siblings:
        raise DataError("no test lesion has a second image", "the experiment needs lesions with several images")
    train = base.select(cases, "train")
    removed = _removed(train, Counter(case.dx for case in siblings), lesions, seed)
    parts = {case.image_id: base.parts[case.image_id] for case in cases}
    parts |= {case.image_id: "unused" for case in cases if parts[case.image_id] == "test"}
    parts |= {case.image_id: "test" for case in tested}
    leaking = {case.image_id: "train" for case in siblings} | dict.fromkeys(removed, "unused")
    splits = {
        "clean": Split("siblings-clean", seed, parts),
        "leak": Split("siblings-leak", seed, parts | leaking),
    }
    groups = {"test": tested, "siblings": siblings, "train": train}
    counts = {name: Counter(case.dx for case in group) for name, group in groups.items()}
    return splits, {code: {name: count[code] for name, count in counts.items()} for code in CODES}


def _tested(test: Sequence[Case], lesions: Mapping[str, str]) -> tuple[list[Case], list[Case]]:
    """Return the first image of each lesion with several, and all their others."""
    members: dict[str, list[Case]] = defaultdict(list)
    for case in sorted(test, key=lambda case: case.image_id):
        members[lesions[case.image_id]].append(case)
    several = [images for images in members.values() if len(images) > 1]
    return [images[0] for images in several], [case for images in several for case in images[1:]]


def _removed(train: Sequence[Case], counts: Mapping[str, int], lesions: Mapping[str, str], seed: int) -> list[str]:
    """Return train images to leave out: of each diagnosis exactly as many as `counts` says."""
    members: dict[tuple[str, str], list[str]] = defaultdict(list)
    for case in train:
        members[case.dx, lesions[case.image_id]].append(case.image_id)
    order = sorted(members, key=lambda key: rank(seed, f"siblings:{key[1]}"))
    removed: list[str] = []
    for dx, count in counts.items():
        available = [members[key] for key in order if key[0] == dx]
        if sum(map(len, available)) <= count:
            raise DataError(f"too few training images of {dx} to make room for {count} siblings", "use a larger source")
        split: list[str] = []
        for images in available:
            if len(images) <= count:
                removed += images
                count -= len(images)
            else:
                split = split or images
        removed += sorted(split)[:count]
    return removed
