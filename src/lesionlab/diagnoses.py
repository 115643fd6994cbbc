"""The seven diagnoses of HAM10000: code, name, malignant or not, and the column orders in use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lesionlab.errors import DataError


@dataclass(frozen=True)
class Diagnosis:
    """One diagnosis: its HAM10000 code, its name in words, and whether it counts as malignant.

    `akiec` (actinic keratosis and intraepithelial carcinoma) counts as malignant, as in the
    ISIC challenges' malignant-versus-benign reading.
    """

    code: str
    name: str
    malignant: bool


DIAGNOSES: tuple[Diagnosis, ...] = (
    Diagnosis("akiec", "Actinic keratosis / intraepithelial carcinoma", True),
    Diagnosis("bcc", "Basal cell carcinoma", True),
    Diagnosis("bkl", "Benign keratosis", False),
    Diagnosis("df", "Dermatofibroma", False),
    Diagnosis("mel", "Melanoma", True),
    Diagnosis("nv", "Melanocytic nevus", False),
    Diagnosis("vasc", "Vascular lesion", False),
)
"""All diagnoses in HAM10000's order, which is alphabetical and is the order of every output here."""

CODES: tuple[str, ...] = tuple(d.code for d in DIAGNOSES)
"""The class order of every model and file: akiec, bcc, bkl, df, mel, nv, vasc."""

ISIC_ORDER: tuple[str, ...] = ("mel", "nv", "bcc", "akiec", "bkl", "df", "vasc")
"""The column order of the ISIC 2018 one-hot files, which differs from `CODES`."""

MALIGNANT: tuple[str, ...] = tuple(d.code for d in DIAGNOSES if d.malignant)
NAMES: dict[str, str] = {d.code: d.name for d in DIAGNOSES}


def check_class_order(found: Sequence[str], where: str) -> None:
    """Raise `DataError` unless `found` is exactly `CODES`, naming the file or model at fault."""
    if tuple(found) != CODES:
        raise DataError(
            f"{where}: classes are in the order {', '.join(found)}",
            f"reorder them to {', '.join(CODES)} (HAM10000's order; ISIC files differ)",
        )
