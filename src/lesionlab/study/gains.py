"""What combining gains and costs: ensembles against their best member, Mix-Models against their base, harm report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lesionlab.diagnoses import CODES
from lesionlab.evaluation.paired import difference, harm
from lesionlab.evaluation.predictions import Predictions
from lesionlab.report.table import Cell, Table, interval, signed, sure, texts
from lesionlab.study.captions import study_caption
from lesionlab.study.results import METRICS, Results


def ensemble_gains(of: Results) -> Table:
    """Return each ensemble's macro F1 against that of its best member, with a paired interval over lesions."""
    pairs = []
    for ensemble in of.designs("ensemble"):
        names = ensemble["recipe"]["members"]
        for protocol in of.protocols:
            members = [row for name in names if (row := of.row(protocol, name)) and row["figures"]]
            if len(members) == len(names):
                best = max(members, key=lambda row: row["figures"]["metrics"]["macro_f1"]["value"] or 0.0)
                pairs.append((protocol, best["id"], ensemble["id"]))
    return _paired(of, "ensemble", "Ensembles against their best member", pairs, ("macro_f1",))


def mix_gains(of: Results) -> Table:
    """Return each Mix-Model's four figures against its base's, with paired intervals over lesions."""
    pairs = [(protocol, mix["recipe"]["base"], mix["id"]) for mix in of.designs("mix") for protocol in of.protocols]
    return _paired(of, "mix", "Mix-Model against its base", pairs, tuple(METRICS))


def _paired(of: Results, kind: str, title: str, pairs: Sequence[tuple[str, str, str]], metrics: Sequence[str]) -> Table:
    """Return the differences of (protocol, before, after) models that both have predictions of the same images."""
    rows, records = [], []
    for protocol, before, after in pairs:
        first, second = of.predictions(protocol, before), of.predictions(protocol, after)
        if first is None or second is None:
            continue
        found = difference(first, second)
        for place, metric in enumerate(metrics):
            figure = found[metric]
            who = [Cell(text, rows=len(metrics)) for text in (of.label(after), of.label(before), protocol)]
            rows.append(
                (
                    *(who if place == 0 else ()),
                    Cell(METRICS[metric]),
                    Cell(signed(figure["value"]), "outside" if sure(figure) else "number"),
                    Cell(interval(figure), "number"),
                )
            )
            records.append({"id": after, "against": before, "protocol": protocol, "metric": metric, **figure})
    return Table(
        f"{kind}_gain",
        title,
        "Difference on the same images, 95 % interval of the paired bootstrap over lesions; in bold where it excludes "
        f"0. {study_caption(of, of.designs(kind))}",
        ("model", "against", "protocol", "figure", "difference", "95 % interval"),
        tuple(rows),
        tuple(records),
    )


HARM: dict[str, str] = {
    "changed": "answers changed",
    "to_right": "to right",
    "to_wrong": "to wrong",
    "wrong_to_wrong": "wrong to wrong",
    "melanomas_won": "melanomas won",
    "melanomas_lost": "melanomas lost",
    "p_value": "McNemar p, by image",
}


def harm_report(of: Results) -> Table:
    """Return what each specialist of each Mix-Model changed, for better and for worse."""
    rows, records = [], []
    for mix in of.designs("mix"):
        for protocol in of.protocols:
            before, after = of.predictions(protocol, mix["recipe"]["base"]), of.predictions(protocol, mix["id"])
            if before is None or after is None:
                continue
            told = {"all": harm(before, after)}
            for name in mix["recipe"]["specialists"]:
                told[name] = harm(before, after, _changed_within(before, after, of.pair(name)))
            for name, found in told.items():
                model = [Cell(mix["label"], rows=len(told)), Cell(protocol, rows=len(told))] if name == "all" else []
                head = (*model, Cell("all specialists" if name == "all" else of.label(name)))
                counts = texts([f"{found[key]:,}" for key in HARM if key != "p_value"], "number")
                rows.append((*head, *counts, Cell(f"{found['p_value']:.2g}", "number")))
                records.append(
                    {"id": mix["id"], "protocol": protocol, "specialist": name, **{key: found[key] for key in HARM}}
                )
    return Table(
        "harm",
        "Harm report: what the specialists changed",
        "Exact McNemar test of right answers before and after. " + study_caption(of, of.designs("mix")),
        ("model", "protocol", "specialist", *HARM.values()),
        tuple(rows),
        tuple(records),
    )


def _changed_within(before: Predictions, after: Predictions, pair: Sequence[str]) -> np.ndarray[Any, Any]:
    """Return the images (n,) whose answer went from one diagnosis of the pair to the other: that specialist's doing."""
    codes = [CODES.index(dx) for dx in pair]
    inside = np.isin(before.predicted, codes) & np.isin(after.predicted, codes)
    return np.asarray(inside & (before.predicted != after.predicted))
