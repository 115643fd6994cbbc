"""Bundles: written whole or not at all, read back, and every damage refused in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError, ModelError
from lesionlab.files import checksum
from lesionlab.models import bundle as bundles
from lesionlab.models import onnx_export
from lesionlab.models.backbones import create
from lesionlab.models.bundle import BundleDetails, read_bundle, torch_model
from lesionlab.models.writing import write_bundle


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return create("tiny", size=64)


@pytest.fixture(scope="module")
def written(network: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    details = BundleDetails(
        architecture="tiny",
        colour="gray",
        prior_offset=[0.5, 0, 0, 0, 0, -0.5, 0],
        views=4,
        training={"split": {"fingerprint": "abc"}},
        metrics={"accuracy": 0.5},
    )
    return write_bundle(tmp_path_factory.mktemp("run") / "model", network, details).folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A copy of the bundle that a test may damage."""
    return Path(shutil.copytree(written, tmp_path / "run" / "model"))


def test_what_was_written_is_read(written: Path) -> None:
    found = read_bundle(written)
    assert (found.architecture, found.size, found.colour, found.views) == ("test_resnet", 64, "gray", 4)
    assert found.classes == CODES
    assert found.prior_offset == [0.5, 0, 0, 0, 0, -0.5, 0]
    assert (found.mean, found.std) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert found.training == {"split": {"fingerprint": "abc"}}
    assert "CC BY-NC" in found.licence
    assert found.files == {name: checksum(written / name) for name in ("model.onnx", "model.safetensors")}
    assert sorted(path.name for path in written.iterdir()) == ["bundle.json", "model.onnx", "model.safetensors"]


def test_what_helps_to_explain_is_stored(written: Path, network: torch.nn.Module) -> None:
    found = read_bundle(written)
    assert (found.features, found.head, found.precision, found.decisions) == (True, "fc.weight", "fp32", None)
    np.testing.assert_array_equal(found.head_weight(), network.state_dict()["fc.weight"].numpy())


@pytest.mark.parametrize(("said", "meant"), [(1.0, 1.0), (1.3333, 4 / 3), (1.5, 1.5), (0.75, 0.75)])
def test_a_recipes_aspect_is_taken_for_a_ratio_of_whole_numbers(said: float, meant: float) -> None:
    assert BundleDetails(architecture="tiny", frame_aspect=said).frame_aspect == meant


def test_models_of_before_still_read(folder: Path) -> None:
    """A card without the newer keys, beside a graph that gives logits only."""
    card = json.loads((folder / "bundle.json").read_text())
    for key in ("frame_aspect", "features", "head", "precision", "decisions"):
        del card[key]
    (folder / "bundle.json").write_text(json.dumps(card))
    found = read_bundle(folder)
    assert (found.frame_aspect, found.features, found.head, found.precision) == (1.0, False, "", "fp32")


def test_a_run_folder_leads_to_its_model(written: Path) -> None:
    assert read_bundle(written.parent).folder == written


def test_the_network_comes_back_bit_for_bit(written: Path, network: torch.nn.Module) -> None:
    found = torch_model(read_bundle(written))
    assert not found.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor), name


def test_half_precision_and_another_size_are_stored_as_float32(tmp_path: Path) -> None:
    model = create("test_vit", size=64).bfloat16()
    found = write_bundle(tmp_path / "model", model, BundleDetails(architecture="test_vit", size=64))
    assert {tensor.dtype for tensor in torch_model(found).state_dict().values()} == {torch.float32}
    assert next(model.parameters()).dtype == torch.bfloat16


def test_a_bundle_is_replaced_and_other_content_is_not(folder: Path, network: torch.nn.Module, tmp_path: Path) -> None:
    write_bundle(folder, network, BundleDetails(architecture="tiny"))
    assert read_bundle(folder).views == 1
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "diary.txt").write_text("mine")
    with pytest.raises(DataError, match="not empty"):
        write_bundle(tmp_path / "notes", network, BundleDetails(architecture="tiny"))
    assert [path.name for path in (tmp_path / "notes").iterdir()] == ["diary.txt"]


@pytest.mark.parametrize("existing", [True, False])
def test_a_graph_that_disagrees_leaves_what_was_there(
    folder: Path, network: torch.nn.Module, monkeypatch: pytest.MonkeyPatch, existing: bool
) -> None:
    if not existing:
        shutil.rmtree(folder)
    monkeypatch.setattr(onnx_export, "TOLERANCE", 0.0)
    with pytest.raises(ModelError, match="differs"):
        write_bundle(folder, network, BundleDetails(architecture="tiny"))
    assert [path.name for path in folder.parent.iterdir()] == (["model"] if existing else [])
    if existing:
        assert read_bundle(folder).views == 4


def test_diverged_or_foreign_networks_are_not_written(tmp_path: Path) -> None:
    model = create("tiny")
    with torch.no_grad():
        next(model.parameters())[0] = float("nan")
    with pytest.raises(ModelError, match="not finite"):
        write_bundle(tmp_path / "model", model, BundleDetails(architecture="tiny"))
    with pytest.raises(ModelError, match="3 classes"):
        write_bundle(tmp_path / "model", create("tiny", classes=3), BundleDetails(architecture="tiny"))
    assert list(tmp_path.iterdir()) == []


def edit(**changes: Any) -> Callable[[Path], None]:
    """Return a damage that sets keys of the card."""

    def damage(folder: Path) -> None:
        card = folder / "bundle.json"
        card.write_text(json.dumps(json.loads(card.read_text()) | changes))

    return damage


def link(name: str) -> Callable[[Path], None]:
    """Return a damage that replaces a file by a link to a copy of it."""

    def damage(folder: Path) -> None:
        (folder / name).rename(folder.parent / name)
        (folder / name).symlink_to(folder.parent / name)

    return damage


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no card": (lambda f: (f / "bundle.json").unlink(), "no model here"),
    "half a card": (lambda f: (f / "bundle.json").write_text('{"format_version": 1, "arch'), "not valid JSON"),
    "bytes": (lambda f: (f / "bundle.json").write_bytes(b"\x80\x81\xff"), "not valid JSON"),
    "a deep card": (lambda f: (f / "bundle.json").write_text("[" * 200_000), "not valid JSON"),
    "a list": (lambda f: (f / "bundle.json").write_text("[1]"), "not the card"),
    "a huge card": (lambda f: (f / "bundle.json").write_bytes(b" " * (5 << 20)), "far too large"),
    "a linked card": (link("bundle.json"), "a link"),
    "later format": (edit(format_version=2), "later"),
    "no format": (edit(format_version=None), "format_version"),
    "unknown key": (edit(command="rm"), "command"),
    "ISIC's order": (edit(classes=["mel", "nv", "bcc", "akiec", "bkl", "df", "vasc"]), "order"),
    "six offsets": (edit(prior_offset=[0.0] * 6), "prior_offset"),
    "an offset that is no number": (edit(prior_offset=[float("nan")] * 7), "prior_offset"),
    "no deviation": (edit(std=[0, 0, 0]), "std"),
    "three views": (edit(views=3), "views"),
    "a path as architecture": (edit(architecture="../../x"), "architecture"),
    "a path among the files": (edit(files={"../../etc/passwd": "0" * 64}), "files must be"),
    "no files": (edit(files={}), "files must be"),
    "graph missing": (lambda f: (f / "model.onnx").unlink(), "missing"),
    "graph a link": (link("model.onnx"), "not a plain file"),
    "graph a folder": (lambda f: ((f / "model.onnx").unlink(), (f / "model.onnx").mkdir()), "not a plain file"),
    "graph cut": (lambda f: (f / "model.onnx").write_bytes((f / "model.onnx").read_bytes()[:-1]), "SHA-256"),
    "weights changed": (lambda f: (f / "model.safetensors").write_bytes(b"x"), "SHA-256"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damage_is_refused_in_one_line(folder: Path, damage: tuple[Callable[[Path], Any], str]) -> None:
    damage[0](folder)
    with pytest.raises(ModelError, match=damage[1]) as caught:
        read_bundle(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in caught.value.message


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model here"):
        read_bundle(tmp_path / "nowhere")


@pytest.mark.parametrize("fault", ["other shapes", "no head", "not finite", "unknown architecture"])
def test_tensors_that_do_not_fit_are_refused_where_they_are_used(folder: Path, fault: str) -> None:
    state = {name: tensor.clone() for name, tensor in create("tiny").state_dict().items()}
    if fault == "other shapes":
        state = create("test_convnext").state_dict()
    elif fault == "no head":
        state = {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}
    elif fault == "not finite":
        state["fc.bias"][0] = float("inf")
    else:
        edit(architecture="resnet_of_nobody")(folder)
    save_file(state, folder / "model.safetensors")
    edit(files={name: checksum(folder / name) for name in (bundles.ONNX, bundles.WEIGHTS)})(folder)
    with pytest.raises(ModelError):
        torch_model(read_bundle(folder))
