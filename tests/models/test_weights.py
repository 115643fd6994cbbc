"""Weights: files are checked tensor by tensor, nothing is unpickled, and an unreachable hub says what to do."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lesionlab.errors import ModelError
from lesionlab.models import weights
from lesionlab.models.backbones import create, head_names


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    return {name: tensor.clone() for name, tensor in create("tiny").state_dict().items()}


def saved(folder: Path, tensors: dict[str, torch.Tensor]) -> str:
    save_file(tensors, folder / "weights.safetensors")
    return str(folder / "weights.safetensors")


def test_a_file_with_seven_outputs_is_taken_whole(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> None:
    state = create("tiny", saved(tmp_path, tensors)).state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize("head", ["missing", "of 1000 classes"])
def test_another_head_stays_at_its_random_start(tmp_path: Path, tensors: dict[str, torch.Tensor], head: str) -> None:
    names = head_names(create("tiny"))
    for name in names:
        stored = tensors.pop(name)
        if head == "of 1000 classes":
            tensors[name] = torch.zeros(1000, *stored.shape[1:])
    path = saved(tmp_path, tensors)
    torch.manual_seed(5)
    fresh = create("tiny").state_dict()
    torch.manual_seed(5)
    found = create("tiny", path).state_dict()
    assert all(torch.equal(found[name], fresh[name]) for name in names)
    assert all(torch.equal(found[name], tensors[name]) for name in found if name not in names)


def test_old_files_without_batch_counters_are_taken(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> None:
    kept = {name: tensor for name, tensor in tensors.items() if "num_batches_tracked" not in name}
    assert len(kept) < len(tensors)
    create("tiny", saved(tmp_path, kept))


def test_weights_of_another_network_are_refused_by_name(tmp_path: Path) -> None:
    path = saved(tmp_path, create("test_convnext").state_dict())
    with pytest.raises(ModelError) as caught:
        create("tiny", path)
    for part in (path, "test_resnet", "is missing", "more"):
        assert part in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.pop("conv1.0.weight"), "conv1.0.weight is missing"),
        (lambda t: t.update(extra=torch.zeros(1)), "extra is not known"),
        (lambda t: t.update({"conv1.0.weight": torch.zeros(2, 2)}), r"conv1.0.weight is \[2, 2\]"),
        (lambda t: t["conv1.0.weight"].fill_(float("nan")), "not finite"),
    ],
)
def test_a_tensor_that_differs_is_named(
    tmp_path: Path, tensors: dict[str, torch.Tensor], change: object, says: str
) -> None:
    change(tensors)  # type: ignore[operator]
    with pytest.raises(ModelError, match=says):
        create("tiny", saved(tmp_path, tensors))


def test_a_pickle_is_refused_and_never_opened(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (tmp_path / "sprung",)

    for name in ("weights.pt", "weights.safetensors"):
        torch.save({"conv1.0.weight": Trap()}, tmp_path / name)
        with pytest.raises(ModelError) as caught:
            create("tiny", str(tmp_path / name))
        assert "safetensors" in caught.value.hint
    assert not (tmp_path / "sprung").exists()


def test_a_truncated_or_missing_file_is_refused(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> None:
    path = Path(saved(tmp_path, tensors))
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(ModelError, match="not a readable safetensors file"):
        create("tiny", str(path))
    with pytest.raises(ModelError, match="no such weights file") as caught:
        create("tiny", "imagnet")
    assert "imagenet" in caught.value.hint


def test_an_unreachable_hub_names_the_offline_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    monkeypatch.setattr(weights, "try_to_load_from_cache", lambda *_: None)
    with pytest.raises(ModelError, match="cannot be reached") as caught:
        create("resnet18", "imagenet")
    assert "--weights FILE.safetensors" in caught.value.hint


def test_a_fault_while_downloading_names_the_offline_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("connection reset\nwith a long story")

    monkeypatch.setattr(weights, "_hub_fault", lambda network: "")
    with pytest.raises(ModelError, match=r"connection reset \(") as caught:
        weights.from_hub("resnet18", broken)  # type: ignore[arg-type]
    assert "--weights FILE.safetensors" in caught.value.hint


def test_a_network_that_timm_has_no_weights_of_says_so() -> None:
    with pytest.raises(ModelError, match="timm has none"):
        create("darknet17", "imagenet")
