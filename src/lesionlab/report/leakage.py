"""The leakage audit: two sets of images, or two parts of a split, held against each other; JSON, CSV and pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesionlab.data.cases import Case, Problem, write_rows
from lesionlab.data.sources.unlabelled import load_images
from lesionlab.data.splits import read_split
from lesionlab.errors import DataError, UsageError, some
from lesionlab.evaluation.leakage import KINDS, Found, Match, Neighbours, counts, find_matches, hidden, neighbours
from lesionlab.files import write_json
from lesionlab.models.bundle import read_bundle
from lesionlab.prediction.embedding import Embedder
from lesionlab.report.leakage_pages import draw_matches
from lesionlab.report.parts import Counted

TABLES: tuple[str, ...] = ("leakage.json", "leakage.csv")
COLUMNS: tuple[str, ...] = (
    *("test", "train", "kinds", "score", "test_dx", "train_dx", "test_lesion", "train_lesion"),
    *("test_path", "train_path"),
)
"""The columns of leakage.csv, and the keys of one pair in leakage.json; kinds are joined by | in the table."""


@dataclass(frozen=True)
class Side:
    """One of the two sets: what it is called, its images, and what is wrong with its source."""

    name: str
    cases: list[Case]
    problems: list[Problem]


def two_sides(train: Path, test: Path, kind: str | None = None) -> tuple[Side, Side]:
    """Return two sets of images, each a folder, a source or a table; see `load_images` for what it raises."""
    first, second = load_images(train, kind), load_images(test, kind)
    return Side(str(train), first.cases, first.problems), Side(str(test), second.cases, second.problems)


def sides_of_split(
    split_file: Path, data: Sequence[Path], part: str | None = None, kind: str | None = None
) -> tuple[Side, Side]:
    """Return the training images of a split, and those of one other part.

    Parameters
    ----------
    data : the sources that the split was made of, one or several.
    part : "test" where None, or "val" where the split has no test part. Where it has no part "train", as one with
        folds, all other parts train.

    Raises `UsageError` for a part that the split has not, and `DataError` where the sources lack any of the images.
    """
    split = read_split(split_file)
    parts = sorted(set(split.parts.values()) - {"train"})
    asked = part or next((name for name in ("test", "val") if name in parts), "")
    if asked not in parts:
        raise UsageError(f"--part {asked}: {split_file} has no such part", f"name one of {', '.join(parts)}")
    training = ["train"] if "train" in split.parts.values() else [name for name in parts if name != asked]
    listings = [load_images(folder, kind) for folder in data]
    sides = []
    for names in (training, [asked]):
        wanted = {image_id for image_id, name in split.parts.items() if name in names}
        cases = [case for listing in listings for case in listing.cases if case.image_id in wanted]
        if missing := sorted(wanted - {case.image_id for case in cases}):
            raise DataError(
                f"{', '.join(map(str, data))}: {len(missing)} of the {len(wanted)} images of part {names[0]!r} are not "
                f"in it: {some(missing)}",
                "name every source that the split was made of",
            )
        problems = [one for listing in listings for one in listing.problems if one.image_id in wanted]
        sides.append(Side(f"{split_file}, {'+'.join(names)}", cases, problems))
    return sides[0], sides[1]


@dataclass(frozen=True)
class Leakage:
    """What was found between two sets, with near copies where `near`; neighbours is None where no model was asked."""

    train: Side
    test: Side
    found: Found
    near: bool = True
    neighbours: Neighbours | None = None

    @property
    def leaks(self) -> bool:
        """Whether any test image shows a lesion of the training set, or is a copy from it."""
        return bool(self.found.matches)

    @property
    def pairs(self) -> list[Match]:
        """All matches, and the candidates behind them."""
        return [*self.found.matches, *(self.neighbours.candidates if self.neighbours else ())]

    def to_json(self) -> dict[str, Any]:
        """Return the audit as JSON values.

        Keys
        ----
        train, test : {name, images, lesions, readable (whose pixels were compared), problems : kind -> how many}.
        searched : the kinds that were looked for, of `evaluation.leakage.KINDS`.
        counts : what `evaluation.leakage.counts` tells of the test images, by diagnosis.
        hidden : test images with a copy but without a photograph of their own lesion_id in the training set.
        contradicting : matches with two diagnoses.
        pairs : all matches, a list of {`COLUMNS`}; kinds is a list.
        neighbours : None, or {known, recognised, candidates : as pairs}; see `evaluation.leakage.Neighbours`.
        """
        found, alike = self.found, self.neighbours
        return {
            "train": _told(self.train, found.train),
            "test": _told(self.test, found.test),
            "searched": [kind for kind in KINDS if self.near or kind != "near"],
            "counts": counts(self.test.cases, found.matches),
            "hidden": hidden(found.matches),
            "contradicting": sum(match.contradicts for match in found.matches),
            "pairs": [_row(match) for match in found.matches],
            "neighbours": alike
            and {
                "known": alike.known,
                "recognised": alike.recognised,
                "candidates": [_row(match) for match in alike.candidates],
            },
        }


def _told(side: Side, readable: Sequence[Case]) -> dict[str, Any]:
    problems = Counter(problem.kind for problem in side.problems)
    problems["unreadable image"] = sum(bool(case.path) for case in side.cases) - len(readable)
    return {
        "name": side.name,
        "images": len(side.cases),
        "lesions": len({case.lesion_id for case in side.cases}),
        "readable": len(readable),
        "problems": {kind: count for kind, count in sorted(problems.items()) if count},
    }


def _row(match: Match) -> dict[str, Any]:
    """Return one pair by `COLUMNS`."""
    test, train = match.test, match.train
    cells = (test.image_id, train.image_id, list(match.kinds), match.score, test.dx, train.dx, test.lesion_id)
    return dict(zip(COLUMNS, (*cells, train.lesion_id, test.path, train.path), strict=True))


def audit_leakage(
    train: Side,
    test: Side,
    model: Path | None = None,
    near: bool = True,
    candidates: int = 24,
    progress: Counted | None = None,
) -> Leakage:
    """Hold two sets of images against each other.

    Parameters
    ----------
    model : a single network that gives its last feature map, to look for neighbours; none are looked for where None.
    near : also look for copies that are not pixel for pixel the same. candidates : most neighbours to list.

    Raises `ModelError` for a model that gives no feature map, and as `find_matches` does. Images that cannot be read
    are counted and left out.
    """
    embed = Embedder(read_bundle(model)) if model else None
    found = find_matches(train.cases, test.cases, near=near, progress=progress)
    if embed is None or not found.train or not found.test:
        return Leakage(train, test, found, near)
    counted = (lambda done, total: progress("embedding", done, total)) if progress else None
    vectors = embed([Path(case.path) for case in (*found.train, *found.test)], counted)
    cut = len(found.train)
    return Leakage(train, test, found, near, neighbours(found, vectors[:cut], vectors[cut:], candidates))


def write_leakage(folder: Path, leakage: Leakage, command: str = "", pictures: int = 24) -> dict[str, Any]:
    """Write `TABLES` and pages of pictures of at most `pictures` pairs of each kind, and return the JSON values.

    They are those of `Leakage.to_json`, with `command` and `pages`, the names of the pages; see `draw_matches`.
    """
    readable = {case.path for case in (*leakage.found.train, *leakage.found.test)}
    shown = [match for match in leakage.pairs if {match.test.path, match.train.path} <= readable]
    pages = draw_matches(folder, shown, pictures)
    result = {**leakage.to_json(), "command": command, "pages": pages}
    rows = [_row(match) for match in leakage.pairs]
    write_rows(folder / "leakage.csv", COLUMNS, [_cells(row) for row in rows])
    write_json(folder / "leakage.json", result)
    return result


def _cells(row: Mapping[str, Any]) -> list[object]:
    return [*({**row, "kinds": "|".join(row["kinds"])}).values()]
