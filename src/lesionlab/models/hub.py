"""Models on huggingface.co: uploaded as a folder, fetched by a revision that cannot change."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from lesionlab.data.packs import default_cache
from lesionlab.errors import ModelError, UsageError

ADDRESS = "hf://"
FILES = ("*.json", "*.onnx", "*.safetensors", "README.md")
"""What is fetched of a repository; anything else in it is left there."""

_HINT = "write hf://ORG/NAME@COMMIT with the whole commit, 40 digits, as its page under 'Files' tells it"


def is_address(path: Path) -> bool:
    """Return whether a model is named by its address; a path has lost one slash of hf://."""
    return str(path).startswith("hf:/")


def parse_address(address: str) -> tuple[str, str]:
    """Return repository and commit of hf://ORG/NAME@COMMIT; `UsageError` for another form, or no whole commit.

    Branches and tags can be moved: the model would be another one tomorrow.
    """
    found = re.fullmatch(r"hf:/{1,2}([\w.-]+/[\w.-]+)@([0-9a-f]{40})", address)
    if not found or ".." in found[1]:
        raise UsageError(f"{address}: no address of a model at a fixed commit", _HINT)
    return found[1], found[2]


def fetch(address: str) -> Path:
    """Return the folder of a model at hf://ORG/NAME@COMMIT, downloaded unless it was before.

    Raises `ModelError` when the hub does not give it. What it gives is checked as any other model is.
    """
    repository, commit = parse_address(address)
    folder = default_cache() / "hub" / f"{repository.replace('/', '--')}@{commit}"
    if (folder / "complete").is_file():
        return folder
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(repository, revision=commit, local_dir=folder, allow_patterns=list(FILES))
    except Exception as error:  # the hub's faults come from several HTTP libraries without a common class
        raise _fault(f"{address}: cannot be fetched", error) from None
    (folder / "complete").touch()
    return folder


def upload(contents: Mapping[str, bytes], repository: str) -> str:
    """Upload a model's files, relative path -> content, as one commit, and return the address they have then.

    A repository that is not there is made, private. Raises `UsageError` for a name that is none, and `ModelError`
    when the hub refuses.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository) or ".." in repository:
        raise UsageError(f"--push {repository}: no name of a repository", "write ORG/NAME")
    from huggingface_hub import CommitOperationAdd, HfApi

    parts = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=content) for name, content in contents.items()]
    try:
        hub = HfApi()
        hub.create_repo(repository, private=True, exist_ok=True)
        commit = hub.create_commit(repository, parts, commit_message="A model, with its card").oid
    except Exception as error:  # see `fetch`
        raise _fault(f"{repository}: cannot be uploaded", error) from None
    return f"{ADDRESS}{repository}@{commit}"


def _fault(what: str, error: Exception) -> ModelError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return ModelError(f"{what}: {reason}", "check the name, your login (hf auth login) and the connection")
