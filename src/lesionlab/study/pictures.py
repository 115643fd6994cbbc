"""The report's pictures: confusion matrices, curves and diagrams drawn anew; population and Grad-CAM ones as they lie.

Pictures that other commands made are taken from OUT/population/NAME.png and OUT/PROTOCOL/gradcam/NAME.png.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lesionlab.diagnoses import CODES
from lesionlab.files import read_json, write_bytes
from lesionlab.models.bundle import CARD
from lesionlab.report import figures
from lesionlab.study.diagrams import ensemble_diagram, mix_diagram
from lesionlab.study.results import PROTOCOLS, Results, Row


@dataclass(frozen=True)
class Picture:
    """A PNG in the report's folder `figures`; `text` says in words what it shows, `wide` that it needs the width."""

    path: Path
    caption: str
    text: str
    wide: bool = False


POPULATION: dict[str, tuple[str, bool]] = {
    "class_distribution": ("Class distribution (Table 1)", False),
    "melanoma_by_age_and_site": ("Melanoma by age and body site (Figure 2)", False),
    "samples": ("Sample images of each diagnosis (Figure 1)", True),
    "augmentation": ("One image augmented (Figure 4)", True),
}
"""Population figures by file name: caption, and whether they show photographs."""


def confusions(of: Results, folder: Path, *kinds: str) -> list[Picture]:
    """Draw the confusion matrix of every finished row of the given kinds, both protocols of a row together.

    A specialist's matrix shows its pair only.
    """
    return [
        _confusion(of, folder, protocol, row)
        for design in of.designs(*kinds)
        for protocol in of.protocols
        if (row := of.row(protocol, design["id"])) and row["status"] == "done" and row["figures"]
    ]


def _confusion(of: Results, folder: Path, protocol: str, row: Row) -> Picture:
    codes = [code for code in CODES if code in row["recipe"].get("classes", ())] or list(CODES)
    chosen = [CODES.index(code) for code in codes]
    counts = np.asarray(row["figures"]["confusion"]["counts"])[np.ix_(chosen, chosen)]
    path = folder / f"confusion_{protocol}_{row['id']}.png"
    title = f"{row['label']}: {PROTOCOLS[protocol]}"
    figures.confusion_matrix(counts, path, title=title, codes=codes)
    caption = f"Confusion matrix: {title}. {of.provenance(protocol)}"
    return Picture(path, caption, f"Confusion matrix of {title}, truth in rows")


def curves(of: Results, folder: Path, *kinds: str) -> list[Picture]:
    """Draw loss and accuracy over the epochs of every trained row of the given kinds."""
    pictures = []
    for design in of.designs(*kinds):
        for protocol in of.protocols:
            row = of.row(protocol, design["id"])
            history = of.history(row) if row else []
            if row and history:
                path = folder / f"curves_{protocol}_{row['id']}.png"
                figures.curves(history, path)
                title = f"{row['label']}, protocol {protocol}"
                told = f"Loss and accuracy over the epochs: {title}. {of.provenance(protocol)}"
                pictures.append(Picture(path, told, f"Training curves of {title}"))
    return pictures


def ensemble_diagrams(of: Results, folder: Path) -> list[Picture]:
    """Draw every ensemble of the grid, with its fitted weights, if any, of the first protocol that has it."""
    pictures = []
    for ensemble in of.designs("ensemble"):
        path, label = folder / f"diagram_{ensemble['id']}.png", ensemble["label"]
        protocol, card = _card(of, ensemble["id"])
        members = [of.label(name) for name in ensemble["recipe"]["members"]]
        ensemble_diagram(path, label, ensemble["recipe"]["rule"], members, card.get("fitted", {}).get("weights", ()))
        told = f"The ensemble as configured (Figure 10): {label}. {_fitted_on(of, protocol)}"
        pictures.append(Picture(path, told, f"Diagram of {label}: {', '.join(members)}", wide=True))
    return pictures


def mix_diagrams(of: Results, folder: Path) -> list[Picture]:
    """Draw every Mix-Model of the grid, with its margin where one was chosen (of the first protocol that has it)."""
    pictures = []
    for mix in of.designs("mix"):
        path, label, recipe = folder / f"diagram_{mix['id']}.png", mix["label"], mix["recipe"]
        protocol, card = _card(of, mix["id"])
        pairs = {of.label(name): of.pair(name) for name in recipe["specialists"]}
        mix_diagram(path, label, of.label(recipe["base"]), pairs, recipe["routing"], card.get("margin"))
        told = f"The Mix-Model as configured (Figure 11): {label}. {_fitted_on(of, protocol)}"
        pictures.append(Picture(path, told, f"Diagram of {label}: {', '.join(pairs)}", wide=True))
    return pictures


def _card(of: Results, identifier: str) -> tuple[str, dict[str, Any]]:
    """Return the protocol and the bundle.json of a composite; ("", {}) where it was not made."""
    for protocol in of.protocols:
        row = of.row(protocol, identifier)
        path = of.folder / row["run"] / "model" / CARD if row and row["run"] else None
        if path and path.is_file():
            return protocol, read_json(path)
    return "", {}


def _fitted_on(of: Results, protocol: str) -> str:
    return of.provenance(protocol) if protocol else "Not made: a member is missing."


def population(of: Results, folder: Path, photographs: bool) -> list[Picture]:
    """Take over the population figures of OUT/population; those with photographs only where asked for."""
    pictures = []
    for name, (caption, shows_photographs) in POPULATION.items():
        source = of.folder / "population" / f"{name}.png"
        if source.is_file() and (photographs or not shows_photographs):
            pictures.append(_taken(source, folder / f"{name}.png", f"{caption}."))
    return pictures


def gradcam(of: Results, folder: Path) -> list[Picture]:
    """Take over the Grad-CAM figures of OUT/PROTOCOL/gradcam, in the order of their names."""
    return [
        _taken(source, folder / f"gradcam_{protocol}_{source.name}", f"{_words(source)}. {of.provenance(protocol)}")
        for protocol in of.protocols
        for source in _pngs(of.folder / protocol / "gradcam")
    ]


def _pngs(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.glob("*.png"))


def _words(path: Path) -> str:
    return path.stem.replace("_", " ").capitalize()


def _taken(source: Path, path: Path, caption: str) -> Picture:
    write_bytes(path, source.read_bytes())
    return Picture(path, caption, caption, wide=True)
