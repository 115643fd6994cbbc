"""Models made with bad intentions: each is refused in one line, and nothing that they hold is ever run.

Every file is given the hash that belongs to it, as somebody who forges a model would, unless the hash is the fault.
"""

from __future__ import annotations

import io
import json
import pickle
import shutil
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from lesionlab.archives import write_stored
from lesionlab.diagnoses import CODES
from lesionlab.errors import ModelError
from lesionlab.files import checksum
from lesionlab.models.bundle import CARD, HEAD, ONNX, WEIGHTS, Bundle, read_bundle, torch_model
from lesionlab.models.composite import read_model
from lesionlab.models.onnx_export import random_images
from lesionlab.models.tensors import read_tensors, write_tensors
from lesionlab.prediction.runtime import Session

Damage = Callable[[Path], Any]


class Canary:
    """Unpickled, it leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def canary(folder: Path) -> Path:
    return folder.parent / "canary"


def pickled(folder: Path) -> bytes:
    return pickle.dumps({"fc.weight": Canary(canary(folder))})


def torch_pickled(folder: Path) -> bytes:
    content = io.BytesIO()
    torch.save({"fc.weight": Canary(canary(folder))}, content)
    return content.getvalue()


@pytest.fixture(scope="module")
def written(make_member: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_member(tmp_path_factory.mktemp("written") / "model")


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A copy of a good model that a test may damage."""
    return Path(shutil.copytree(written, tmp_path / "model"))


def put(name: str, content: bytes | Callable[[Path], bytes]) -> Damage:
    """Return a damage that replaces a file's content, or adds the file."""

    def damage(folder: Path) -> None:
        (folder / name).write_bytes(content if isinstance(content, bytes) else content(folder))
        if name != CARD:
            card = json.loads((folder / CARD).read_text())
            card["files"][name] = checksum(folder / name)
            (folder / CARD).write_text(json.dumps(card))

    return damage


def say(**changes: Any) -> Damage:
    """Return a damage that changes the card."""

    def damage(folder: Path) -> None:
        (folder / CARD).write_text(json.dumps(json.loads((folder / CARD).read_text()) | changes))

    return damage


def tensors(change: Callable[[dict[str, Any]], Any]) -> Damage:
    """Return a damage of the weights' values."""

    def content(folder: Path) -> bytes:
        values = read_tensors((folder / WEIGHTS).read_bytes(), "")
        change(values)
        return write_tensors(values)

    return put(WEIGHTS, content)


def header(change: Callable[[dict[str, Any]], Any], length: int | None = None) -> Damage:
    """Return a damage of the weights' header, whose length may be told wrongly."""

    def content(folder: Path) -> bytes:
        whole = (folder / WEIGHTS).read_bytes()
        size = struct.unpack("<Q", whole[:8])[0]
        told = json.loads(whole[8 : 8 + size])
        change(told)
        text = json.dumps(told).encode()
        return struct.pack("<Q", len(text) if length is None else length) + text + whole[8 + size :]

    return put(WEIGHTS, content)


def overlap(told: dict[str, Any]) -> None:
    told["fc.weight"]["data_offsets"] = told["fc.bias"]["data_offsets"]


def graph(change: Callable[[Any], Any]) -> Damage:
    """Return a damage of the graph."""

    def content(folder: Path) -> bytes:
        model = onnx.load(folder / ONNX)
        change(model)
        return model.SerializeToString()

    return put(ONNX, content)


def outside(location: str) -> Callable[[Any], None]:
    """Return a change of a graph that reads a tensor from another file."""

    def change(model: Any) -> None:
        tensor = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)

    return change


def hidden(model: Any) -> None:
    """Read a tensor from another file deep within: in the branch of a condition."""
    tensor = TensorProto(name="t", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../secret")
    value = helper.make_tensor_value_info("t2", 1, [1])
    constant = helper.make_node("Constant", [], ["t2"], value=tensor)
    branch = helper.make_graph([constant], "b", [], [value])
    yes = helper.make_node("Constant", [], ["yes"], value=helper.make_tensor("yes", TensorProto.BOOL, [], [True]))
    model.graph.node.extend([yes, helper.make_node("If", ["yes"], ["x"], then_branch=branch, else_branch=branch)])


def own_operator(model: Any) -> None:
    model.graph.node[0].op_type, model.graph.node[0].domain = "Shell", "evil"
    model.opset_import.append(helper.make_opsetid("evil", 1))


def eight_answers(model: Any) -> None:
    for tensor in model.graph.initializer:
        if tensor.dims and tensor.dims[0] == len(CODES):
            values = numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array(np.concatenate([values, values[:1]]), tensor.name))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 8


def linked(name: str) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).rename(folder.parent / name)
        (folder / name).symlink_to(folder.parent / name)

    return damage


HOSTILE: dict[str, tuple[Damage, str]] = {
    "pickle called bundle.json": (put(CARD, pickled), "not valid JSON"),
    "pickle called model.onnx": (put(ONNX, pickled), "not an ONNX graph|cannot be loaded"),
    "pickle called model.safetensors": (put(WEIGHTS, pickled), "not a readable safetensors"),
    "torch.save called model.safetensors": (put(WEIGHTS, torch_pickled), "not a readable safetensors"),
    "torch.save called model.onnx": (put(ONNX, torch_pickled), "not an ONNX graph|cannot be loaded"),
    "a pickle beside": (put("model.pt", pickled), "files must be"),
    "header longer than the file": (header(lambda told: None, 2**40), "not a readable safetensors"),
    "header shorter than it is": (header(lambda told: None, 7), "not a readable safetensors"),
    "offsets past the end": (
        header(lambda told: told["fc.weight"].update(data_offsets=[0, 2**50])), "not a readable safetensors"
    ),
    "overlapping offsets": (header(overlap), "not a readable safetensors"),
    "shape that is not its bytes": (
        header(lambda told: told["fc.weight"].update(shape=[2**31, 2**31])), "not a readable safetensors"
    ),
    "unknown type": (header(lambda told: told["fc.weight"].update(dtype="PICKLE")), "not a readable safetensors"),
    "other shapes": (tensors(lambda t: t.update({"fc.weight": t["fc.weight"][:, :3]})), "not weights of"),
    "a tensor too many": (tensors(lambda t: t.update(more=t["fc.bias"])), "more is not known"),
    "weights that are no numbers": (tensors(lambda t: t["fc.bias"].fill(np.nan)), "not finite"),
    "six classes": (say(classes=CODES[:6]), "classes"),
    "classes in ISIC's order": (say(classes=["mel", "nv", "bcc", "akiec", "bkl", "df", "vasc"]), "order"),
    "a graph of eight answers": (graph(eight_answers), "takes and gives|cannot be loaded"),
    "a schema of the future": (say(format_version=2), "later than this program"),
    "a schema that is a list": (say(format_version=[1]), "format_version"),
    "a kind that is a list": (say(kind=[]), "unknown"),
    "a recipe that is a list": (say(training={"recipe": [], "split": 3}), "training"),
    "a path as architecture": (say(architecture="../../model"), "architecture"),
    "a path among the files": (say(files={"../canary": "0" * 64}), "files must be"),
    "a path as head": (say(head="../head"), "head"),
    "a linked graph": (linked(ONNX), "a link"),
    "linked weights": (linked(WEIGHTS), "a link"),
    "a linked card": (linked(CARD), "a link"),
    "another graph than was written": (lambda f: (f / ONNX).write_bytes(b"x"), "SHA-256"),
    "a tensor in a file beside": (graph(outside("model.safetensors")), "tensors in other files"),
    "a tensor in the system": (graph(outside("/etc/passwd")), "tensors in other files"),
    "a tensor in the memory": (graph(outside("*/_ORT_MEM_ADDR_/*")), "tensors in other files"),
    "a tensor elsewhere, hidden in a branch": (graph(hidden), "tensors in other files"),
    "an operator of its own": (graph(own_operator), "cannot be loaded"),
    "a decision that is no number": (say(decisions={"temperature": float("nan")}), "decisions"),
    "features that the graph has not": (graph(lambda model: model.graph.output.pop()), "takes and gives"),
    "less precision without a head": (say(precision="int8"), "files must be"),
}  # fmt: skip


def doors(path: Path) -> list[str]:
    """Return what each way of using a model says against it: "" for nothing. Another error than `ModelError` passes."""

    def use(door: Callable[[Bundle], Any]) -> str:
        try:
            model = read_model(path)
            assert isinstance(model, Bundle)
            door(model)
        except ModelError as error:
            assert "\n" not in str(error) and len(str(error)) < 2000
            return str(error)
        return ""

    def answer(model: Bundle) -> None:
        Session(model, threads=1).logits(random_images(1, 64, seed=0))

    return [use(answer), use(Bundle.head_weight), use(torch_model)]


def test_the_model_is_good_before(folder: Path) -> None:
    assert doors(folder) == ["", "", ""]


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_model_is_refused_in_one_line(
    folder: Path, hostile: tuple[Damage, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)  # where a graph's other files would be looked for
    hostile[0](folder)
    told = doors(folder)
    assert not canary(folder).exists(), "the canary was run"
    assert any(told)
    with pytest.raises(ModelError, match=hostile[1]):
        raise ModelError(" ".join(told))


def test_the_canary_works(tmp_path: Path) -> None:
    pickle.loads(pickled(tmp_path / "model"))
    assert canary(tmp_path / "model").exists()


def in_one(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def zipped(change: Callable[[zipfile.ZipFile], Any], method: int = zipfile.ZIP_STORED) -> Damage:
    """Return what writes a model as one file, and one more entry into it."""

    def damage(folder: Path) -> None:
        with zipfile.ZipFile(folder.parent / "m.lesion", "w", method) as file:
            for name, content in in_one(folder).items():
                file.writestr(name, content)
            change(file)

    return damage


def entry(name: str, kind: int = stat.S_IFREG, content: bytes = b"x") -> Callable[[zipfile.ZipFile], Any]:
    info = zipfile.ZipInfo(name)
    info.external_attr = (kind | 0o644) << 16
    return lambda file: file.writestr(info, content)


def lesion(change: Callable[[dict[str, bytes]], bytes]) -> Damage:
    """Return what writes the bytes that are made of a good file's content."""
    return lambda folder: (folder.parent / "m.lesion").write_bytes(change(in_one(folder)))


def cut(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, part in files.items():
            file.writestr(name, part)
    return content.getvalue()[:-200]


FILES: dict[str, tuple[Damage, str]] = {
    "compressed": (zipped(lambda file: None, zipfile.ZIP_DEFLATED), "compressed"),
    "a climbing entry": (zipped(entry("../canary")), "climbs"),
    "an absolute entry": (zipped(entry("/tmp/canary")), "absolute"),
    "a linked entry": (zipped(entry("x", stat.S_IFLNK, b"/etc/passwd")), "link"),
    "two cards": (zipped(entry("BUNDLE.json")), "two entries"),
    "a thousand entries": (zipped(lambda file: [entry(f"x{k}")(file) for k in range(1000)]), "entries"),
    "cut": (lesion(cut), "damaged"),
    "a pickle": (lambda folder: (folder.parent / "m.lesion").write_bytes(pickled(folder)), "damaged"),
    "torch.save": (lambda folder: (folder.parent / "m.lesion").write_bytes(torch_pickled(folder)), "bundle.json"),
    "nothing": (lesion(lambda files: b""), "damaged"),
    "no card": (lesion(lambda files: zip_of({ONNX: files[ONNX]})), "bundle.json: missing"),
    "no graph": (lesion(lambda files: zip_of({CARD: files[CARD]})), "model.onnx: missing"),
    "another graph": (lesion(lambda files: zip_of(files | {ONNX: b"x"})), "SHA-256"),
}


def zip_of(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, part in files.items():
            file.writestr(name, part)
    return content.getvalue()


@pytest.mark.parametrize("hostile", FILES.values(), ids=FILES.keys())
def test_a_hostile_file_is_refused_in_one_line(folder: Path, hostile: tuple[Damage, str]) -> None:
    hostile[0](folder)
    told = doors(folder.parent / "m.lesion")
    assert not canary(folder).exists() and not (folder.parent.parent / "canary").exists()
    with pytest.raises(ModelError, match=hostile[1]):
        raise ModelError(told[0])


def test_a_good_file_is_read_and_leaves_nothing_on_the_disk(folder: Path) -> None:
    file = folder.parent / "m.lesion"
    write_stored(file, in_one(folder))
    before = sorted(folder.parent.rglob("*"))
    assert doors(file) == ["", "", ""]
    assert sorted(folder.parent.rglob("*")) == before
    assert read_bundle(file).folder == file


def test_a_file_that_is_far_too_large_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "m.lesion").open("wb") as file:
        file.truncate(3 * 2**30)
    with pytest.raises(ModelError, match="far too large"):
        read_model(tmp_path / "m.lesion")


def test_small_tensors_are_read_as_carefully(folder: Path) -> None:
    put(HEAD, pickled)(folder)
    with pytest.raises(ModelError, match="not a readable safetensors"):
        read_bundle(folder).tensors(HEAD)
    assert not canary(folder).exists()
