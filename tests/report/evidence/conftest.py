"""A run folder with evidence of every kind that is quick to make: evaluated, grouped, stressed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lesionlab.evaluation.slices import Guard
from lesionlab.report.comparing import compare_models
from lesionlab.report.doubts import find_doubts
from lesionlab.report.evaluate_model import evaluate_model
from lesionlab.report.evaluate_subgroups import evaluate_subgroups
from lesionlab.report.evidence.gathering import Evidence, gather
from lesionlab.report.faithfulness import measure_faithfulness
from lesionlab.report.leakage import audit_leakage, sides_of_split, write_leakage
from lesionlab.report.parts import Images
from lesionlab.report.shortcuts import find_shortcuts
from lesionlab.report.stress import stress_model


@pytest.fixture(scope="session")
def judged(run: Path, synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder whose validation images were scored; nothing else was asked."""
    folder = Path(shutil.copytree(run, tmp_path_factory.mktemp("evidence") / "judged"))
    evaluate_model(folder, Images(synthetic), "val", resamples=40)
    (folder / "evaluation" / "val" / "subgroups.json").unlink()
    return folder


@pytest.fixture(scope="session")
def studied(judged: Path, synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, studied in every way."""
    folder = Path(shutil.copytree(judged, tmp_path_factory.mktemp("evidence") / "studied"))
    evaluate_subgroups(folder, Images(synthetic), "val", resamples=40, guard=Guard(3, 1))
    stress_model(folder, Images(synthetic), "val", resamples=40)
    find_shortcuts(folder, Images(synthetic), "val", resamples=40)
    measure_faithfulness(folder, Images(synthetic), "val", count=6, resamples=40)
    sides = sides_of_split(folder / "split.csv", [synthetic], "val")
    write_leakage(folder / "leakage" / "val", audit_leakage(*sides))
    compare_models(folder, folder, "val", folder / "comparison" / "val", resamples=40)
    find_doubts([folder], out=folder / "doubts")
    return folder


@pytest.fixture(scope="session")
def bare(judged: Path) -> Evidence:
    """What is known of a model that was only evaluated."""
    return gather(judged, "val")


@pytest.fixture(scope="session")
def full(studied: Path) -> Evidence:
    """What is known of a model that was studied."""
    return gather(studied, "val")
