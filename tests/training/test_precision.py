"""The precision of training is what the machine computes fast."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from lesionlab.training import precision
from lesionlab.training.precision import native_precision
from lesionlab.training.recipe import Recipe, load_recipe


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    native_precision.cache_clear()
    yield
    native_precision.cache_clear()


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fpu sse avx2", "fp32"), ("avx512f avx512_bf16", "bf16"), ("amx_bf16 amx_tile", "bf16"), ("asimd bf16", "bf16")],
)
def test_a_processor_without_bf16_trains_in_fp32(
    flags: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "cpuinfo"
    told.write_text(f"processor : 0\nflags : {flags}\n")
    monkeypatch.setattr(precision, "DRIVERS", ())
    monkeypatch.setattr(precision, "Path", lambda path: told)
    assert native_precision() == Recipe().precision == load_recipe("cpu").precision == expected
    assert load_recipe("tiny").precision == "fp32" and load_recipe("cpu", ["precision=bf16"]).precision == "bf16"


@pytest.mark.parametrize(("itself", "expected"), [(True, "bf16"), (False, "fp32")])
def test_a_gpu_decides_where_there_is_one(itself: bool, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "DRIVERS", ("/dev/null",))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: itself)
    assert native_precision() == expected


def test_without_any_word_of_the_processor_it_is_fp32(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(precision, "DRIVERS", ())
    monkeypatch.setattr(precision, "Path", lambda path: tmp_path / "none")
    assert native_precision() == "fp32"
