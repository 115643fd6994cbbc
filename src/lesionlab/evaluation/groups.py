"""Groups of images: by what a case table tells, by traits of the photographs, by the size of the lesion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lesionlab.data.cases import Case
from lesionlab.data.traits import TRAITS
from lesionlab.evaluation.metrics import Bools

Groups = dict[str, dict[str, Bools]]
"""Attribute -> group -> which of n images belong to it, bool (n,); an attribute's groups hold each image once."""

UNKNOWN = "unknown"

AGE_BANDS: tuple[tuple[float, str], ...] = ((30, "under 30"), (45, "30 to 44"), (60, "45 to 59"), (75, "60 to 74"))
"""(years below which a patient belongs to a band, its name), youngest first; whoever is older is `OLDEST`."""

OLDEST = "75 and over"
SIZES: tuple[str, ...] = ("small", "medium", "large")


def case_groups(cases: Sequence[Case]) -> Groups:
    """Return the groups by age band, sex, site, source and dx_type.

    An attribute that is unknown for every image is left out. The values are those of the case table; they come from
    people and differ between sources ("trunk" beside "back").
    """
    bands = [name for _, name in AGE_BANDS] + [OLDEST]
    found = {"age": _by_value([age_band(case.age) for case in cases], bands)}
    for attribute in ("sex", "site", "source", "dx_type"):
        found[attribute] = _by_value([getattr(case, attribute) or UNKNOWN for case in cases])
    return {attribute: groups for attribute, groups in found.items() if set(groups) != {UNKNOWN}}


def age_band(age: float | None) -> str:
    """Return the name of the band that holds an age in years."""
    if age is None:
        return UNKNOWN
    return next((name for limit, name in AGE_BANDS if age < limit), OLDEST)


def trait_groups(image_ids: Sequence[str], marked: Mapping[str, Mapping[str, bool]]) -> Groups:
    """Return the groups with and without each of `TRAITS`; `marked` tells image_id -> trait -> whether it is there."""
    found: Groups = {}
    for trait in TRAITS:
        there = np.array([marked[image_id][trait] for image_id in image_ids])
        found[trait] = _present({trait: there, f"no {trait}": ~there})
    return found


def size_groups(image_ids: Sequence[str], areas: Mapping[str, float]) -> tuple[Groups, tuple[float, float]]:
    """Return the terciles of the lesion's share of the frame, and the two shares that part them.

    `areas` tells image_id -> share (0 to 1) for those images that have a mask, at least one; the others are unknown.
    """
    known = np.array([image_id in areas for image_id in image_ids])
    area = np.array([areas.get(image_id, np.nan) for image_id in image_ids])
    low, high = (float(cut) for cut in np.quantile(area[known], [1 / 3, 2 / 3]))
    small, large = known & (area <= low), known & (area > high)
    groups = dict(zip(SIZES, (small, known & ~small & ~large, large), strict=True))
    return {"lesion size": _present({**groups, UNKNOWN: ~known})}, (low, high)


def _by_value(values: Sequence[str], order: Sequence[str] = ()) -> dict[str, Bools]:
    """Return value -> its images, in the order given or else by name, the unknown last."""
    table = np.array(values)
    names = order or sorted(set(values) - {UNKNOWN})
    return _present({name: table == name for name in (*names, UNKNOWN)})


def _present(groups: dict[str, Bools]) -> dict[str, Bools]:
    return {name: rows for name, rows in groups.items() if rows.any()}
