"""What a study found, in sentences for the head of its report."""

from __future__ import annotations

from lesionlab.files import read_json
from lesionlab.study.results import PROTOCOLS, Results, Row, value
from lesionlab.study.siblings import FOLDER, RESULT
from lesionlab.study.table import interval, number, signed

GENERAL = ("row", "ensemble", "mix")
"""The kinds of rows that answer with all seven diagnoses."""


def findings(of: Results) -> list[str]:
    """Return the main findings as sentences; what a study did not do is not mentioned."""
    told = []
    for protocol in of.protocols:
        rows, done = of.rows(protocol), [row for row in of.rows(protocol) if row["status"] == "done"]
        told.append(f"Protocol {protocol}: {len(done)} of {len(rows)} models ran.{_best(of, protocol)}")
    told += [_against_paper(of), _leak(of), _siblings(of)]
    return [sentence for sentence in told if sentence]


def _f1(row: Row | None) -> float | None:
    return value(row, "macro_f1")["value"]


def _comparable(row: Row) -> bool:
    """Return whether a row is judged on all body sites, by images that nothing in it was fitted on."""
    return not row["recipe"].get("site") and not row.get("fitted")


def _best(of: Results, protocol: str) -> str:
    """Return the model with the highest macro F1 of one protocol, among the `_comparable` ones."""
    rows = [row for row in of.rows(protocol, *GENERAL) if _f1(row) is not None and _comparable(row)]
    if not rows:
        return ""
    best = max(rows, key=lambda row: _f1(row) or 0.0)
    found = value(best, "macro_f1")
    told = f"{number(found['value'])} {interval(found, missing='')}".rstrip()
    return f" Highest macro F1, {PROTOCOLS[protocol]}: {best['label']}, {told}."


def _against_paper(of: Results) -> str:
    """Return how many of the paper's macro F1 lie in our intervals under the paper's own protocol."""
    if "paper" not in of.protocols:
        return ""
    pairs = [
        (row["published"]["macro_f1"], value(row, "macro_f1"))
        for row in of.rows("paper", *GENERAL)
        if not row.get("fitted")
        and (row["published"] or {}).get("macro_f1") is not None
        and value(row, "macro_f1")["low"] is not None
    ]
    if not pairs:
        return ""
    inside = sum(1 for paper, ours in pairs if (ours["low"] or 0.0) <= paper <= (ours["high"] or 0.0))
    mean = sum((ours["value"] or 0.0) - paper for paper, ours in pairs) / len(pairs)
    return (
        f"On the paper's own split, {inside} of {len(pairs)} published macro F1 lie inside our 95 % interval; "
        f"ours minus the paper's is {signed(mean)} on the mean."
    )


def _leak(of: Results) -> str:
    """Return how macro F1 changes between the protocols, on the mean over the models that ran under both."""
    if set(PROTOCOLS) - set(of.protocols):
        return ""
    pairs = [[of.row(protocol, row["id"]) for protocol in PROTOCOLS] for row in of.designs(*GENERAL)]
    both = [[_f1(row) for row in pair] for pair in pairs if not any(row and row.get("fitted") for row in pair)]
    changes = [clean - leaky for leaky, clean in both if leaky is not None and clean is not None]
    if not changes:
        return ""
    return (
        f"From protocol paper to grouped, macro F1 changes by {signed(sum(changes) / len(changes))} on the mean over "
        f"{len(changes)} models (from {signed(min(changes))} to {signed(max(changes))})."
    )


def _siblings(of: Results) -> str:
    """Return what the siblings of the test images give away, of the paired experiment."""
    path = of.folder / FOLDER / RESULT
    if not path.is_file():
        return ""
    found = read_json(path)
    pooled = found["pooled"]["macro_f1"]
    if pooled["value"] is None:
        return ""
    told = f"{signed(pooled['value'])} {interval(pooled, missing='')}".rstrip()
    return (
        "Paired experiment: training on other photographs of the test lesions changes macro F1 on the same test "
        f"images by {told} ({len(found['seeds'])} {'seed' if len(found['seeds']) == 1 else 'seeds'})."
    )
