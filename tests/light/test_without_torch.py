"""The base install answers at once with the model that it brings. `make light` runs this where there is no torch."""

from __future__ import annotations

import csv
import importlib.util
import json
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lesionlab
from lesionlab.cli.main import main
from lesionlab.data.cases import pick
from lesionlab.data.sources import load_source
from lesionlab.diagnoses import CODES
from lesionlab.errors import EXIT_DATA, EXIT_OK
from lesionlab.models.shipped import shipped_model

SHIPPED = Path(lesionlab.__file__).parent / "shipped"

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("torch") is not None, reason="torch is installed here; `make light` runs this"
    ),
    pytest.mark.skipif(not SHIPPED.is_dir(), reason="no model comes with the package yet"),
]

LARGEST_MODEL = 12_000_000
LARGEST_ENVIRONMENT = 250_000_000


def bytes_of(folder: Path) -> int:
    """Return the sizes of all files below a folder, added up."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def test_the_environment_and_the_model_are_small() -> None:
    assert bytes_of(Path(sysconfig.get_path("purelib"))) < LARGEST_ENVIRONMENT
    assert bytes_of(shipped_model()) < LARGEST_MODEL


def test_predict_needs_no_model_and_answers_in_full(synthetic: Path, tmp_path: Path) -> None:
    out = tmp_path / "answers.csv"
    assert main(["predict", str(synthetic / "images"), "--out", str(out)]) == EXIT_OK
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(list((synthetic / "images").iterdir()))
    for row in rows:
        assert sum(float(row[f"p_{code}"]) for code in CODES) == pytest.approx(1, abs=1e-4)
        assert row["diagnosis"] in CODES and {row["malignant"], row["abstained"]} <= {"yes", "no"}
        assert set(row["prediction_set"].split("|")) <= {*CODES, ""}


def test_explain_draws_a_map(synthetic: Path, tmp_path: Path) -> None:
    image = next((synthetic / "images").iterdir())
    assert main(["explain", str(image), "--out", str(tmp_path / "maps"), "--panel"]) == EXIT_OK
    assert all(Image.open(path).size[0] > 100 for path in (tmp_path / "maps").rglob("*.png"))
    assert list((tmp_path / "maps").rglob("*.png"))


@pytest.mark.skipif(importlib.util.find_spec("pydicom") is not None, reason="the extra dicom is installed here")
def test_a_dicom_file_says_what_to_install(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.dcm").write_bytes(bytes(128) + b"DICM" + bytes(100))
    assert main(["predict", str(tmp_path)]) == EXIT_DATA
    told = capsys.readouterr().err
    assert "a.dcm: a DICOM file, which needs: pip install 'lesionlab[dicom]'" in told and "Traceback" not in told


def test_from_python_with_noise_turned_away() -> None:
    model = lesionlab.load()
    noise = np.random.default_rng(0).integers(0, 256, (450, 600, 3), dtype=np.uint8)
    verdict = model.predict(noise)
    assert verdict.abstained and verdict.outlier
    blank, page = np.full((450, 600, 3), 128, np.uint8), np.full((450, 600, 3), 255, np.uint8)
    page[::20, 40:-40] = 0
    assert all(found.outlier for found in model.predict([blank, page]))


def test_most_real_photographs_are_answered_and_rightly(ham10000: Path) -> None:
    cases = pick([case for case in load_source(ham10000).cases if case.dx], 100)
    found = lesionlab.load().predict([case.path for case in cases])
    assert sum(bool(verdict.outlier) for verdict in found) <= 12
    assert sum(verdict.diagnosis == case.dx for verdict, case in zip(found, cases, strict=True)) >= 65


def test_models_and_doctor_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == EXIT_OK
    assert json.loads(capsys.readouterr().out)


def test_training_says_what_to_install(synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--data", str(synthetic), "--out", str(tmp_path / "run"), "--recipe", "tiny"]) != EXIT_OK
    told = capsys.readouterr().err
    assert "lesionlab[train]" in told and "Traceback" not in told
    assert not list(tmp_path.glob("run/*"))
