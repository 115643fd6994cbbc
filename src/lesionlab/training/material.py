"""What a run works on: its job, and the images, split and labels that the job names, read and checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lesionlab.data import splits
from lesionlab.data.cases import Case, labelled
from lesionlab.data.packs import Pack, pack
from lesionlab.data.sources import load_source, narrowed
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError, UsageError, some
from lesionlab.training.recipe import Recipe


@dataclass(frozen=True)
class Job:
    """What to train on what, and where to.

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


@dataclass(frozen=True)
class Material:
    """Everything that training needs, read and checked."""

    kind: str
    pack: Pack
    split: splits.Split
    labels: np.ndarray
    train: np.ndarray
    validate: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Training images per class, int64 (7,)."""
        return np.bincount(self.labels[self.train], minlength=len(CODES))


def prepare(job: Job, progress: Callable[[str, int, int], None] | None = None) -> Material:
    """Read the source, split it, pack its pixels."""
    kind, cases = labelled_cases(job.data, job.source, job.skip_bad)
    split = choose_split(job, cases)
    absent = sorted(set(split.parts) - {case.image_id for case in cases})
    if absent and not job.skip_bad:
        raise DataError(
            f"{job.data}: {len(absent)} images of the split are not in it: {some(absent)}",
            "name the source that the split was made of, or leave them out with --skip-bad",
        )
    pixels = pack(
        cases, job.recipe.size, job.cache, job.skip_bad,
        (lambda done, total: progress("packing images", done, total)) if progress else None,
    )  # fmt: skip
    labels = class_labels([case.dx for case in pixels.cases], CODES)
    wanted = narrowed(pixels.cases, job.recipe.site, job.recipe.classes)
    parts = {part: pixels.rows({case.image_id for case in split.select(wanted, part)}) for part in ("train", "val")}
    return Material(kind, pixels, split, labels, parts["train"], parts["val"])


def labelled_cases(data: Path, source: str | None = None, skip_bad: bool = False) -> tuple[str, list[Case]]:
    """Return the source's kind and its cases with a diagnosis; `DataError` for missing images, unless `skip_bad`."""
    listing = load_source(data, source)
    missing = [problem for problem in listing.problems if problem.kind == "missing image"]
    if missing and not skip_bad:
        named = some([problem.image_id for problem in missing])
        raise DataError(
            f"{data}: {len(missing)} labelled images are missing: {named}",
            "bring them back, or leave them out with --skip-bad",
        )
    return listing.kind, labelled(listing.cases, str(data))


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


def class_labels(diagnoses: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Return the class number of each diagnosis, int64 (n,)."""
    number = {code: i for i, code in enumerate(classes)}
    return np.array([number[dx] for dx in diagnoses], np.int64)
