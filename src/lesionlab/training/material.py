"""What a run works on: its job, and the images, split and labels that the job names, read and checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lesionlab.data import splits
from lesionlab.data.cases import Case, check_unique, informative, labelled
from lesionlab.data.packs import Pack, pack
from lesionlab.data.sources import Listing, load_source, narrowed
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError, UsageError, some
from lesionlab.training.recipe import Recipe


@dataclass(frozen=True)
class Job:
    """What to train on what, and where to.

    also : further sources, of which four fifths train and one fifth, the part `splits.KEPT_OUT`, is not touched;
    split : protocol name (paper, grouped) or the path of a split file, of which `fold` names a fold;
    weights : "imagenet", "none" or a file; duplicates : clusters of images known to show one lesion.
    """

    data: Path
    out: Path
    recipe: Recipe
    source: str | None = None
    split: str = "grouped"
    fold: int | None = None
    weights: str = "imagenet"
    duplicates: tuple[tuple[str, ...], ...] = ()
    cache: Path | None = None
    skip_bad: bool = False
    resume: bool = False
    tensorboard: bool = False
    also: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Material:
    """Everything that training needs, read and checked.

    kind : of the source, or of all of them. labels : int64 (n,), rows of `possible`. possible : 0 or 1, int64 (k, 7),
    the diagnoses that a label stands for: the seven themselves, then those of images of which only that much is known.
    """

    kind: str
    pack: Pack
    split: splits.Split
    labels: np.ndarray
    possible: np.ndarray
    train: np.ndarray
    validate: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Training images per class, float64 (7,); see `class_counts`."""
        return class_counts(self.labels[self.train], self.possible)


def prepare(job: Job, progress: Callable[[str, int, int], None] | None = None) -> Material:
    """Read the source, split it, pack its pixels."""
    kind, cases = labelled_cases(job.data, job.source, job.skip_bad)
    own = choose_split(job, cases)
    others = [further_cases(folder, job.skip_bad) for folder in job.also]
    split = splits.joined(own, [further for _, further in others]) if others else own
    cases += [case for _, further in others for case in further]
    check_unique(cases, ", ".join(map(str, (job.data, *job.also))))
    absent = sorted(set(split.parts) - {case.image_id for case in cases})
    if absent and not job.skip_bad:
        raise DataError(
            f"{job.data}: {len(absent)} images of the split are not in it: {some(absent)}",
            "name the source that the split was made of, or leave them out with --skip-bad",
        )
    pixels = pack(
        cases, job.recipe.size, job.cache, job.skip_bad,
        (lambda done, total: progress("packing images", done, total)) if progress else None, job.recipe.photo_aspect,
    )  # fmt: skip
    labels, possible = label_table(pixels.cases)
    if len(possible) > len(CODES) and (job.recipe.mixup or job.recipe.mode == "frozen"):
        raise UsageError("mixup and mode frozen need whole labels, and a source here has partial ones", "turn them off")
    wanted = narrowed(pixels.cases, job.recipe.site, job.recipe.classes)
    parts = {part: pixels.rows({case.image_id for case in split.select(wanted, part)}) for part in ("train", "val")}
    kinds = ", ".join(dict.fromkeys([kind, *(further for further, _ in others)]))
    return Material(kinds, pixels, split, labels, possible, parts["train"], parts["val"])


def labelled_cases(data: Path, source: str | None = None, skip_bad: bool = False) -> tuple[str, list[Case]]:
    """Return the source's kind and its cases with a diagnosis; `DataError` for missing images, unless `skip_bad`."""
    listing = load_source(data, source)
    _check_present(listing, data, skip_bad)
    return listing.kind, labelled(listing.cases, str(data))


def _check_present(listing: Listing, data: Path, skip_bad: bool) -> None:
    missing = [problem for problem in listing.problems if problem.kind == "missing image"]
    if missing and not skip_bad:
        named = some([problem.image_id for problem in missing])
        raise DataError(
            f"{data}: {len(missing)} labelled images are missing: {named}",
            "bring them back, or leave them out with --skip-bad",
        )


def further_cases(folder: Path, skip_bad: bool = False) -> tuple[str, list[Case]]:
    """Return a further source's kind and its cases of which anything is known; a fault as in `labelled_cases`."""
    listing = load_source(folder)
    _check_present(listing, folder, skip_bad)
    return listing.kind, informative(listing.cases, str(folder))


def choose_split(job: Job, cases: list[Case]) -> splits.Split:
    """Return the run's own split on resuming, else the one that the job names."""
    if job.resume and (job.out / "split.csv").is_file():
        return splits.read_split(job.out / "split.csv")
    protocols = {
        "paper": lambda: splits.paper(cases, job.recipe.seed),
        "grouped": lambda: splits.grouped(cases, job.recipe.seed, job.duplicates),
    }
    if job.split in protocols:
        return protocols[job.split]()
    if not Path(job.split).is_file():
        raise UsageError(f"--split {job.split}: neither a protocol nor a file", f"protocols: {', '.join(protocols)}")
    split = splits.read_split(Path(job.split))
    if job.fold is not None:
        return split.fold(job.fold)
    if split.protocol == "kfold":
        raise UsageError(f"{job.split}: a k-fold split has no train part", "take one fold: --fold N")
    return split


def label_table(cases: Sequence[Case]) -> tuple[np.ndarray, np.ndarray]:
    """Return each case's label, int64 (n,), and what labels stand for, int64 (k, 7); see `Material`."""
    known = [(code,) for code in CODES]
    sets = known + sorted({case.possible for case in cases} - set(known))
    number = {codes: i for i, codes in enumerate(sets)}
    possible = np.array([[code in codes for code in CODES] for codes in sets], np.int64)
    return np.array([number[case.possible] for case in cases], np.int64), possible


def class_counts(labels: np.ndarray, possible: np.ndarray) -> np.ndarray:
    """Return how many of the labels (n,) are of each class, float64 (7,).

    A label that stands for several diagnoses is shared out among them as often as they are otherwise.
    """
    classes = possible.shape[1]
    counts = np.bincount(labels, minlength=len(possible)).astype(float)
    found = counts[:classes]
    for several, count in zip(possible[classes:], counts[classes:], strict=True):
        known = several * counts[:classes]
        shares = known if known.any() else several
        found = found + count * shares / shares.sum()
    return found
