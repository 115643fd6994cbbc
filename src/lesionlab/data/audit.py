"""Look at a whole source before trusting it: unreadable files, duplicates, contradictions, counts."""

from __future__ import annotations

import hashlib
import textwrap
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lesionlab.data.cases import Case, Problem
from lesionlab.data.conflicts import conflicts_in_clusters, conflicts_in_lesions, crossings, metadata_conflicts
from lesionlab.data.duplicates import SIDE, near_duplicates
from lesionlab.data.images import load_image, one_line, read_content, squash
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError, ImageError
from lesionlab.files import read_json

if TYPE_CHECKING:
    from lesionlab.data.sources.listing import Listing

FORMAT = "lesionlab audit 1"
"""What the key `format` of a written audit says; another number means other keys."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class NearPair:
    """Two images that are copies but not pixel for pixel, and how well they agree once aligned, 0 to 1."""

    first: str
    second: str
    score: float


@dataclass(frozen=True)
class Audit:
    """What was found in a source.

    `problems` are faults to mend, `notes` worth knowing; `exact` lists groups of images with the same
    bytes or the same pixels, `near` pairs of other copies, `clusters` what both tie together, each a
    list of image_ids in the table's order. `sizes` counts images by (width, height).
    """

    kind: str
    folder: str
    images: int
    lesions: int
    unreadable: int
    class_counts: dict[str, int]
    sizes: dict[tuple[int, int], int]
    problems: list[Problem]
    notes: list[Problem]
    exact: list[list[str]]
    near: list[NearPair]
    clusters: list[list[str]]

    def to_json(self) -> dict[str, Any]:
        """Return the audit as JSON values.

        Keys: `format`; `kind` and `folder` of the source; `images` looked at, `lesions`, `unreadable`;
        `class_counts` by diagnosis code; `sizes` as [width, height, images]; `problems` and `notes` as
        {kind, image_id, path, detail}; `exact` and `clusters` as lists of image_ids; `near` as
        {first, second, score}.
        """
        values = asdict(self)
        values["sizes"] = [[*size, count] for size, count in sorted(self.sizes.items())]
        return {"format": FORMAT, **values}

    def rows(self) -> list[tuple[str, int, str]]:
        """Return the summary as (what, how many, in words): images, classes, then every kind of finding."""
        rows = [("images", self.images, f"of {self.lesions} lesions, {self.images - self.unreadable} readable")]
        rows += [(f"diagnosis {dx or 'unknown'}", count, "") for dx, count in self.class_counts.items()]
        if self.sizes:
            least, most = (f"{w} x {h}" for w, h in (min(self.sizes, key=_area), max(self.sizes, key=_area)))
            rows.append(("sizes", len(self.sizes), f"{least} to {most}" if least != most else least))
        rows.append(("exact duplicates", len(self.exact), "groups of images with equal bytes or pixels"))
        rows.append(("near duplicates", len(self.near), "pairs turned, flipped, re-encoded, resized or cropped"))
        rows.append(("duplicate clusters", len(self.clusters), f"{sum(map(len, self.clusters))} images"))
        for findings in (self.problems, self.notes):
            kinds: dict[str, list[Problem]] = defaultdict(list)
            for finding in findings:
                kinds[finding.kind].append(finding)
            rows += [
                (kind, len(found), textwrap.shorten(one_line(found[0].detail), 80, placeholder="…"))
                for kind, found in sorted(kinds.items())
            ]
        return rows


def audit(listing: Listing, *, near: bool = True, progress: Progress | None = None, workers: int = 2) -> Audit:
    """Look at every image of a source and return all that is wrong with it; never stops at the first fault.

    Parameters
    ----------
    near : also look for copies that are not pixel for pixel the same.
    progress : called with what is being done ("reading", "comparing"), images done, images in all.
    workers : threads that read and decode.
    """
    cases, thumbnails = listing.cases, np.zeros((len(listing.cases), SIDE, SIDE, 3), dtype=np.uint8)
    seen = list(_look(cases, thumbnails, progress, workers))
    readable = [row for row, look in enumerate(seen) if not look.fault]
    faults = [
        Problem("unreadable image", case.image_id, case.path, look.fault)
        for case, look in zip(cases, seen, strict=True)
        if look.fault
    ]
    exact = _components(len(cases), [*_same(seen, readable, "content"), *_same(seen, readable, "pixels")])
    pairs = _near_pairs(thumbnails, readable, exact, progress) if near else []
    ties = [tie for group in exact for tie in pairwise(group)] + [(a, b) for a, b, _ in pairs]
    clusters = [[cases[row] for row in cluster] for cluster in _components(len(cases), ties)]
    return Audit(
        kind=listing.kind,
        folder=str(listing.folder),
        images=len(cases),
        lesions=len({case.lesion_id for case in cases}),
        unreadable=len(faults),
        class_counts=_class_counts(cases),
        sizes=dict(Counter(seen[row].size for row in readable)),
        problems=[*listing.problems, *faults, *conflicts_in_lesions(cases), *conflicts_in_clusters(clusters)],
        notes=[*metadata_conflicts(cases), *crossings(clusters)],
        exact=[[cases[row].image_id for row in group] for group in exact],
        near=[NearPair(cases[a].image_id, cases[b].image_id, round(score, 4)) for a, b, score in pairs],
        clusters=[[case.image_id for case in cluster] for cluster in clusters],
    )


def _near_pairs(
    thumbnails: npt.NDArray[np.uint8],
    readable: Sequence[int],
    exact: Sequence[Sequence[int]],
    progress: Progress | None,
) -> list[tuple[int, int, float]]:
    """Return near duplicates as (row, row, score); of a group of exact duplicates only the first is compared."""
    copies = {row for group in exact for row in group[1:]}
    chosen = [row for row in readable if row not in copies]
    report = partial(progress, "comparing") if progress else None
    found = near_duplicates(thumbnails[chosen], progress=report)
    return [(chosen[pair.first], chosen[pair.second], pair.score) for pair in found]


def read_clusters(path: Path) -> list[list[str]]:
    """Return the duplicate clusters of a written audit; `DataError` for any other file."""
    value = read_json(path)
    clusters = value.get("clusters") if isinstance(value, dict) and value.get("format") == FORMAT else None
    if not isinstance(clusters, list) or not all(
        isinstance(cluster, list) and all(isinstance(image_id, str) for image_id in cluster) for cluster in clusters
    ):
        raise DataError(f"{path}: not an audit of this version", "make one with: lesionlab data check --out FILE")
    return clusters


@dataclass(frozen=True)
class _Look:
    """One image: digests of its bytes and of its pixels, its size; or why it cannot be read."""

    content: bytes = b""
    pixels: bytes = b""
    size: tuple[int, int] = (0, 0)
    fault: str = ""


def _look(
    cases: Sequence[Case], thumbnails: npt.NDArray[np.uint8], progress: Progress | None, workers: int
) -> Iterator[_Look]:
    """Yield what each image looks like, in order, and fill in its thumbnail."""

    def look(row: int) -> _Look:
        path = Path(cases[row].path)
        try:
            content = read_content(path)
            image = load_image(content, str(path))
        except ImageError as error:
            return _Look(fault=error.message)
        thumbnails[row] = squash(image, SIDE)
        digest = hashlib.sha256(f"{image.width} {image.height}\n".encode())
        digest.update(image.tobytes())
        return _Look(hashlib.sha256(content).digest(), digest.digest(), image.size)

    with ThreadPoolExecutor(workers) as pool:
        for done, result in enumerate(pool.map(look, range(len(cases))), start=1):
            if progress:
                progress("reading", done, len(cases))
            yield result


def _same(seen: Sequence[_Look], rows: Sequence[int], mark: str) -> Iterator[tuple[int, int]]:
    """Yield pairs of neighbouring rows that have the same digest."""
    first: dict[bytes, int] = {}
    for row in rows:
        digest = getattr(seen[row], mark)
        if digest in first:
            yield first[digest], row
        first[digest] = row


def _components(count: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Return the groups of two and more rows that pairs tie together, rows and groups in order."""
    parent = list(range(count))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for first, second in pairs:
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    groups: dict[int, list[int]] = defaultdict(list)
    for row in range(count):
        groups[root(row)].append(row)
    return [group for group in groups.values() if len(group) > 1]


def _class_counts(cases: Iterable[Case]) -> dict[str, int]:
    """Return the number of images of each diagnosis, all seven in their order, and of "" where there are any."""
    counts = Counter(case.dx for case in cases)
    return {dx: counts[dx] for dx in (*CODES, "") if dx or counts[dx]}


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]
