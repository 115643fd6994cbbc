"""What a study found, in sentences for the head of its report."""

from __future__ import annotations

from lesionlab.report.table import interval, number, signed
from lesionlab.study.captions import made_of
from lesionlab.study.looking import colour_finding
from lesionlab.study.results import PROTOCOLS, Results, Row, value

GENERAL = ("row", "ensemble", "mix")
"""The kinds of rows that answer with all seven diagnoses."""

PAPER_NETWORKS: dict[str, set[str]] = {
    "row": {"resnet50", "xception", "inception_resnet_v2", "vgg19", "vit_b32"},
    "ensemble": {"resnet50", "xception", "inception_resnet_v2"},
    "mix": {"resnet50"},
}
"""The paper's networks: those of its Tables 2 and 3, of its ensembles, and of its Mix-Model."""


def findings(of: Results) -> list[str]:
    """Return the main findings as sentences; what a study did not do is not mentioned."""
    told = []
    for protocol in of.protocols:
        rows, done = of.rows(protocol), [row for row in of.rows(protocol) if row["status"] == "done"]
        told.append(f"Protocol {protocol}: {len(done)} of {len(rows)} models ran.{_best(of, protocol)}")
    told += [_against_paper(of), _leak(of), _siblings(of), colour_finding(of)]
    return [sentence for sentence in told if sentence]


def _f1(row: Row | None) -> float | None:
    return value(row, "macro_f1")["value"]


def replicates(of: Results, row: Row) -> bool:
    """Return whether a row is one of the paper's made of the paper's own networks, whatever its label."""
    recipes = [design["recipe"] for design in of.designs() if design["id"] in made_of(row)]
    found = {recipe["architecture"] for recipe in recipes if "architecture" in recipe}
    if row["kind"] == "row":
        return row["table"] is not None and found <= PAPER_NETWORKS["row"]
    return found == PAPER_NETWORKS[row["kind"]]


def _best(of: Results, protocol: str) -> str:
    """Return the model with the highest macro F1 of one protocol, among those judged on all body sites."""
    rows = [row for row in of.rows(protocol, *GENERAL) if _f1(row) is not None and not row["recipe"].get("site")]
    if not rows:
        return ""
    best = max(rows, key=lambda row: _f1(row) or 0.0)
    found = value(best, "macro_f1")
    told = f"{number(found['value'])} {interval(found, missing='')}".rstrip()
    return f" Highest macro F1, {PROTOCOLS[protocol]}: {best['label']}, {told}."


def _against_paper(of: Results) -> str:
    """Return how many of the paper's macro F1 lie in our intervals, of the paper's networks under its own protocol."""
    if "paper" not in of.protocols:
        return ""
    pairs = [
        (row["published"]["macro_f1"], value(row, "macro_f1"))
        for row in of.rows("paper", *GENERAL)
        if replicates(of, row)
        and (row["published"] or {}).get("macro_f1") is not None
        and value(row, "macro_f1")["low"] is not None
    ]
    if not pairs:
        return ""
    inside = sum(1 for paper, ours in pairs if (ours["low"] or 0.0) <= paper <= (ours["high"] or 0.0))
    mean = sum((ours["value"] or 0.0) - paper for paper, ours in pairs) / len(pairs)
    return (
        f"Of the paper's own networks under its protocol, {inside} of {len(pairs)} published macro F1 lie inside our "
        f"95 % interval; ours minus the paper's is {signed(mean)} on the mean."
    )


def _leak(of: Results) -> str:
    """Return how macro F1 changes between the protocols, on the mean over the models that ran under both."""
    if set(PROTOCOLS) - set(of.protocols):
        return ""
    pairs = [[of.row(protocol, row["id"]) for protocol in PROTOCOLS] for row in of.designs(*GENERAL)]
    both = [[_f1(row) for row in pair] for pair in pairs]
    changes = [clean - leaky for leaky, clean in both if leaky is not None and clean is not None]
    if not changes:
        return ""
    return (
        f"From protocol paper to grouped, macro F1 changes by {signed(sum(changes) / len(changes))} on the mean over "
        f"{len(changes)} models (from {signed(min(changes))} to {signed(max(changes))})."
    )


def _siblings(of: Results) -> str:
    """Return what the siblings of the test images give away, of the paired experiment."""
    found = of.siblings()
    if not found:
        return ""
    pooled = found["pooled"]["macro_f1"]
    if pooled["value"] is None:
        return ""
    told = f"{signed(pooled['value'])} {interval(pooled, missing='')}".rstrip()
    return (
        "Paired experiment: training on other photographs of the test lesions changes macro F1 on the same test "
        f"images by {told} ({len(found['seeds'])} {'seed' if len(found['seeds']) == 1 else 'seeds'})."
    )
