"""Models by address: a fixed commit only, fetched once, and refused when the hub gives nothing; no hub is asked."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest

from lesionlab.errors import ModelError, UsageError
from lesionlab.models import hub
from lesionlab.models.bundle import Bundle, read_bundle
from lesionlab.models.composite import read_model
from lesionlab.models.writing import files_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """Repositories in memory. It counts what is asked of it."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.calls: list[tuple[str, Any]] = []

    def create_repo(self, name: str, private: bool, exist_ok: bool) -> None:
        self.calls.append((name, private))

    def create_commit(self, name: str, parts: list[Any], commit_message: str) -> Any:
        self.files = {part.path_in_repo: part.path_or_fileobj for part in parts}
        return SimpleNamespace(oid=COMMIT)

    def snapshot_download(self, name: str, revision: str, local_dir: Path, allow_patterns: list[str]) -> None:
        self.calls.append((name, revision))
        for path, content in self.files.items():
            (local_dir / path).parent.mkdir(parents=True, exist_ok=True)
            (local_dir / path).write_bytes(content)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeHub:
    made = FakeHub()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: made)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", made.snapshot_download)
    monkeypatch.setenv("LESIONLAB_CACHE", str(tmp_path / "cache"))
    return made


def test_there_and_back(fake: FakeHub, make_member: Callable[..., Path], tmp_path: Path) -> None:
    bundle = read_bundle(make_member(tmp_path / "model", views=4))
    address = hub.upload(files_of(bundle), "clinic/moles")
    assert address == f"hf://clinic/moles@{COMMIT}"
    assert fake.calls == [("clinic/moles", True)], "private"
    for _ in range(2):
        found = read_model(Path(address))
        assert isinstance(found, Bundle) and found.views == 4
        assert files_of(found) == files_of(bundle)
    assert fake.calls[1:] == [("clinic/moles", COMMIT)], "fetched once"


def test_what_was_fetched_is_checked(fake: FakeHub, make_member: Callable[..., Path], tmp_path: Path) -> None:
    address = hub.upload(files_of(read_bundle(make_member(tmp_path / "model"))), "clinic/moles")
    fake.files["model.onnx"] = b"another"
    with pytest.raises(ModelError, match="SHA-256 differs"):
        read_model(Path(address))


@pytest.mark.parametrize(
    "address",
    [
        "hf://clinic/moles", "hf://clinic/moles@main", "hf://clinic/moles@v1.0", f"hf://moles@{COMMIT}",
        f"hf://clinic/moles@{COMMIT[:7]}", f"hf://../moles@{COMMIT}", f"hf://a/../b@{COMMIT}",
    ],
)  # fmt: skip
def test_addresses_that_are_not_fixed_are_refused_before_the_hub_is_asked(fake: FakeHub, address: str) -> None:
    with pytest.raises(UsageError, match="no address of a model at a fixed commit"):
        read_model(Path(address))
    assert fake.calls == []


def test_a_hub_that_fails_is_a_line(fake: FakeHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("no route\nto the host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    monkeypatch.setattr(fake, "create_repo", fail)
    with pytest.raises(ModelError, match="cannot be fetched: no route") as caught:
        read_model(Path(f"hf://clinic/moles@{COMMIT}"))
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "cache").rglob("complete"))
    with pytest.raises(ModelError, match="cannot be uploaded: no route"):
        hub.upload({}, "clinic/moles")
    with pytest.raises(UsageError, match="no name of a repository"):
        hub.upload({}, "moles")


def test_a_folder_of_that_name_is_no_address(make_member: Callable[..., Path], tmp_path: Path) -> None:
    folder = Path(shutil.move(make_member(tmp_path / "model"), tmp_path / "hf"))
    assert not hub.is_address(folder)
    assert read_bundle(folder).folder == folder
