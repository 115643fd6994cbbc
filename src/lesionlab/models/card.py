"""The model card, README.md beside a model: what it is for, what it was made from, how good it is, what it cannot do.

Its headings follow Mitchell et al., "Model Cards for Model Reporting", FAT* 2019; its head is what model hubs read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lesionlab.data.splits import keeps_lesions_together
from lesionlab.diagnoses import CODES, DIAGNOSES
from lesionlab.models.bundle import Bundle
from lesionlab.models.composite import Composite
from lesionlab.models.decisions import Decisions, Figure

FigureTables = Mapping[str, Sequence[tuple[str, str]]]
"""What was evaluated -> (figure in words, value with interval)."""

COLOURS: dict[str, str] = {
    "rgb": "as they are",
    "gray": "none: three equal luma channels",
    "constancy": "as under one light (Shades of Gray)",
}
"""What a reader is told of each colour mode."""

_HEAD = """---
license: cc-by-nc-4.0
library_name: lesionlab
pipeline_tag: image-classification
tags: [dermoscopy, skin-lesion, ham10000, onnx, research-only]
---
"""

_USE = """**Research only. Not a medical device.** Its answers must not decide about a person's diagnosis or treatment.

Meant for: experiments on dermoscopic photographs of single pigmented skin lesions, teaching, comparison with other
models. Not meant for: photographs without a dermatoscope, whole body views, other skin diseases, screening, any use on
patients."""

_COMMANDS = """```
lesionlab predict PHOTO.jpg --model THIS_FOLDER
lesionlab explain PHOTO.jpg --model THIS_FOLDER --out maps
```"""

_LIMITS = """- It knows seven diagnoses. Whatever else it is shown, it answers with one of them or, at best, abstains.
- HAM10000 comes from two clinics (Vienna, Queensland), mostly from light skin; darker skin, nails, mucosa and children
  are hardly in it. Expect worse answers there, and on pictures of other cameras or with other borders.
- Part of the benign images were labelled by follow-up or by agreement of experts, not by histology.
- Rare diagnoses (dermatofibroma, vascular lesions) rest on few lesions: their figures are uncertain.
- Probabilities, prediction sets and thresholds hold for images like those they were fitted on.
- It has learnt from pictures alone: no age, no history, no touch."""


def model_card(model: Bundle | Composite, figures: FigureTables, bound: str = "") -> str:
    """Return the model card as Markdown, of what the model's own bundle.json says.

    figures : tables of evaluations. bound : what a reader must know of them, such as which precision they are of.
    """
    sections = [
        ("", f"# {model.title}: seven diagnoses in dermoscopic images\n\n{_USE}"),
        ("The model", _facts(model)),
        ("Training data", _data(model.training)),
        ("Figures", _figures(model, figures, bound)),
        ("How probabilities become answers", _decided(model.decisions)),
        ("Limits", _LIMITS),
        ("Licence", model.licence),
    ]
    told = [f"## {title}\n\n{text}" if title else text for title, text in sections]
    return _HEAD + "\n" + "\n\n".join(told) + "\n"


def _facts(model: Bundle | Composite) -> str:
    if isinstance(model, Composite):
        rows = [(f"member {name}", member.architecture) for name, member in model.bundles.items()]
    else:
        rows = [
            ("network", f"{model.architecture}, {model.precision}"),
            ("views averaged", str(model.views)),
            ("colours", COLOURS[model.colour]),
        ]
    shape = f"{model.frame_aspect:.4g}:1"
    framing = "whole frame" if model.frame_aspect == 1 else f"centre-cropped to {shape}"
    rows += [
        ("input", f"{framing}, squashed to {model.size} x {model.size} px by area; the graph normalises it"),
        ("output", ", ".join(f"`{one.code}` {one.name}{' (malignant)' if one.malignant else ''}" for one in DIAGNOSES)),
        ("made with", f"lesionlab {model.lesionlab}, {model.created}"),
    ]
    return f"{_table(('what', 'value'), rows)}\n\n{_COMMANDS}"


def _data(training: Mapping[str, Any]) -> str:
    data, split, recipe = (training.get(key, {}) for key in ("data", "split", "recipe"))
    parts = ", ".join(f"{count} {part}" for part, count in split.get("images", {}).items())
    chosen = ", ".join(filter(None, [*recipe.get("classes", ()), recipe.get("site", "")]))
    rows = [
        (
            "source",
            f"{data.get('source', 'unknown')}, {data.get('images', '?')} images, cases {data.get('cases', '?')}",
        ),
        (
            "split",
            f"{split.get('protocol', 'unknown')}, seed {split.get('seed', '?')}, {split.get('fingerprint', '?')}",
        ),
        ("images", parts or "unknown"),
        ("narrowed to", chosen or "nothing: all diagnoses and body sites"),
        ("starting weights", _weights(training.get("weights", "unknown"))),
        ("recipe", ", ".join(f"{key} {recipe[key]}" for key in ("loss", "epochs", "size", "seed") if key in recipe)),
    ]
    together = keeps_lesions_together(split.get("protocol", ""))
    grouped = " All photographs of a lesion lie in one part." if together else ""
    return _table(("what", "value"), rows) + f"\n\nEvery setting is in bundle.json.{grouped}"


def _weights(weights: Mapping[str, str] | str) -> str:
    return weights if isinstance(weights, str) else f"{weights['file']}, SHA-256 {weights['sha256']}"


def _figures(model: Bundle | Composite, figures: FigureTables, bound: str) -> str:
    told = [f"### {title}\n\n{_table(('figure', 'value [95 % interval]'), rows)}" for title, rows in figures.items()]
    validation = model.metrics.get("validation", {})
    if validation:
        rows = [(name.replace("_", " "), f"{value:.3f}") for name, value in validation.items()]
        remark = "These images also chose settings, so the figures are a little too good."
        told.append(f"### Validation images\n\n{remark}\n\n{_table(('figure', 'value'), rows)}")
    if not figures:
        told.insert(0, "No test images have been looked at. `lesionlab evaluate` does it.")
    return "\n\n".join(filter(None, [bound, *told]))


def _decided(decisions: Decisions | None) -> str:
    if decisions is None:
        return "Nothing was fitted: probabilities are as the network gives them, the likeliest diagnosis is the answer."
    fit = decisions.fitted_on
    lines = [
        f"Fitted on {fit.images:,} images of {fit.lesions:,} lesions (part {fit.part}).\n",
        f"- Calibration: temperature {decisions.temperature:.3f}{_biases(decisions)}; expected calibration error "
        f"{_interval(fit.ece_before)} before, {_interval(fit.ece_after)} after.",
        f"- It abstains where its likeliest diagnosis has less than {decisions.abstain_below:.1%}.",
    ]
    if decisions.conformal:
        each = ", ".join(f"{code} {n}" for code, n in zip(CODES, decisions.conformal.images, strict=True))
        lines.append(
            f"- Prediction sets should hold the true diagnosis in {decisions.conformal.coverage:.0%} of the images of "
            f"each diagnosis; they rest on so many images: {each}."
        )
    if decisions.outlier:
        lines.append(
            f"- It turns away images that are unlike dermoscopy: {1 - decisions.outlier.quantile:.0%} of the "
            "validation images would be, too."
        )
    points = [
        (point.target, point.aim, f"{point.threshold:.3f}", f"{point.sensitivity:.3f}", f"{point.specificity:.3f}")
        for point in decisions.operating
    ]
    if points:
        lines.append(f"- `malignant` is answered at {decisions.default_point or 'no point'} unless told otherwise.\n")
        lines.append(_table(("operating point", "chosen for", "threshold", "sensitivity", "specificity"), points))
    return "\n".join(lines)


def _biases(decisions: Decisions) -> str:
    told = ", ".join(f"{code} {bias:+.2f}" for code, bias in zip(CODES, decisions.bias, strict=True))
    return f", biases {told}" if any(decisions.bias) else ""


def _interval(figure: Figure) -> str:
    return f"{figure.value:.3f}" + ("" if figure.low is None else f" [{figure.low:.3f}, {figure.high:.3f}]")


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(text) for text in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
