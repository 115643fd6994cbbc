"""The synthetic source: a folder of drawn, dermoscopy-like photographs in HAM10000's own layout.

It lets tests and the demo run without a download. Whatever is learnt from it is learnt from
drawings: no figure measured on it says anything about real lesions.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from lesionlab.archives import staged_folder
from lesionlab.data.cases import write_rows
from lesionlab.data.sources import ham10000
from lesionlab.data.sources.contents import Contents
from lesionlab.data.sources.listing import Listing
from lesionlab.data.sources.painting import paint
from lesionlab.data.sources.photograph import canvas_for, develop, habit, paint_skin, photograph
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError, UsageError
from lesionlab.files import disk_error, write_json

MARKER = "synthetic.json"
METADATA = "HAM10000_metadata.csv"
FORMAT = 1

HAM_LESIONS = {"akiec": 228, "bcc": 327, "bkl": 727, "df": 73, "mel": 614, "nv": 5403, "vasc": 98}
"""Lesions of each diagnosis in HAM10000, the shares that `balanced=False` follows."""

PHOTOGRAPHS = {1: 0.66, 2: 0.23, 3: 0.11}
"""How many photographs a lesion has, and how often; close to HAM10000's."""

AGES = {"akiec": 67, "bcc": 67, "bkl": 64, "df": 52, "mel": 60, "nv": 46, "vasc": 51}
SITES = ("back", "lower extremity", "trunk", "upper extremity", "abdomen", "face", "chest", "unknown")
SUNNY_SITES = ("face", "back", "upper extremity", "scalp", "chest", "lower extremity", "neck", "unknown")
CLINICS = ("synthetic_north", "synthetic_south", "synthetic_west")


@dataclass(frozen=True)
class _Person:
    """The metadata that photographs of one lesion share."""

    age: str
    sex: str
    site: str
    clinic: str


def recognises(contents: Contents) -> bool:
    """Return whether the folder was written by `generate`."""
    return (contents.folder / MARKER).is_file()


def read(contents: Contents) -> Listing:
    """Read a folder that `generate` wrote."""
    return replace(ham10000.read(contents), kind="synthetic")


def generate(
    out: Path,
    lesions: int = 210,
    seed: int = 0,
    size: tuple[int, int] = (300, 225),
    balanced: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Draw lesions of all seven diagnoses, photograph each once to three times, and return the folder.

    The folder holds images/*.jpg, masks/*_segmentation.png, `METADATA` and `MARKER`. It appears
    whole or not at all; one that `generate` wrote before is replaced. The same arguments give the
    same bytes with the same versions of numpy and Pillow.

    Parameters
    ----------
    out : a new, empty or formerly generated folder; `DataError` for any other.
    lesions : how many lesions, at least one per diagnosis; about 1.45 images each.
    seed : names the drawing; lesion i of a balanced source depends on the seed and i alone.
    size : (width, height) of the photographs in pixels, 32 to 2048 each.
    balanced : as many lesions of each diagnosis (+-1), or HAM10000's shares, at least one each.
    progress : called with (lesions done, lesions).
    """
    if not len(CODES) <= lesions <= 100_000:
        raise UsageError(f"{lesions} lesions", f"between {len(CODES)} and 100,000 can be drawn")
    if seed < 0:
        raise UsageError(f"seed {seed}", "a seed is 0 or more")
    if not all(32 <= side <= 2048 for side in size):
        raise UsageError(f"images of {size[0]} x {size[1]} pixels", "between 32 and 2048 pixels a side can be drawn")
    _clear(out)
    rows = []
    with staged_folder(out) as staging:
        (staging / "images").mkdir()
        (staging / "masks").mkdir()
        for number, dx in enumerate(_diagnoses(lesions, balanced)):
            rows += _lesion(staging, number, dx, np.random.default_rng([seed, number]), size)
            if progress:
                progress(number + 1, lesions)
        write_rows(staging / METADATA, ham10000.COLUMNS, rows)
        settings = {"lesions": lesions, "seed": seed, "size": list(size), "balanced": balanced}
        write_json(staging / MARKER, {"format": FORMAT, "images": len(rows), **settings})
    return out


def _clear(out: Path) -> None:
    """Delete what `generate` wrote before; `DataError` when the folder holds anything else."""
    if not (out / MARKER).is_file():
        return  # staged_folder refuses a folder that is not empty
    foreign = sorted({path.name for path in out.iterdir()} - {MARKER, METADATA, "images", "masks"})
    foreign += sorted(path.name for part in ("images", "masks") for path in (out / part).glob("[!S]*"))
    if foreign:
        raise DataError(f"{out}: holds {foreign[0]}, which is no part of a synthetic source", "name a new folder")
    try:
        shutil.rmtree(out)
    except OSError as error:
        raise disk_error(out, error) from error


def _diagnoses(lesions: int, balanced: bool) -> list[str]:
    """Return the diagnosis of each lesion, mixed so that any run of them holds several."""
    if balanced:
        return [CODES[i % len(CODES)] for i in range(lesions)]
    total = sum(HAM_LESIONS.values())
    counts = {dx: max(1, round(lesions * share / total)) for dx, share in HAM_LESIONS.items()}
    counts["nv"] += lesions - sum(counts.values())
    spread = [((i + 0.5) / count, dx) for dx, count in counts.items() for i in range(count)]
    return [dx for _, dx in sorted(spread)]


def _lesion(folder: Path, number: int, dx: str, rng: np.random.Generator, size: tuple[int, int]) -> list[list[str]]:
    """Draw one lesion, write its photographs and masks, and return their metadata rows."""
    canvas = canvas_for(rng, size)
    skin, lesion, worn, person = paint_skin(canvas), paint(canvas, dx), habit(rng), _person(rng, dx)
    scene = develop(lesion, skin)
    dx_type = "histo" if dx in ("mel", "bcc", "akiec") else str(rng.choice(["histo", "consensus", "follow_up"]))
    rows = []
    for photo in range(int(rng.choice(list(PHOTOGRAPHS), p=list(PHOTOGRAPHS.values())))):
        image_id = f"SYN_{number:06d}{photo + 1}"
        image, mask = photograph(rng, scene, lesion, worn, size)
        (folder / "images" / f"{image_id}.jpg").write_bytes(_encode(image, "JPEG"))
        (folder / "masks" / f"{image_id}_segmentation.png").write_bytes(_encode(mask, "PNG"))
        rows.append([f"SYL_{number:06d}", image_id, dx, dx_type, person.age, person.sex, person.site, person.clinic])
    return rows


def _person(rng: np.random.Generator, dx: str) -> _Person:
    """Return age, sex, site and clinic with HAM10000's leanings; now and then the age is missing."""
    age = float(np.clip(5 * round(rng.normal(AGES[dx], 14) / 5), 0, 85))
    sites = SUNNY_SITES if dx in ("akiec", "bcc", "bkl") else SITES
    weights = np.array([0.24, 0.2, 0.16, 0.14, 0.1, 0.08, 0.05, 0.03])
    return _Person(
        age="" if rng.random() < 0.02 else str(age),
        sex=str(rng.choice(["male", "female"])),
        site=str(rng.choice(sites, p=weights)),
        clinic=str(rng.choice(CLINICS, p=[0.5, 0.3, 0.2])),
    )


def _encode(image: Image.Image, kind: str) -> bytes:
    """Return the image as JPEG (quality 92) or PNG."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **({"quality": 92} if kind == "JPEG" else {}))
    return buffer.getvalue()
