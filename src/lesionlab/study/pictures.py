"""The report's pictures, called after the paper's figures: drawn anew, or taken from OUT/population as they lie."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from lesionlab.diagnoses import CODES
from lesionlab.files import read_json, write_bytes
from lesionlab.models.storage import CARD
from lesionlab.report import figures
from lesionlab.report.html import Picture
from lesionlab.study.captions import row_caption
from lesionlab.study.diagrams import ensemble_diagram, mix_diagram
from lesionlab.study.results import PROTOCOLS, Results, Row

POPULATION: dict[str, tuple[str, bool]] = {
    "samples": ("Figure 1: sample images of each diagnosis", True),
    "melanoma_by_age_and_site": ("Figure 2: melanoma by age and body site", False),
    "augmentation": ("Figure 4: one image augmented", True),
    "class_distribution": ("Table 1, drawn: class distribution", False),
}
"""Population figures by file name: caption, and whether they show photographs."""

SPECIALISTS: dict[frozenset[str], str] = {
    frozenset(("mel", "nv")): "Figure 12",
    frozenset(("akiec", "bcc")): "Figure 13",
    frozenset(("mel", "bkl")): "Figure 14",
}
"""The paper's figures of its specialists, by their pair."""


def models(of: Results, folder: Path) -> list[Picture]:
    """Draw the confusion matrix of every network: Figure 5, which is of the best one, under each protocol first."""
    best = next((row["id"] for protocol in of.protocols if (row := of.best(protocol))), "")
    designs = of.designs("row")
    first = _both(of, folder, [design for design in designs if design["id"] == best], "Figure 5, the best network")
    return [*first, *_both(of, folder, [design for design in designs if design["id"] != best])]


def ensembles(of: Results, folder: Path) -> list[Picture]:
    """Draw the confusion matrix of every ensemble; the paper shows none."""
    return _both(of, folder, of.designs("ensemble"))


def specialists(of: Results, folder: Path) -> list[Picture]:
    """Draw the confusion matrices of the specialists (Figures 12 to 14), each on the images of its pair."""
    return [
        picture
        for design in of.designs("specialist")
        for picture in _both(of, folder, [design], SPECIALISTS.get(frozenset(of.pair(design["id"])), ""))
    ]


def mixes(of: Results, folder: Path) -> list[Picture]:
    """Draw each Mix-Model (Figure 15) and its base (Figure 16) in turn, so that they stand side by side."""
    pictures = []
    for place, design in enumerate(of.designs("mix")):
        names = ("Figure 15, the Mix-Model", "Figure 16, its base") if place == 0 else ("", "")
        for protocol in of.protocols:
            pair = [of.row(protocol, name) for name in (design["id"], design["recipe"]["base"])]
            if all(row and row["figures"] for row in pair):
                pictures += [
                    _confusion(of, folder, protocol, row, name) for row, name in zip(pair, names, strict=True) if row
                ]
    return pictures


def _both(of: Results, folder: Path, designs: Iterable[Row], name: str = "") -> list[Picture]:
    """Draw the confusion matrices of rows, both protocols of a row together."""
    return [
        _confusion(of, folder, protocol, row, name)
        for design in designs
        for protocol in of.protocols
        if (row := of.row(protocol, design["id"])) and row["figures"]
    ]


def _confusion(of: Results, folder: Path, protocol: str, row: Row, name: str) -> Picture:
    """Draw one confusion matrix; a specialist's shows its pair only."""
    codes = [code for code in CODES if code in row["recipe"].get("classes", ())] or list(CODES)
    chosen = [CODES.index(code) for code in codes]
    counts = np.asarray(row["figures"]["confusion"]["counts"])[np.ix_(chosen, chosen)]
    path = folder / f"confusion_{protocol}_{row['id']}.png"
    title = f"{row['label']}: {PROTOCOLS[protocol]}"
    figures.confusion_matrix(counts, path, title=title, codes=codes)
    told = f"{name}: confusion matrix of" if name else "Confusion matrix of"
    text = f"{told} {title}"
    return Picture(path, f"{text}. {row_caption(of, protocol, row)}", f"{text}, truth in rows")


def curves(of: Results, folder: Path) -> list[Picture]:
    """Draw loss and accuracy over the epochs of every network, that of Figures 6 and 7 under each protocol first."""
    designs = sorted(of.designs("row", "specialist"), key=lambda design: design["id"] != of.base)
    pictures = []
    for design in designs:
        for protocol in of.protocols:
            row = of.row(protocol, design["id"])
            history = of.history(row) if row else []
            if row and history:
                path = folder / f"curves_{protocol}_{row['id']}.png"
                figures.curves(history, path)
                name = "Figures 6 and 7: accuracy and loss" if row["id"] == of.base else "Accuracy and loss"
                title = f"{row['label']}, protocol {protocol}"
                told = f"{name} over the epochs, {title}. {row_caption(of, protocol, row, images=False)}"
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
        told = f"Figure 10: the ensemble as configured, {label}. {_made(of, protocol, ensemble)}"
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
        told = f"Figure 11: the Mix-Model as configured, {label}. {_made(of, protocol, mix)}"
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


def _made(of: Results, protocol: str, design: Row) -> str:
    """Return where the numbers in a diagram come from, if the model was made."""
    row = of.row(protocol, design["id"]) if protocol else None
    return row_caption(of, protocol, row, images=False) if row else "Not made: a member is missing."


def population(of: Results, folder: Path, photographs: bool) -> list[Picture]:
    """Take over the population figures of OUT/population; those with photographs only where asked for."""
    pictures = []
    for name, (caption, shows_photographs) in POPULATION.items():
        source = of.folder / "population" / f"{name}.png"
        if source.is_file() and (photographs or not shows_photographs):
            pictures.append(taken(source, folder / f"{name}.png", f"{caption}.", shows_photographs))
    return pictures


def taken(source: Path, path: Path, caption: str, photographic: bool = True) -> Picture:
    """Return a picture that another command drew, copied to the report."""
    write_bytes(path, source.read_bytes())
    return Picture(path, caption, caption, wide=True, photographic=photographic)
