"""Where the case table contradicts itself: within a lesion, and among copies of one image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice

from lesionlab.data.cases import Case, Problem


def _by_lesion(cases: Iterable[Case]) -> dict[str, list[Case]]:
    """Return lesion_id -> its images, of lesions with more than one."""
    lesions: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        lesions[case.lesion_id].append(case)
    return {lesion: group for lesion, group in lesions.items() if len(group) > 1}


def _named(values: Iterable[str]) -> str:
    """Return up to five values, and how many more there are."""
    listed = list(values)
    return ", ".join(islice(listed, 5)) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")


def _diagnoses(group: Iterable[Case]) -> list[str]:
    return sorted({case.dx for case in group if case.dx})


def conflicts_in_lesions(cases: Iterable[Case]) -> Iterator[Problem]:
    """Yield one problem for each lesion whose images have different diagnoses."""
    for lesion, group in _by_lesion(cases).items():
        if len(found := _diagnoses(group)) > 1:
            detail = f"lesion {lesion} is {' and '.join(found)} in {_named(case.image_id for case in group)}"
            yield Problem("label conflict in a lesion", group[0].image_id, group[0].path, detail)


def conflicts_in_clusters(clusters: Iterable[list[Case]]) -> Iterator[Problem]:
    """Yield one problem for each cluster of duplicates with different diagnoses."""
    for group in clusters:
        if len(found := _diagnoses(group)) > 1:
            detail = f"copies are {' and '.join(found)}: {_named(case.image_id for case in group)}"
            yield Problem("label conflict among duplicates", group[0].image_id, group[0].path, detail)


def metadata_conflicts(cases: Iterable[Case]) -> Iterator[Problem]:
    """Yield one note for each lesion whose images state different sexes, or ages more than a year apart."""
    for lesion, group in _by_lesion(cases).items():
        ages = [case.age for case in group if case.age is not None]
        sexes = sorted({case.sex for case in group if case.sex and case.sex != "unknown"})
        stated = [f"{min(ages):g} and {max(ages):g} years"] if ages and max(ages) - min(ages) > 1 else []
        stated += [" and ".join(sexes)] if len(sexes) > 1 else []
        if stated:
            detail = f"lesion {lesion} is of {', '.join(stated)}: {_named(case.image_id for case in group)}"
            yield Problem("metadata conflict in a lesion", group[0].image_id, group[0].path, detail)


def crossings(clusters: Iterable[list[Case]]) -> Iterator[Problem]:
    """Yield one note for each cluster of duplicates that has more than one lesion_id."""
    for group in clusters:
        lesions = sorted({case.lesion_id for case in group})
        if len(lesions) > 1:
            detail = f"copies under {_named(lesions)}: {_named(case.image_id for case in group)}"
            yield Problem("duplicates across lesions", group[0].image_id, group[0].path, detail)
