"""A model on disk, a folder or one file: `bundle.json`, `model.onnx` for prediction, `model.safetensors` for torch."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

from lesionlab.data.colour import Colour
from lesionlab.diagnoses import CODES, check_class_order
from lesionlab.errors import DataError, ModelError, UsageError
from lesionlab.models.decisions import Decisions
from lesionlab.models.storage import CARD, Store, card_fault, open_store, read_card
from lesionlab.models.tensors import Tensors, read_tensors

if TYPE_CHECKING:
    from torch import nn

ONNX, WEIGHTS, HEAD = "model.onnx", "model.safetensors", "head.safetensors"
README = "README.md"
LICENCE = (
    "Weights trained on HAM10000 (doi:10.7910/DVN/DBW86T) are a derivative of data under CC BY-NC: "
    "non-commercial research use only. Not a medical device."
)

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Triple = tuple[float, float, float]
Views = Literal[1, 2, 4, 8]
Aspect = Annotated[float, Field(gt=0.2, lt=5)]
Cells = tuple[Annotated[float, Field(gt=-2048, lt=2048)], Annotated[float, Field(gt=0, le=2048)]]
"""Centre of a feature map's first cell, and the distance to the next, in pixels of the input along either side; the
centre of the first pixel is 0."""


def even_cells(length: int, side: int) -> Cells:
    """Return `length` cells that divide `side` pixels evenly."""
    return (side / length - 1) / 2, side / length


def _check_training(training: dict[str, Any]) -> dict[str, Any]:
    """Raise `ValueError` where what the program reads of `training` is not of its kind."""
    split, recipe = training.get("split", {}), training.get("recipe", {})
    if not isinstance(split, dict) or not isinstance(recipe, dict):
        raise ValueError("split and recipe are not tables")
    names = [recipe.get("site", ""), *recipe.get("classes", ())]
    if not all(isinstance(name, str) for name in names) or isinstance(recipe.get("classes"), str):
        raise ValueError("recipe names no site or no diagnoses")
    return training


Training = Annotated[dict[str, Any], AfterValidator(_check_training)]


class BundleDetails(BaseModel):
    """What the writer of a bundle says about a model; see `Bundle` for the meaning of each."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    architecture: str
    colour: Colour = "rgb"
    size: Annotated[int, Field(ge=32, le=2048)] | None = None
    frame_aspect: Aspect = 1.0
    prior_offset: Annotated[list[float], Field(min_length=len(CODES), max_length=len(CODES))] = [0.0] * len(CODES)
    views: Views = 1
    training: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    licence: str = LICENCE

    @field_validator("frame_aspect")
    @classmethod
    def _whole_numbers(cls, value: float) -> float:
        """Take a recipe's 1.3333 for the 4/3 that it means."""
        return float(Fraction(value).limit_denominator(50))


class Bundle(BaseModel):
    """A checked model.

    architecture : timm name. classes : the order of the outputs, always `CODES`. size : side in pixels of the
    square input. frame_aspect : width over height to which a photograph is cropped before it is squashed to the
    square; 1 where the whole frame is squashed. mean, std : normalising of each channel on the 0..1 scale;
    `model.onnx` does it itself. colour : the colours that images are given first, see `data.colour`. precision : of
    the graph's numbers. features : whether the graph also gives the last feature map, whose mean over the plane times
    the weight `head` is the logits. cells : where that map's cells look, None where they divide the input evenly.
    prior_offset : added to the logits at prediction. views : how many flipped and turned views a prediction averages by
    default. decisions : how probabilities become an answer. training : recipe, split and data fingerprints. metrics :
    figures known when it was written. agreement : largest difference between `model.onnx` and torch, as a share of the
    largest logit. files : SHA-256 of each file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    format_version: Literal[1] = 1
    lesionlab: str
    created: str
    architecture: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.]{1,100}$")]
    classes: tuple[str, ...]
    size: Annotated[int, Field(ge=32, le=2048)]
    frame_aspect: Aspect = 1.0
    mean: Triple
    std: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]
    colour: Colour
    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    features: bool = False
    cells: Cells | None = None
    head: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.]{0,200}$")] = ""
    prior_offset: Annotated[list[float], Field(min_length=len(CODES), max_length=len(CODES))]
    views: Views
    decisions: Decisions | None = None
    training: Training
    metrics: dict[str, Any]
    licence: str
    agreement: float
    files: dict[str, Sha256]

    _store: Store = PrivateAttr(default=Store(Path()))

    @model_validator(mode="after")
    def _check_files(self) -> Bundle:
        needed = {ONNX} | ({WEIGHTS} if self.precision == "fp32" else {HEAD} if self.features else set())
        if not needed <= set(self.files) <= {ONNX, WEIGHTS, HEAD, README}:
            raise ValueError(f"files must be {', '.join(sorted(needed))}")
        if self.features and not self.head:
            raise ValueError("features without the name of the head")
        return self

    @property
    def folder(self) -> Path:
        """The folder, or the .lesion file, that the bundle was read from."""
        return self._store.path

    @property
    def title(self) -> str:
        """What a figure calls the model."""
        return self.architecture

    @property
    def card(self) -> bytes:
        """The content of bundle.json as it is stored."""
        return self._store.read(CARD)

    def label(self, name: str) -> str:
        """Return what messages call one of the files."""
        return self._store.label(name)

    def read(self, name: str) -> bytes:
        """Return the bytes of one of `files`; `ModelError` unless they are those that were written."""
        content = self._store.read(name)
        if hashlib.sha256(content).hexdigest() != self.files[name]:
            raise ModelError(f"{self.label(name)}: not the file that was written (SHA-256 differs)", "take it anew")
        return content

    def tensors(self, name: str) -> Tensors:
        """Return the tensors of one of the .safetensors files; `ModelError` for a damaged one."""
        return read_tensors(self.read(name), self.label(name))

    def head_weight(self) -> npt.NDArray[np.float32]:
        """Return the classifier's weight, float32 (7, c); `ModelError` where `head` names no such tensor."""
        file = HEAD if HEAD in self.files else WEIGHTS
        weight = self.tensors(file).get(self.head)
        if weight is None or weight.ndim != 2 or len(weight) != len(CODES):
            raise ModelError(f"{self.label(file)}: has no weight {self.head!r} of {len(CODES)} rows", "take it anew")
        return weight.astype(np.float32)


def read_bundle(path: Path) -> Bundle:
    """Read and check the single model at `path`: its folder, the run folder around it, or a .lesion file.

    Raises `ModelError`, one line, when there is none, its card is damaged, of a later format or of another class
    order, or a file is missing, a link, or not the one that was written. The tensors are looked at where they are
    used: `torch_model` refuses other shapes and values that are not finite, and `Session` such answers.
    """
    return bundle_of(open_store(path))


def bundle_of(store: Store) -> Bundle:
    """Return the checked bundle whose files are given; see `read_bundle`."""
    content, card = read_card(store), store.label(CARD)
    if "kind" in content:
        raise ModelError(f"{store.path}: made of several models, where one is needed", "name one of its members")
    try:
        bundle = Bundle.model_validate(content)
        check_class_order(bundle.classes, card)
    except ValidationError as error:
        raise card_fault(card, error) from None
    except DataError as error:
        raise ModelError(error.message, error.hint) from None
    bundle._store = store
    for name in bundle.files:
        bundle.read(name)
    return bundle


def torch_model(bundle: Bundle) -> nn.Module:
    """Return the network in torch, on the processor, in evaluation mode.

    Raises `ModelError` when its tensors do not fit, or are not there: a model of less precision has none for torch.
    """
    import torch

    from lesionlab.models import backbones, weights

    if WEIGHTS not in bundle.files:
        raise ModelError(
            f"{bundle.folder}: an {bundle.precision} model holds no network for torch", "take the original"
        )
    try:
        model = backbones.create(bundle.architecture, size=bundle.size)
    except UsageError as error:
        raise ModelError(f"{bundle.label(CARD)}: {error.message}", error.hint) from None
    tensors = {name: torch.from_numpy(values.copy()) for name, values in bundle.tensors(WEIGHTS).items()}
    weights.fill(model, tensors, bundle.label(WEIGHTS))
    return model.eval()
