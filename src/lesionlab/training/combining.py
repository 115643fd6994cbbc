"""Trained runs made into one model: ensembles and Mix-Models, with what must be fitted fitted on validation images.

All members were trained with one split, so no member has learnt a validation image, and nothing here sees a test
image.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lesionlab.data.splits import Split, read_split, write_split
from lesionlab.errors import DataError, UsageError
from lesionlab.evaluation.predictions import Predictions, write_predictions
from lesionlab.files import is_partial
from lesionlab.models.bundle import Bundle, read_bundle
from lesionlab.models.cascade import ROUTINGS, Floats, Ints, Pair, route
from lesionlab.models.composite import BASE, Composite, Ensemble, Mix, card_digests, write_composite
from lesionlab.models.ensemble import RULES, Fitted
from lesionlab.models.members import check_members, common_training
from lesionlab.report.evaluate_model import CROSS_FITTED
from lesionlab.report.opened import LOOKS
from lesionlab.report.parts import Images, run_folder
from lesionlab.training.choosing import validation_figures
from lesionlab.training.fitting import choose_margin, fit_stacking, fit_weights, out_of_fold
from lesionlab.training.validation import PART, Seen, validation_answers

FITS: dict[str, Callable[[Floats, Ints, Ints], Fitted]] = {
    "weighted": lambda tables, truth, lesions: fit_weights(tables, truth),
    "stacked": fit_stacking,
}
"""The rules that need fitting: members' probabilities (m, n, 7), truth (n,), lesions (n,) -> what the rule needs."""


def build_ensemble(runs: Sequence[Path], rule: str, out: Path, images: Images) -> Composite:
    """Combine trained runs under a rule, and return the written model.

    Parameters
    ----------
    runs : at least two run folders, all trained with one split; the members are called after them.
    rule : one of `RULES`; `weighted` and `stacked` are fitted on the validation images.
    out : folder to write: the model in OUT/model, its members' split in OUT/split.csv, and for a fitted rule what
        it answers by cross-fitting in OUT/cross-fitted.csv, which `evaluate` takes for the validation images.
    images : where the validation images come from.

    The model's `metrics` are figures on the validation images: `validation`, of the model, and `members`, of each
    member. For a fitted rule the former are by cross-fitting: each image is answered by what was fitted on others.

    Raises `UsageError` for an unknown rule or a run that stands twice, `ModelError` for members that do not fit
    together, `DataError` when a model is in `out` already or the source does not hold the validation images.
    """
    if rule not in RULES:
        raise UsageError(f"--rule {rule}: no such rule", f"rules are {', '.join(RULES)}")
    if len(runs) < 2:
        raise UsageError("an ensemble needs at least two runs", "name more run folders")
    members: dict[str, Bundle] = {}
    for run in runs:
        members[_free_name(run, members)] = read_bundle(run)
    if len(set(card_digests(members).values())) < len(members):
        raise UsageError("a model stands twice in the ensemble", "name each run once")
    check_members(members)
    split = _begin(out, runs[0], next(iter(members.values())))
    seen = validation_answers(runs, members, split, images)
    fitted, answers = Fitted(), RULES[rule](seen.tables, Fitted()) if rule not in FITS else _cross_fitted(rule, seen)
    if rule in FITS:
        fitted = FITS[rule](seen.tables, seen.truth, seen.lesions)
    figures = {name: validation_figures(seen.truth, table) for name, table in zip(members, seen.tables, strict=True)}
    common = _common(members, seen, answers, figures, rule in FITS)
    crossed = replace(seen.first, probabilities=answers) if rule in FITS else None
    return _write(out, Ensemble(rule=rule, fitted=fitted, **common), members, split, crossed)


def build_mix(base: Path, specialists: Sequence[Path], routing: str, out: Path, images: Images) -> Composite:
    """Combine a general run and specialists into a Mix-Model, and return the written model; see `models.cascade`.

    Parameters
    ----------
    base : run folder of the general model. specialists : run folders whose recipes name two classes each.
    routing : one of `ROUTINGS`; the margin of `margin` is chosen on the validation images, and the model's
        `metrics` are then by cross-fitting.

    The other parameters, the figures and the faults are those of `build_ensemble`; `metrics["members"]` tells of the
    base only.
    """
    if routing not in ROUTINGS:
        raise UsageError(f"--routing {routing}: no such routing", f"routings are {', '.join(ROUTINGS)}")
    members = {BASE: read_bundle(base)}
    pairs: list[Pair] = []
    for run in specialists:
        bundle = read_bundle(run)
        pairs.append(_pair(run, bundle))
        members["-".join(pairs[-1])] = bundle
    if len({frozenset(pair) for pair in pairs}) < len(specialists) or not pairs:
        raise UsageError("a Mix-Model needs one specialist for each of its pairs", "name each pair's run once")
    check_members(members, pairs)
    split = _begin(out, base, members[BASE])
    seen = validation_answers([base, *specialists], members, split, images)
    fitted = routing == "margin"
    margin = _margin(seen.tables, seen.truth, pairs) if fitted else 0.0

    def routed(rows: Ints) -> Callable[[Floats], Floats]:
        chosen = _margin(seen.tables[:, rows], seen.truth[rows], pairs) if fitted else 0.0
        return lambda tables: route(tables[0], dict(zip(pairs, tables[1:], strict=True)), routing, chosen)[0]

    everything = np.arange(len(seen.truth))
    answers = out_of_fold(routed, seen.tables, seen.lesions) if fitted else routed(everything)(seen.tables)
    common = _common(members, seen, answers, {BASE: validation_figures(seen.truth, seen.tables[0])}, fitted)
    crossed = replace(seen.first, probabilities=answers) if fitted else None
    return _write(out, Mix(routing=routing, margin=margin, pairs=pairs, **common), members, split, crossed)


def _free_name(run: Path, taken: Mapping[str, Bundle]) -> str:
    """Return a member's name after its run folder, numbered when another member has it already."""
    folder = run.absolute().parent if run.name == "model" else run.absolute()
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", folder.name).lstrip("_.-")[:80] or "member"
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free


def _pair(run: Path, specialist: Bundle) -> Pair:
    """Return the two diagnoses that a specialist was trained for, in the order of its recipe."""
    classes = specialist.training.get("recipe", {}).get("classes", ())
    if len(classes) != 2:
        knows = ", ".join(classes) or "all diagnoses"
        raise UsageError(f"{run}: no specialist: it was trained for {knows}", "train one: --set classes=[mel,nv]")
    return classes[0], classes[1]


def _begin(out: Path, run: Path, bundle: Bundle) -> Split:
    """Return the split of the first run, after checking that a model can be written into `out`."""
    if (out / "model").exists():
        raise DataError(f"{out}: a model is here already", "name a new folder, or remove this one")
    folder = run_folder(run)
    if folder is None:
        raise UsageError(f"{run}: a lone model does not say which images validate", "name its run folder")
    split = read_split(folder / "split.csv")
    if split.fingerprint != bundle.training["split"]["fingerprint"]:
        raise DataError(f"{folder / 'split.csv'}: not the split that the model was trained with", "bring it back")
    _check_out(out, split)
    return split


def _check_out(out: Path, split: Split) -> None:
    """Raise `DataError` where `out` holds anything but what earlier calls of ours left: the same split, looks."""
    if not out.exists():
        return
    left = [path.name for path in out.iterdir() if not is_partial(path)] if out.is_dir() else [out.name]
    others = set(left) - {".lock", "split.csv", CROSS_FITTED, LOOKS}
    file = out / "split.csv"
    if others or (file.is_file() and read_split(file).fingerprint != split.fingerprint):
        raise DataError(f"{out}: the folder is not empty", "name a new folder")


def _cross_fitted(rule: str, seen: Seen) -> Floats:
    """Return the answers of a fitted rule to each validation image, fitted without images of its lesion."""

    def fit(rows: Ints) -> Callable[[Floats], Floats]:
        fitted = FITS[rule](seen.tables[:, rows], seen.truth[rows], seen.lesions[rows])
        return lambda tables: RULES[rule](tables, fitted)

    return out_of_fold(fit, seen.tables, seen.lesions)


def _margin(tables: Floats, truth: Ints, pairs: Sequence[Pair]) -> float:
    return choose_margin(tables[0], dict(zip(pairs, tables[1:], strict=True)), truth)


def _common(
    members: Mapping[str, Bundle], seen: Seen, answers: Floats, figures: dict[str, dict[str, float]], fitted: bool
) -> dict[str, Any]:
    """Return the fields that an ensemble and a Mix-Model share."""
    training = common_training(members)
    if fitted:
        training["fitted_on"] = {"part": PART, "images": len(seen.truth)}
    return {
        "size": next(iter(members.values())).size,
        "members": card_digests(members),
        "training": training,
        "metrics": {"validation": validation_figures(seen.truth, answers), "members": figures},
    }


def _write(
    out: Path, composite: Composite, members: Mapping[str, Bundle], split: Split, crossed: Predictions | None
) -> Composite:
    """Write the split and the cross-fitted answers and then the model, so that a model is never without them."""
    write_split(out / "split.csv", split)
    if crossed:
        write_predictions(out / CROSS_FITTED, crossed)
    return write_composite(out / "model", composite, members)
