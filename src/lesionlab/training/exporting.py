"""From a run to a model for others: compared with torch image by image, made smaller if wanted, with a model card.

A graph of full precision is taken where it agrees with torch to rounding. One of less precision cannot; it is taken
where it loses next to no balanced accuracy on the validation images, and its decisions are fitted on its own answers.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionlab.data.cases import Case
from lesionlab.data.colour import recolour
from lesionlab.data.packs import Pack
from lesionlab.errors import ModelError, UsageError
from lesionlab.models.bundle import HEAD, ONNX, README, Bundle
from lesionlab.models.card import model_card
from lesionlab.models.composite import Composite, model_of, read_model
from lesionlab.models.onnx_export import BATCHES, difference, random_images
from lesionlab.models.quantise import in_8_bits, in_half
from lesionlab.models.storage import CARD, SUFFIX, Store
from lesionlab.models.tensors import write_tensors
from lesionlab.models.writing import files_of, packed_up, rewrite_bundle, write_model
from lesionlab.prediction.predictor import Predictor
from lesionlab.prediction.runtime import Session
from lesionlab.report.asking import predict_cases
from lesionlab.report.evaluation_tables import evaluation_tables
from lesionlab.report.parts import Counted, Images, Learnt, learnt_images, run_folder
from lesionlab.training.agreement import compare, in_batches
from lesionlab.training.choosing import validation_figures
from lesionlab.training.deciding import decide

COMPARED = 200
"""Images on which torch, the graph and what was written are compared."""

SEEN = 256
"""Training images whose activations set the ranges of a graph in 8 bits."""

MOST_LOST = 0.003
"""Most balanced accuracy on validation that a graph of less precision may lose."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Exported:
    """What was written: the model, its bytes, on how many images it was compared with torch and how far it is off.

    difference : largest difference of the logits as a share of the largest. accuracy : balanced accuracy on
    validation in full precision and in this one, None where nothing was made smaller.
    """

    model: Bundle | Composite
    size: int
    images: int
    difference: float
    accuracy: tuple[float, float] | None = None


def export_model(
    run: Path,
    out: Path,
    precision: str = "fp32",
    images: Images | None = None,
    split_file: Path | None = None,
    progress: Counted | None = None,
) -> Exported:
    """Write the model of a run for others to use, with a model card, and return what was written.

    Parameters
    ----------
    out : folder, or one file where its name ends in .lesion.
    precision : "fp32"; "fp16", weights of half the size; "int8", nearly all in 8 bits. Both of these need `images`,
        leave the weights for torch out, and are for single models.
    images : the source that the model was trained on; images are made up where None.
    split_file : the split, where the model has no run folder.
    progress : of the comparison.

    Raises `ModelError`, before anything is written, when torch, the graph and what would be written differ, or less
    precision costs too much; `UsageError` for what does not fit.
    """
    model = read_model(run)
    _check(model, out, precision, images)
    learnt = learnt_images(model, run, images, split_file) if images else None
    if precision == "fp32":
        seen = _some(learnt.pack, learnt.validate, COMPARED) if learnt else random_images(COMPARED, model.size, seed=0)
        contents = _with_card(model, run)
        off = compare(model, model_of(Store(out, contents)), seen, progress)
        found = Exported(model, 0, len(seen), off)
    else:
        assert learnt and isinstance(model, Bundle)
        found = smaller(model, precision, learnt, progress)
        contents = _with_card(found.model, run, _bound(precision, found))
    written = write_model(out, contents)
    return replace(found, model=written, size=sum(len(content) for content in contents.values()))


def _check(model: Bundle | Composite, out: Path, precision: str, images: Images | None) -> None:
    """Raise `UsageError` for wishes that cannot be met, before the long work begins."""
    if out.suffix != SUFFIX and out.exists() and not (out / CARD).is_file() and (out.is_file() or any(out.iterdir())):
        raise UsageError(f"--out {out}: not empty, and no model", f"name a new folder, or a file ending in {SUFFIX}")
    if out.resolve() == model.folder.resolve():
        raise UsageError(f"--out {out}: the model itself", "export into another folder")
    if precision != "fp32" and isinstance(model, Composite):
        raise UsageError(f"{model.folder}: made of several models", "make single models smaller, then combine these")
    if precision != "fp32" and images is None:
        raise UsageError(f"{precision} is judged on validation images", "name the source with --data")


def smaller(bundle: Bundle, precision: str, learnt: Learnt, progress: Counted | None = None) -> Exported:
    """Return a bundle, not kept on the disk, whose graph is of less precision and whose decisions fit it.

    It holds no weights for torch, which would be another network's; the head's weight stays, for heat maps. Raises
    `ModelError` where it loses more than `MOST_LOST` balanced accuracy on the validation images.
    """
    graph = bundle.read(ONNX)
    if precision == "fp16":
        light = in_half(graph)
    else:
        light = in_8_bits(graph, recolour(_some(learnt.pack, learnt.train, SEEN), bundle.colour))
    contents = {ONNX: light} | ({HEAD: write_tensors({bundle.head: bundle.head_weight()})} if bundle.features else {})
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "model"
        made = rewrite_bundle(place, bundle, contents, precision=precision, decisions=None, metrics={})
        known = [case for case in learnt.validate if case.dx]
        answers = [predict_cases(Predictor(one), learnt.pack, known, progress) for one in (bundle, made)]
        before, after = (validation_figures(of.truth, of.probabilities)["balanced_accuracy"] for of in answers)
        if before - after > MOST_LOST:
            raise ModelError(
                f"{precision} lowers balanced accuracy on validation from {before:.4f} to {after:.4f}",
                f"nothing was written; at most {MOST_LOST} may be lost: take another precision",
            )
        if bundle.decisions:
            decided = decide(made, learnt, progress=progress, before=answers[1]).model
            assert isinstance(decided, Bundle)
            made = decided
        seen = _some(learnt.pack, learnt.validate, COMPARED)
        found = [in_batches(Session(one).logits, seen, BATCHES[-1]) for one in (bundle, made)]
        off = difference(found[0], found[1])
        measured = {"validation_images": len(known), "balanced_accuracy": {"fp32": before, precision: after}}
        changes: dict[str, Any] = {"agreement": off, "metrics": made.metrics | {"precision": measured}}
        inside = packed_up(made, {name: made.read(name) for name in made.files}, **changes)
    result = model_of(Store(bundle.folder, inside))
    return Exported(result, 0, len(seen), off, (before, after))


def _some(packed: Pack, cases: list[Case], count: int) -> Pixels:
    """Return `count` images of the cases, drawn with a fixed seed, uint8 (n, size, size, 3)."""
    rows = packed.rows({case.image_id for case in cases})
    return np.asarray(packed.pixels[np.sort(np.random.default_rng(0).permutation(rows)[:count])])


def _bound(precision: str, found: Exported) -> str:
    """Return what a reader of the model card must know of a model of less precision."""
    before, after = found.accuracy or (0.0, 0.0)
    return (
        f"The graph is in {precision}: balanced accuracy on validation {after:.4f}, in fp32 {before:.4f}. "
        "Test figures below are those of fp32."
    )


def _with_card(model: Bundle | Composite, run: Path, bound: str = "") -> dict[str, bytes]:
    """Return all files of the model, its model card among them."""
    card = model_card(model, evaluation_tables(run_folder(run)), bound).encode()
    if isinstance(model, Composite):
        return files_of(model) | {README: card}
    return packed_up(model, {name: model.read(name) for name in model.files} | {README: card})
