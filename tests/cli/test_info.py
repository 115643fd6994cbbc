"""`lesionlab models` and `lesionlab doctor`."""

from __future__ import annotations

import json
import urllib.error
from pathlib import Path

import pytest

from lesionlab.cli import doctor
from lesionlab.cli.main import main


def test_models_lists_networks_and_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    shown = capsys.readouterr().out
    assert "legacy_xception" in shown and "tiny" in shown
    assert main(["models", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["presets"]["vit_b32"]["timm"] == "vit_base_patch32_224"
    assert {"paper", "best", "cpu", "tiny"} <= set(told["recipes"])
    assert told["recipes"]["paper"]["batch_size"] == 64


def test_doctor_tells_versions_and_the_cache(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    facts = {fact["name"]: fact for fact in json.loads(capsys.readouterr().out)}
    assert facts["cache folder"]["value"] == str(cache) and facts["cache folder"]["advice"] == ""
    assert int(facts["processor cores"]["value"]) >= 1
    assert facts["timm"]["advice"] == ""
    assert "hub" not in facts


def test_doctor_advises_on_what_cannot_be_imported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(doctor.LIBRARIES, "lesionlab_has_no_such_module", "install it")
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "cannot be imported" in shown and "lesionlab_has_no_such_module: install it" in shown


@pytest.mark.parametrize("folder", ["missing/deeper", "."])
def test_doctor_takes_a_cache_that_is_not_there_yet(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LESIONLAB_CACHE", str(tmp_path / folder))
    facts = {fact.name: fact for fact in doctor.examine()}
    assert facts["cache size"].value.startswith("0.00 GiB")
    assert not (tmp_path / "missing").exists()


def test_doctor_asks_the_hub_only_when_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(doctor.urllib.request, "urlopen", refuse)
    assert all(fact.name != "hub" for fact in doctor.examine())
    hub = doctor.examine(network=True)[-1]
    assert hub.name == "hub" and "no route" in hub.value and "--weights" in hub.advice
