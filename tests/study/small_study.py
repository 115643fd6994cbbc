"""A study's folder as its runner leaves it: figures from drawn predictions instead of trained networks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lesionlab.data.cases import write_rows
from lesionlab.diagnoses import CODES, NAMES
from lesionlab.evaluation.evaluate import evaluate
from lesionlab.evaluation.metrics import OVERALL
from lesionlab.evaluation.predictions import Predictions, write_predictions
from lesionlab.files import write_json, write_text
from lesionlab.report.table import Cell, Table

NO_WEIGHTS = "ImageNet weights not reachable (file resnet50.a1_in1k.safetensors is missing)"
PARTS = {"paper": "val", "grouped": "test"}
PUBLISHED = {"accuracy": 0.87, "macro_precision": 0.75, "macro_recall": 0.82, "macro_f1": 0.78}
PAIRS = {"mel-nv": ["mel", "nv"], "akiec-bcc": ["akiec", "bcc"], "mel-bkl": ["mel", "bkl"]}
ENSEMBLE = {"members": ["xception", "lite2"]}
MIX = {"base": "xception", "specialists": [*PAIRS], "routing": "paper"}
TRAINED = {
    "seed": 0, "architecture": "xception", "colour": "rgb", "size": 128, "epochs": 4, "site": "", "classes": [],
}  # fmt: skip

TABLE = Table(
    "small",
    "Small",
    "A caption.",
    ("model", "paper", "ours", "difference"),
    (
        (Cell("A | B", rows=2), Cell("0.87", "number"), Cell("not run: no <weights>", "missing", rows=2, columns=2)),
        (Cell("0.75", "number"),),
        (Cell("C"), Cell("0.80", "number"), Cell("0.823", "ours", "[0.800, 0.840]"), Cell("+0.023", "outside")),
    ),
    ({"model": "A", "ours": None}, {"model": "C", "ours": 0.8234567, "low": 0.8}),
)
"""A table with cells that span lines and columns."""


def write_study(out: Path, images: int = 210, resamples: int = 40) -> Path:
    """Write OUT/study.json with both protocols and what belongs to it: rows done, failed and not run."""
    state = {
        "study": "small",
        "title": "A small study of the paper",
        "budget": "cpu",
        "note": "4 epochs at 128 px",
        "grid": "0123456789abcdef",
        "command": "lesionlab study run small --data source --out out --protocol both",
        "created": "2026-01-02T03:04:05+00:00",
        "protocols": {protocol: _protocol(out, protocol, images, resamples) for protocol in PARTS},
    }
    write_json(out / "study.json", state)
    return out


def _protocol(out: Path, protocol: str, images: int, resamples: int) -> dict[str, Any]:
    leaky = protocol == "paper"
    right = 0.85 if leaky else 0.72
    failed = {} if leaky else {"status": "failed", "reason": "out of memory <8 GB>"}
    make = _Rows(out, protocol, images, resamples)
    rows = [
        make.not_run("resnet50", "ResNet50, RGB", table=3, number=1, published=PUBLISHED),
        make.row("xception", "Xception, RGB", right, table=3, number=3, published=PUBLISHED),
        make.row("gray", "Xception, grayscale", right - 0.1, recipe={"colour": "gray"}),
        make.row(
            "lite2", "EfficientNet-Lite2, RGB", right - 0.04, recipe={"architecture": "efficientnet_lite2"}, **failed
        ),
        make.row("leg", "Xception, lower extremity", right + 0.1, recipe={"site": "lower extremity"}),
        make.not_run("vit", "ViT-B/32, RGB", table=2, number=None),
        *(
            make.row(
                name,
                f"{' or '.join(pair)}",
                0.9,
                kind="specialist",
                recipe={"classes": pair, "epochs": 12 if name == "akiec-bcc" else 4},
            )
            for name, pair in PAIRS.items()
        ),
        make.row(
            "weighted",
            "Weighted average",
            right + 0.03,
            kind="ensemble",
            published={"macro_f1": 0.82},
            recipe=ENSEMBLE | {"rule": "weighted"},
            fitted=leaky,
            **failed,
        ),
        make.not_run("vote", "Vote", kind="ensemble", recipe=ENSEMBLE | {"rule": "vote"}),
        make.row("mix", "Mix-Model", right + 0.02, kind="mix", published=PUBLISHED | {"macro_f1": 0.81}, recipe=MIX),
        make.row(
            "margin", "Mix-Model where unsure", right + 0.03, "mix", recipe=MIX | {"routing": "margin"}, fitted=leaky
        ),
    ]
    return {
        "split": "5108e729dd2a87ef",
        "part": PARTS[protocol],
        "images": {"train": 4 * images, PARTS[protocol]: images},
        "leak": {code: [10 if leaky else 0, images // 7] for code in CODES},
        "rows": rows,
    }


class _Rows:
    """Makes the rows of one protocol."""

    def __init__(self, out: Path, protocol: str, images: int, resamples: int) -> None:
        self.out, self.protocol, self.images, self.resamples = out, protocol, images, resamples

    def not_run(self, name: str, label: str, kind: str = "row", **more: Any) -> dict[str, Any]:
        empty = {"run": None, "command": None, "seconds": None, "recipe": {}, "figures": None}
        return self._common(name, label, kind) | {"status": "not run", "reason": NO_WEIGHTS} | empty | more

    def row(
        self, name: str, label: str, right: float, kind: str = "row", recipe: dict[str, Any] | None = None, **more: Any
    ) -> dict[str, Any]:
        if more.get("status") == "failed":
            return self.not_run(name, label, kind) | {"recipe": recipe or {}} | more
        trained = kind in ("row", "specialist")
        run = f"{self.protocol}/{'rows' if trained else 'combined'}/{name}"
        folder = self.out / run
        recipe = (TRAINED if trained else {}) | (recipe or {})
        pair = recipe.get("classes")
        images = self.images // 3 if pair or recipe.get("site") else self.images
        predictions = drawn(images, right, [CODES.index(dx) for dx in pair or CODES])
        write_predictions(folder / "evaluation" / PARTS[self.protocol] / "predictions.csv", predictions)
        if trained:
            epochs = [{"epoch": e, "train_loss": 1 / (e + 1), "val_accuracy": 1 - 0.5 / (e + 1)} for e in range(4)]
            write_text(folder / "history.jsonl", "".join(json.dumps(epoch) + "\n" for epoch in epochs))
        else:
            write_json(folder / "model" / "bundle.json", {"margin": 0.15, "fitted": {"weights": [0.7, 0.3]}})
        made = {
            "status": "done",
            "reason": "",
            "run": run,
            "command": f"lesionlab train --data source --out {run}",
            "seconds": 754.2,
            "recipe": recipe,
            "figures": evaluate(predictions, self.resamples),
        }
        return self._common(name, label, kind) | made | more

    def _common(self, name: str, label: str, kind: str) -> dict[str, Any]:
        return {"id": name, "label": label, "kind": kind, "table": None, "number": None, "published": None}


def drawn(images: int, right: float, classes: list[int]) -> Predictions:
    """Return predictions of the same images whatever `right` is: nearly that share of them is right."""
    random = np.random.default_rng(3)
    truth = np.array(classes)[np.arange(images) % len(classes)]
    guess = np.where(random.random(images) < right, truth, random.choice(classes, images))
    probabilities = np.full((images, 7), 0.05)
    probabilities[np.arange(images), guess] = 0.7
    names = tuple(f"image{i}" for i in range(images))
    return Predictions(names, tuple(f"lesion{i // 2}" for i in range(images)), truth, probabilities)


def add_siblings(out: Path) -> None:
    """Add the result of the paired experiment."""
    figure = {"value": 0.031, "low": 0.012, "high": 0.05}
    content = {
        "recipe": {"architecture": "xception", "size": 128, "epochs": 4},
        "weights": "legacy_xception.safetensors",
        "split_seed": 0,
        "seeds": [0, 1],
        "images": {"train": 700, "val": 150, "test": 90},
        "arms": {"clean": dict.fromkeys(OVERALL, 0.7), "leak": dict.fromkeys(OVERALL, 0.731)},
        "per_seed": [{"seed": seed, "difference": dict.fromkeys(OVERALL, figure)} for seed in (0, 1)],
        "pooled": dict.fromkeys(OVERALL, figure | {"spread": 0.01}),
    }
    write_json(out / "siblings" / "siblings.json", content)


def add_attention(out: Path) -> None:
    """Add where two models look, for the protocol grouped: in RGB for certain less on the border than in grayscale."""
    figure = {"value": 1.8, "low": 1.7, "high": 1.95}
    names = ("inside", "inside_ratio", "border_ratio", "interior_ratio", "border_to_interior")
    told = {"images": 120, "empty": 2, "measures": dict.fromkeys(names, figure)}
    lower, unsure = {"value": -0.2, "low": -0.3, "high": -0.1}, {"value": 0.02, "low": -0.01, "high": 0.05}
    measures = dict.fromkeys(names, unsure) | {"border_to_interior": lower}
    difference = {"against": "Xception, RGB", "images": 120, "empty": 3, "measures": measures}
    content = {
        "count": 300,
        "models": {"Xception, RGB": told, "Xception, grayscale": told},
        "differences": {"Xception, grayscale": difference},
    }
    write_json(out / "grouped" / "attention.json", content)


PHOTOGRAPHS = (
    "population/samples", "population/augmentation", "grouped/gradcam/maps_for_mel_xception",
    "grouped/gradcam/each_class_xception", "grouped/gradcam/each_class_gray", "grouped/gradcam/each_class_leg",
    "grouped/gradcam/mistakes_mix_nv_mel",
)  # fmt: skip


def add_pictures(out: Path) -> None:
    """Add what `study illustrate` leaves: figures of the source, the classes counted, and `PHOTOGRAPHS`."""
    for name in ("population/class_distribution", *PHOTOGRAPHS):
        path = out / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (60, 40), "#aa7755" if name in PHOTOGRAPHS else "white").save(path)
    rows = [(code, NAMES[code], 10 * place + 5, 4, 0.1) for place, code in enumerate(CODES)]
    write_rows(out / "population" / "class_distribution.csv", ("dx", "name", "images", "lesions", "share"), rows)


def add_views(out: Path) -> None:
    """Add the evaluations of one network with one view and with four, for the protocol grouped."""
    for views, right in ((1, 0.6), (4, 0.7)):
        predictions = drawn(70, right, [*range(7)])
        folder = out / "grouped" / "views" / "xception" / str(views)
        write_predictions(folder / "predictions.csv", predictions)
        write_json(folder / "metrics.json", evaluate(predictions, 40))
