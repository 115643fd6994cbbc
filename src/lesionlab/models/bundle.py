"""A model on disk: a folder with `bundle.json`, `model.onnx` for prediction and `model.safetensors` for torch."""

from __future__ import annotations

import datetime
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

import lesionlab
from lesionlab.archives import staged_folder
from lesionlab.diagnoses import CODES, check_class_order
from lesionlab.errors import DataError, ModelError
from lesionlab.files import checksum, write_bytes, write_json

if TYPE_CHECKING:
    from torch import nn

CARD, ONNX, WEIGHTS = "bundle.json", "model.onnx", "model.safetensors"
FORMAT_VERSION: Literal[1] = 1
LICENCE = (
    "Weights trained on HAM10000 (doi:10.7910/DVN/DBW86T) are a derivative of data under CC BY-NC: "
    "non-commercial research use only. Not a medical device."
)
_CARD_LIMIT = 4 * 2**20

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Triple = tuple[float, float, float]
Views = Literal[1, 2, 4, 8]


class BundleDetails(BaseModel):
    """What the writer of a bundle says about a model; see `Bundle` for the meaning of each."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    architecture: str
    colour: Literal["rgb", "gray"] = "rgb"
    size: Annotated[int, Field(ge=32, le=2048)] | None = None
    prior_offset: Annotated[list[float], Field(min_length=len(CODES), max_length=len(CODES))] = [0.0] * len(CODES)
    views: Views = 1
    training: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    licence: str = LICENCE


class Bundle(BaseModel):
    """A checked model folder.

    architecture : timm name. classes : the order of the outputs, always `CODES`. size : side in pixels of the
    square input. mean, std : normalising of each channel on the 0..1 scale; `model.onnx` does it itself.
    colour : what the pixels are turned into first. prior_offset : added to the logits at prediction.
    views : how many flipped and turned views a prediction averages by default. training : recipe, split and
    data fingerprints. metrics : figures known when it was written. agreement : largest difference between
    `model.onnx` and torch, as a share of the largest logit. files : SHA-256 of the two model files.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    format_version: Literal[1] = FORMAT_VERSION
    lesionlab: str
    created: str
    architecture: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.]{1,100}$")]
    classes: tuple[str, ...]
    size: Annotated[int, Field(ge=32, le=2048)]
    mean: Triple
    std: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]
    colour: Literal["rgb", "gray"]
    prior_offset: Annotated[list[float], Field(min_length=len(CODES), max_length=len(CODES))]
    views: Views
    training: dict[str, Any]
    metrics: dict[str, Any]
    licence: str
    agreement: float
    files: dict[str, Sha256]

    _folder: Path = PrivateAttr(default=Path())

    @property
    def folder(self) -> Path:
        """The folder that the bundle was read from."""
        return self._folder

    @property
    def title(self) -> str:
        """What a figure calls the model."""
        return self.architecture

    @property
    def onnx(self) -> Path:
        """The graph: uint8 `pixels` (n, size, size, 3) RGB -> float32 `logits` (n, 7), normalising included."""
        return self._folder / ONNX

    @property
    def weights(self) -> Path:
        """The network's tensors under timm's names."""
        return self._folder / WEIGHTS


def write_bundle(folder: Path, model: nn.Module, details: BundleDetails) -> Bundle:
    """Write `model` as a bundle that appears whole or not at all, and return it.

    The network is copied, so it may lie on any device and in any precision and stays as it is. A bundle already
    in `folder` is replaced at the end; anything else there is a `DataError`. Raises `ModelError` when the network
    has another number of classes or values that are not finite, or when its ONNX graph does not agree with it.
    """
    from lesionlab.models import backbones, onnx_export

    own = backbones.preprocessing(model)
    size = details.size or own.size
    classifier = onnx_export.PixelClassifier(model, own.mean, own.std)
    _check_network(classifier.network)
    replaces = (folder / CARD).is_file()
    target = folder.with_name(f"{folder.name}.new") if replaces else folder
    if replaces:
        shutil.rmtree(target, ignore_errors=True)
    with staged_folder(target) as staging:
        _write_tensors(staging / WEIGHTS, classifier.network)
        onnx_export.export_onnx(classifier, staging / ONNX, size)
        bundle = Bundle(
            lesionlab=lesionlab.__version__,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            classes=CODES,
            mean=own.mean,
            std=own.std,
            agreement=onnx_export.check_agreement(classifier, staging / ONNX, size),
            files={name: checksum(staging / name) for name in (ONNX, WEIGHTS)},
            **{**details.model_dump(), "architecture": backbones.timm_name(details.architecture), "size": size},
        )
        write_json(staging / CARD, bundle.model_dump(mode="json"))
    if replaces:
        shutil.rmtree(folder)
        target.rename(folder)
    return read_bundle(folder)


def _check_network(network: nn.Module) -> None:
    """Raise `ModelError` for another number of classes or for tensors that are not finite."""
    import torch

    classes = getattr(network, "num_classes", len(CODES))
    if classes != len(CODES):
        raise ModelError(f"the network has {classes} classes", f"a lesion model has {len(CODES)}: {', '.join(CODES)}")
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ModelError(f"{name} holds values that are not finite", "training diverged; lower its rate")


def _write_tensors(path: Path, network: nn.Module) -> None:
    """Write the state dict as safetensors; cloning parts tensors that share memory, which the format refuses."""
    from safetensors.torch import save

    write_bytes(path, save({name: tensor.clone().contiguous() for name, tensor in network.state_dict().items()}))


def read_bundle(path: Path) -> Bundle:
    """Read and check a bundle folder, or the `model` folder inside a run folder.

    Raises `ModelError`, one line, when there is none, its card is damaged, of a later format or of another class
    order, or a file is missing, a link, or not the one that was written. The tensors are looked at where they are
    used: `torch_model` refuses other shapes and values that are not finite, and `Session` such answers.
    """
    folder = model_folder(path)
    card = folder / CARD
    content = read_card(card)
    if "kind" in content:
        raise ModelError(f"{folder}: made of several models, where a single one is needed", "name one of its members")
    try:
        bundle = Bundle.model_validate(content)
        check_class_order(bundle.classes, str(card))
    except ValidationError as error:
        raise card_fault(card, error) from None
    except DataError as error:
        raise ModelError(error.message, error.hint) from None
    _check_files(folder, bundle)
    bundle._folder = folder
    return bundle


def model_folder(path: Path) -> Path:
    """Return the folder with the card: `path`, or the `model` folder inside it; `ModelError` when there is none."""
    folder = next((f for f in (path, path / "model") if (f / CARD).is_file()), None)
    if folder is None:
        raise ModelError(f"{path}: no model here", f"name a run folder, or a folder that holds {CARD}")
    return folder


def card_fault(card: Path, error: ValidationError) -> ModelError:
    """Return the one-line fault of a card whose content is not as it should be."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "the file"
    return ModelError(f"{card}: {where}: {first['msg']}", "the file was changed; take the model anew")


def read_card(card: Path) -> dict[str, Any]:
    """Return the content of bundle.json, of this format version; `ModelError` otherwise."""
    hint = "the model is damaged; take it anew"
    try:
        if card.is_symlink() or card.stat().st_size > _CARD_LIMIT:
            raise ModelError(f"{card}: a link, or far too large", hint)
        content = json.loads(card.read_bytes())
    except OSError as error:
        raise ModelError(f"{card}: cannot read: {error.strerror}", "check the path") from None
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{card}: not valid JSON ({str(error)[:100]})", hint) from None
    if not isinstance(content, dict):
        raise ModelError(f"{card}: not the card of a model", hint)
    version = content.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ModelError(f"{card}: format {version} is later than this program's", "install a newer lesionlab")
    return content


def _check_files(folder: Path, bundle: Bundle) -> None:
    """Raise `ModelError` unless the two model files, and no other, are listed, plain, and as they were written."""
    if set(bundle.files) != {ONNX, WEIGHTS}:
        raise ModelError(f"{folder / CARD}: files must be {ONNX} and {WEIGHTS}", "take the model anew")
    for name, digest in bundle.files.items():
        file = folder / name
        if file.is_symlink() or not file.is_file():
            raise ModelError(f"{file}: missing, or not a plain file", "copy the model's folder as a whole")
        try:
            found = checksum(file)
        except OSError as error:
            raise ModelError(f"{file}: cannot read: {error.strerror}", "check its permissions") from None
        if found != digest:
            raise ModelError(f"{file}: not the file that was written (SHA-256 differs)", "take the model anew")


def torch_model(bundle: Bundle) -> nn.Module:
    """Return the network in torch, on the processor, in evaluation mode; `ModelError` when its tensors do not fit."""
    from lesionlab.errors import UsageError
    from lesionlab.models import backbones, weights

    try:
        model = backbones.create(bundle.architecture, size=bundle.size)
    except UsageError as error:
        raise ModelError(f"{bundle.folder / CARD}: {error.message}", error.hint) from None
    weights.load_weights(model, bundle.weights)
    return model.eval()
