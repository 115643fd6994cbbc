"""The package imports lightly, and its errors carry remedy and exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import lesionlab
from lesionlab import errors
from lesionlab.diagnoses import CODES, DIAGNOSES, ISIC_ORDER, MALIGNANT, NAMES, check_class_order

HEAVY = ("torch", "timm", "torchvision", "sklearn", "matplotlib", "onnxruntime", "accelerate", "PIL", "numpy")


def imported_by(statement: str) -> set[str]:
    """Return the heavy libraries that a fresh Python has loaded after `statement`."""
    code = f"import sys\n{statement}\nprint(*[name for name in {HEAVY} if name in sys.modules])"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


def test_importing_the_package_loads_no_heavy_library() -> None:
    assert imported_by("import lesionlab, lesionlab.files, lesionlab.diagnoses, lesionlab.errors") == set()


def test_the_case_table_and_splits_need_no_numerical_library() -> None:
    assert imported_by("import lesionlab.data.cases, lesionlab.data.splits") == set()


def test_recipes_need_no_torch() -> None:
    assert not imported_by("import lesionlab.training.recipe") & {"torch", "timm", "torchvision", "accelerate"}


@pytest.mark.parametrize("module", ["lesionlab.data.augment", "lesionlab.training.loop"])
def test_each_module_can_be_the_first_to_import_torchvision(module: str) -> None:
    """Where torch and torchvision are of different builds, `torch_setup` must come before either is used."""
    done = subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]


def test_the_model_reports_to_nobody(tmp_path: Path) -> None:
    """onnxruntime keeps a device number and a database of events to send, unless told not to before it is imported."""
    program = (
        "import lesionlab\nfrom lesionlab.models.composite import read_model\n"
        "from lesionlab.models.shipped import shipped_model\nfrom lesionlab.prediction.predictor import Predictor\n"
        "Predictor(read_model(shipped_model()))"
    )
    places = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), str(tmp_path))
    environment = {**os.environ, **places, "ORT_DISABLE_TELEMETRY": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
    assert not list(tmp_path.rglob("*"))


def test_version_is_a_version() -> None:
    assert all(part.isdecimal() for part in lesionlab.__version__.split("."))


@pytest.mark.parametrize(
    ("kind", "code"),
    [(errors.UsageError, 2), (errors.DataError, 3), (errors.ImageError, 3), (errors.ModelError, 4)],
)
def test_errors_carry_message_hint_and_exit_code(kind: type[errors.UserError], code: int) -> None:
    error = kind("a.csv: no rows", "add one")
    assert (error.exit_code, error.message, error.hint) == (code, "a.csv: no rows", "add one")
    assert str(error) == "a.csv: no rows (add one)"
    assert str(kind("a.csv: no rows")) == "a.csv: no rows"


def test_the_seven_diagnoses() -> None:
    assert CODES == ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc") == tuple(sorted(CODES))
    assert set(ISIC_ORDER) == set(CODES) == set(NAMES) and len(ISIC_ORDER) == len(DIAGNOSES) == 7
    assert MALIGNANT == ("akiec", "bcc", "mel")


def test_class_order_is_checked() -> None:
    check_class_order(list(CODES), "model.json")
    with pytest.raises(errors.DataError, match=r"model\.json: classes are in the order mel, nv"):
        check_class_order(ISIC_ORDER, "model.json")
    with pytest.raises(errors.DataError):
        check_class_order(CODES[:6], "model.json")
