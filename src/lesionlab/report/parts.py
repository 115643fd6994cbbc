"""The images that a trained model is asked about: one part of a source, cut by the split that it was trained with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lesionlab.data.cases import Case, informative
from lesionlab.data.packs import Pack, pack
from lesionlab.data.sources import load_source, narrowed
from lesionlab.data.splits import KEPT_OUT, Split, read_split
from lesionlab.errors import DataError, UsageError, some
from lesionlab.models.bundle import Bundle
from lesionlab.models.composite import Composite, is_composite

PARTS = ("test", "val", "train", KEPT_OUT, "all")

Counted = Callable[[str, int, int], None]
"""Live progress: called with what is done, how much of it, and how much there is."""


@dataclass(frozen=True)
class Images:
    """Where images come from.

    source : kind of the source, recognised where None. cache : folder for packed pixels. skip_bad : leave out images
    that cannot be read, instead of a `DataError`.
    """

    data: Path
    source: str | None = None
    cache: Path | None = None
    skip_bad: bool = False
    progress: Counted | None = None

    @property
    def folder(self) -> Path:
        """The source's folder, also where the source is a file in it."""
        return self.data if self.data.is_dir() else self.data.parent


@dataclass(frozen=True)
class Learnt:
    """A source's images at a model's size, and which of them it was validated and trained with."""

    pack: Pack
    validate: list[Case]
    train: list[Case]


def run_folder(model: Path) -> Path | None:
    """Return the folder where a model, named by it or by the model folder inside it, lies with its split.

    A trained model's has a run.json too. None for a lone model.
    """
    for folder in (model, model.absolute().parent):
        if (folder / "split.csv").is_file() and ((folder / "run.json").is_file() or is_composite(folder)):
            return folder
    return None


def split_of(model: Bundle | Composite, run: Path | None, part: str, split_file: Path | None) -> Split | None:
    """Return the split to take parts from, after checking that it is the one the model was trained with."""
    path = split_file or (run / "split.csv" if run else None)
    if path is None:
        if part == "all":
            return None
        raise UsageError(
            f"{model.folder}: a lone model does not say which images are its {part} part",
            "give --split-file, or take every image of the source with --split all",
        )
    split = read_split(path)
    trained = model.training.get("split", {}).get("fingerprint")
    if trained and trained != split.fingerprint:
        raise DataError(
            f"{path}: split {split.fingerprint} is not split {trained}, with which the model was trained; "
            "its parts may hold images that the model has learnt",
            "use the run folder's split.csv, or take every image with --split all and without --split-file",
        )
    return split


def part_images(model: Bundle | Composite, split: Split | None, images: Images, part: str) -> tuple[Pack, list[Case]]:
    """Return the source's pixels at the model's size, and the cases of one part that the model was trained for."""
    cases = informative(load_source(images.data, images.source).cases, str(images.data))  # those that training packed
    chosen = _chosen(model, split, cases, part, images.data)
    told = images.progress
    counted = (lambda done, total: told("packing images", done, total)) if told else None
    return pack(cases, model.size, images.cache, images.skip_bad, counted, model.frame_aspect), chosen


def learnt_images(model: Bundle | Composite, path: Path, images: Images, split_file: Path | None = None) -> Learnt:
    """Return the images that the model at `path` was validated and trained with; see `evaluate_model`."""
    split = split_of(model, run_folder(path), "val", split_file)
    assert split is not None  # only part "all" goes without
    packed, validate = part_images(model, split, images, "val")
    recipe = model.training.get("recipe", {})
    train = narrowed(split.select(packed.cases, "train"), recipe.get("site", ""), recipe.get("classes", ()))
    return Learnt(packed, validate, train)


def _chosen(model: Bundle | Composite, split: Split | None, cases: Sequence[Case], part: str, data: Path) -> list[Case]:
    """Return the cases of one part that are of the body site and the diagnoses which the model was trained for."""
    recipe = model.training.get("recipe", {})
    if part == "all" or split is None:
        return narrowed(cases, classes=recipe.get("classes", ()))
    return narrowed(_part(split, cases, part, data), recipe.get("site", ""), recipe.get("classes", ()))


def _part(split: Split, cases: Sequence[Case], part: str, data: Path) -> list[Case]:
    """Return the cases of one part; `DataError` when the source lacks any of its images."""
    wanted = {image_id for image_id, where in split.parts.items() if where == part}
    missing = sorted(wanted - {case.image_id for case in cases})
    if missing:
        raise DataError(
            f"{data}: {len(missing)} of the {len(wanted)} images of part {part!r} are not in it: {some(missing)}",
            "name the source that the model was trained on; for another one, use --split all",
        )
    return split.select(cases, part)
