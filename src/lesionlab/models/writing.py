"""Bundles written: a network turned into a model folder, and a model written again with other contents."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lesionlab
from lesionlab.archives import staged_folder, write_stored
from lesionlab.diagnoses import CODES
from lesionlab.errors import ModelError
from lesionlab.files import checksum, write_bytes, write_json
from lesionlab.models.bundle import ONNX, WEIGHTS, Bundle, BundleDetails, read_bundle
from lesionlab.models.composite import MEMBERS, Composite, read_model
from lesionlab.models.decisions import Decisions
from lesionlab.models.storage import CARD, SUFFIX

if TYPE_CHECKING:
    from torch import nn


def write_bundle(folder: Path, model: nn.Module, details: BundleDetails) -> Bundle:
    """Write `model` as a bundle that appears whole or not at all, and return it.

    The network is copied, so it may lie on any device and in any precision and stays as it is. A bundle already
    in `folder` is replaced at the end; anything else there is a `DataError`. Raises `ModelError` when the network
    has another number of classes or values that are not finite, or when its ONNX graph does not agree with it.
    """
    from lesionlab.models import backbones, onnx_export
    from lesionlab.models.cells import feature_cells

    own = backbones.preprocessing(model)
    size = details.size or own.size
    _check_network(model)
    classifier = onnx_export.PixelClassifier(model, own.mean, own.std, size)
    with _replaced_folder(folder) as staging:
        _write_tensors(staging / WEIGHTS, classifier.network)
        onnx_export.export_onnx(classifier, staging / ONNX, size)
        bundle = Bundle(
            lesionlab=lesionlab.__version__,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            classes=CODES,
            mean=own.mean,
            std=own.std,
            features=bool(classifier.head),
            head=classifier.head,
            cells=feature_cells(classifier.network, size) if classifier.head else None,
            agreement=onnx_export.check_agreement(classifier, staging / ONNX, size),
            files={name: checksum(staging / name) for name in (ONNX, WEIGHTS)},
            **{**details.model_dump(), "architecture": backbones.timm_name(details.architecture), "size": size},
        )
        write_json(staging / CARD, bundle.model_dump(mode="json"))
    return read_bundle(folder)


@contextlib.contextmanager
def _replaced_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes `folder` when the block ends well; a bundle that was there goes then."""
    replaces = (folder / CARD).is_file()
    target = folder.with_name(f"{folder.name}.new") if replaces else folder
    if replaces:
        shutil.rmtree(target, ignore_errors=True)
    with staged_folder(target) as staging:
        yield staging
    if replaces:
        shutil.rmtree(folder)
        target.rename(folder)


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


def packed_up(bundle: Bundle, contents: Mapping[str, bytes], **changes: Any) -> dict[str, bytes]:
    """Return all files of a bundle, bundle.json too, that has these `contents`, and these `changes` of its card."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    card = Bundle.model_validate(bundle.model_dump() | changes | {"files": digests})
    text = json.dumps(card.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return {**contents, CARD: text.encode()}


def files_of(model: Bundle | Composite) -> dict[str, bytes]:
    """Return all files of a model, relative path -> content."""
    if isinstance(model, Bundle):
        return {CARD: model.card} | {name: model.read(name) for name in model.files}
    inside = {
        f"{MEMBERS}/{name}/{file}": content
        for name, member in model.bundles.items()
        for file, content in files_of(member).items()
    }
    return {CARD: model.card, **inside}


def write_model(out: Path, contents: Mapping[str, bytes]) -> Bundle | Composite:
    """Write a model's files to `out`, and return what is read back.

    `out` is a folder, or one file where its name ends in .lesion. A model that is there is replaced at the end;
    another content of the folder is a `DataError`.
    """
    if out.suffix == SUFFIX:
        write_stored(out, contents)
        return read_model(out)
    with _replaced_folder(out) as staging:
        for name, content in contents.items():
            write_bytes(staging / name, content)
    return read_model(out)


def rewrite_bundle(out: Path, bundle: Bundle, contents: Mapping[str, bytes], **changes: Any) -> Bundle:
    """Write a bundle that has these `contents` and `changes` of its card; see `packed_up` and `write_model`."""
    written = write_model(out, packed_up(bundle, contents, **changes))
    assert isinstance(written, Bundle)
    return written


def write_decisions(model: Bundle | Composite, decisions: Decisions) -> Bundle | Composite:
    """Write decisions into a model's folder, and return the model as it is read then; all at once or not at all.

    Raises `ModelError` for a model that is one file.
    """
    folder = model.folder
    if not folder.is_dir():
        raise ModelError(f"{folder}: one file, which stays as it is", "calibrate the model's folder and export it anew")
    if isinstance(model, Composite):
        card = type(model).model_validate(model.model_dump() | {"decisions": decisions.model_dump()})
        write_json(folder / CARD, card.model_dump(mode="json"))
        return read_model(folder)
    contents = {name: model.read(name) for name in model.files}
    return rewrite_bundle(folder, model, contents, decisions=decisions.model_dump())
