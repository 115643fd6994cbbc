"""Composites: written whole or not at all, read back, and every damage refused in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError, ModelError
from lesionlab.models.bundle import Bundle, read_bundle
from lesionlab.models.composite import (
    Composite,
    Ensemble,
    Mix,
    card_digests,
    is_composite,
    read_model,
    write_composite,
)
from lesionlab.models.ensemble import Fitted
from lesionlab.models.members import common_training

MEL, NV = CODES.index("mel"), CODES.index("nv")


@pytest.fixture(scope="module")
def members(make_member: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    folder = tmp_path_factory.mktemp("members")
    offset = [0.0, 0, 0, 0, 3, 0, 0]
    return {
        "plain": read_bundle(make_member(folder / "plain")),
        "melanoma": read_bundle(make_member(folder / "melanoma", prior_offset=offset, colour="gray")),
    }


@pytest.fixture(scope="module")
def pair(make_member: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    training = {"split": {"fingerprint": "one"}, "recipe": {"classes": ["mel", "nv"], "site": ""}}
    return read_bundle(make_member(tmp_path_factory.mktemp("pair") / "model", training=training))


def common(members: dict[str, Bundle]) -> dict[str, Any]:
    return {"size": 64, "members": card_digests(members), "training": common_training(members)}


@pytest.fixture(scope="module")
def written(members: dict[str, Bundle], tmp_path_factory: pytest.TempPathFactory) -> Path:
    composite = Ensemble(rule="weighted", fitted=Fitted(weights=[0.25, 0.75]), **common(members))
    return write_composite(tmp_path_factory.mktemp("ensemble") / "model", composite, members).folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A copy of the ensemble that a test may damage."""
    return Path(shutil.copytree(written, tmp_path / "together" / "model"))


def test_what_was_written_is_read(written: Path, members: dict[str, Bundle]) -> None:
    found = read_model(written)
    assert isinstance(found, Ensemble)
    assert (found.rule, found.fitted.weights, found.size, found.classes) == ("weighted", [0.25, 0.75], 64, CODES)
    assert list(found.bundles) == ["plain", "melanoma"]
    assert found.bundles["melanoma"].colour == "gray"
    assert found.training["split"] == {"fingerprint": "one"}
    assert "CC BY-NC" in found.licence
    assert json.loads((written / "bundle.json").read_text())["kind"] == "ensemble"
    for name, bundle in members.items():
        own = {path.name: path.read_bytes() for path in bundle.folder.iterdir()}
        assert {path.name: path.read_bytes() for path in (written / "members" / name).iterdir()} == own


def test_the_folder_above_leads_to_its_model(folder: Path) -> None:
    assert read_model(folder.parent).folder == folder
    assert is_composite(folder) and is_composite(folder.parent)
    assert not is_composite(folder / "members" / "plain") and not is_composite(folder.parent.parent / "none")


def test_a_single_model_is_read_too(members: dict[str, Bundle]) -> None:
    found = read_model(members["plain"].folder)
    assert isinstance(found, Bundle)
    assert found.title == found.architecture


def test_an_ensemble_combines_and_shares(written: Path) -> None:
    found = read_model(written)
    assert isinstance(found, Composite)
    tables = [np.eye(7)[[MEL, NV]], np.eye(7)[[NV, NV]]]
    np.testing.assert_allclose(found.combine(tables), 0.25 * tables[0] + 0.75 * tables[1])
    np.testing.assert_allclose(found.shares(tables, np.array([MEL, NV])), [[0.25, 0.25], [0.75, 0.75]])


def test_a_mix_is_written_and_tells_who_decided(members: dict[str, Bundle], pair: Bundle, tmp_path: Path) -> None:
    parts = {"base": members["plain"], "mel-nv": pair}
    composite = Mix(routing="paper", pairs=[("mel", "nv")], **common(parts))
    found = write_composite(tmp_path / "model", composite, parts)
    assert isinstance(found, Mix)
    assert (found.routing, found.margin, found.pairs) == ("paper", 0.0, [("mel", "nv")])
    tables = [np.eye(7)[[MEL, 0]] * 0.9 + 0.1 / 7, np.eye(7)[[NV, NV]] * 0.9 + 0.1 / 7]
    assert found.combine(tables).argmax(axis=1).tolist() == [NV, 0]
    assert found.asked(tables).tolist() == [1, 0]
    np.testing.assert_array_equal(found.shares(tables, np.array([NV, NV])), [[0, 1], [1, 0]])
    unknown = found.shares(tables, np.array([CODES.index("df"), 0]))
    np.testing.assert_array_equal(unknown, [[1, 1], [0, 0]], "the specialist knows no df: the general network's map")


def test_another_split_is_refused_before_a_file_is_written(
    members: dict[str, Bundle], make_member: Callable[..., Path], tmp_path: Path
) -> None:
    training = {"split": {"fingerprint": "two"}}
    stranger = {**members, "stranger": read_bundle(make_member(tmp_path / "stranger", training=training))}
    with pytest.raises(ModelError, match="stranger may have learnt images that plain is tested on"):
        write_composite(tmp_path / "model", Ensemble(rule="vote", **common(stranger)), stranger)
    assert not (tmp_path / "model").exists()


def test_a_folder_in_use_is_left_alone(members: dict[str, Bundle], folder: Path) -> None:
    before = (folder / "bundle.json").read_bytes()
    with pytest.raises(DataError, match="already exists"):
        write_composite(folder, Ensemble(rule="vote", **common(members)), members)
    assert (folder / "bundle.json").read_bytes() == before


def test_no_composite_inside_a_composite(folder: Path) -> None:
    with pytest.raises(ModelError, match="made of several models"):
        read_bundle(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "committee"}, "kind 'committee' is unknown"),
        ({"rule": "best"}, "rule 'best'"),
        ({"rule": "average"}, "fitted is not what"),
        ({"fitted": {"weights": [0.5, 0.6]}}, "fitted is not what"),
        ({"fitted": {"weights": [1.5, -0.5]}}, "fitted.weights"),
        ({"classes": list(reversed(CODES))}, "its classes are not akiec"),
        ({"size": 96}, "size or split"),
        ({"training": {"split": {"fingerprint": "two"}}}, "size or split"),
        ({"members": {"../plain": "0" * 64, "melanoma": "0" * 64}}, "members"),
        ({"members": {"plain": "0" * 64, "melanoma": "0" * 64}}, "SHA-256 differs"),
        ({"members": {"plain": "0" * 64}}, "members"),
        ({"colour": "rgb"}, "colour"),
        ({"format_version": 2}, "later than this program"),
    ],
)
def test_a_changed_card_is_refused(folder: Path, change: dict[str, Any], words: str) -> None:
    card = folder / "bundle.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | change))
    with pytest.raises(ModelError, match=words):
        read_model(folder)


def _swap(folder: Path) -> None:
    (folder / "plain").rename(folder / "other")
    (folder / "melanoma").rename(folder / "plain")
    (folder / "other").rename(folder / "melanoma")


def _link(folder: Path) -> None:
    (folder / "plain").rename(folder.parent / "elsewhere")
    (folder / "plain").symlink_to(folder.parent / "elsewhere")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: shutil.rmtree(folder / "plain"), "missing"),
        (lambda folder: (folder / "plain" / "model.onnx").write_bytes(b"no"), "SHA-256 differs"),
        (lambda folder: (folder / "plain" / "model.safetensors").unlink(), "missing"),
        (_swap, "not the member that was put in"),
        (_link, "a link"),
    ],
)
def test_a_damaged_member_is_refused(folder: Path, damage: Callable[[Path], None], words: str) -> None:
    damage(folder / "members")
    with pytest.raises(ModelError, match=words):
        read_model(folder)


@pytest.mark.parametrize(
    "pairs", [[("mel", "nv"), ("nv", "mel")], [("mel", "mel")], [("mel", "melanoma")], [], [("mel", "nv")] * 2]
)
def test_pairs_that_make_no_sense(pairs: list[tuple[str, str]]) -> None:
    members = dict.fromkeys(("base", "a", "b")[: max(2, len(pairs) + 1)], "0" * 64)
    with pytest.raises(ValidationError, match="pair of two diagnoses of its own"):
        Mix(routing="paper", pairs=pairs, size=64, members=members, training={})
