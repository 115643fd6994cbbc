"""Models written again: with decisions, into one file, all at once or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lesionlab.errors import DataError, ModelError
from lesionlab.models.bundle import WEIGHTS, Bundle, read_bundle
from lesionlab.models.composite import Ensemble, card_digests, read_model, write_composite
from lesionlab.models.decisions import Decisions, Figure, Fit, OutlierRule
from lesionlab.models.members import common_training
from lesionlab.models.writing import files_of, packed_up, rewrite_bundle, write_decisions, write_model

FIT = Fit(
    part="val", images=9, lesions=9, nll_before=1, nll_after=1, ece_before=Figure(value=0), ece_after=Figure(value=0)
)
RULE = OutlierRule(mean=[0] * 9, whitener=[[1] * 9] * 9, threshold=1, quantile=0.95)
TURNING_AWAY = Decisions(temperature=2, fitted_on=FIT, outlier=RULE)


@pytest.fixture
def bundle(make_member: Callable[..., Path], tmp_path: Path) -> Bundle:
    return read_bundle(make_member(tmp_path / "model"))


def test_decisions_come_back(bundle: Bundle) -> None:
    found = write_decisions(bundle, TURNING_AWAY)
    assert isinstance(found, Bundle)
    assert found.decisions == TURNING_AWAY
    assert found.read(WEIGHTS) == bundle.read(WEIGHTS)
    again = write_decisions(found, TURNING_AWAY.model_copy(update={"temperature": 3.0}))
    assert isinstance(again, Bundle)
    assert again.decisions and again.decisions.temperature == 3
    assert [path.name for path in bundle.folder.parent.iterdir()] == ["model"]


def test_decisions_of_several_models(bundle: Bundle, make_member: Callable[..., Path], tmp_path: Path) -> None:
    members = {"a": bundle, "b": read_bundle(make_member(tmp_path / "b", views=2))}
    fields = {"size": 64, "members": card_digests(members), "training": common_training(members)}
    both = write_composite(tmp_path / "both", Ensemble(rule="average", **fields), members)
    decided = Decisions(temperature=2, fitted_on=FIT)
    assert write_decisions(both, decided).decisions == decided
    found = read_model(tmp_path / "both")
    assert isinstance(found, Ensemble) and found.decisions == decided and found.bundles["a"].decisions is None
    write_model(tmp_path / "both.lesion", files_of(found))
    with pytest.raises(ModelError, match="one file"):
        write_decisions(read_model(tmp_path / "both.lesion"), decided)


def test_one_file_is_the_same_model(bundle: Bundle, tmp_path: Path) -> None:
    found = write_model(tmp_path / "m.lesion", files_of(bundle))
    assert files_of(found) == files_of(bundle)
    first = (tmp_path / "m.lesion").read_bytes()
    write_model(tmp_path / "m.lesion", files_of(found))
    assert (tmp_path / "m.lesion").read_bytes() == first, "the same bytes each time"
    write_model(tmp_path / "folder", files_of(found))
    assert files_of(read_bundle(tmp_path / "folder")) == files_of(bundle)


def test_other_content_is_left_alone(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "diary.txt").write_text("mine")
    with pytest.raises(DataError, match="not empty"):
        write_model(tmp_path / "notes", files_of(bundle))
    assert [path.name for path in (tmp_path / "notes").iterdir()] == ["diary.txt"]


def test_hashes_are_those_of_the_contents(bundle: Bundle, tmp_path: Path) -> None:
    contents = {name: bundle.read(name) for name in bundle.files} | {"README.md": b"# card"}
    card = json.loads(packed_up(bundle, contents, views=8)["bundle.json"])
    assert card["views"] == 8 and set(card["files"]) == set(contents)
    assert rewrite_bundle(tmp_path / "new", bundle, contents).read("README.md") == b"# card"
    with pytest.raises(ValueError, match="files must be"):
        packed_up(bundle, {WEIGHTS: bundle.read(WEIGHTS)})
