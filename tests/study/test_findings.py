"""What a study found, in sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_study import add_attention, add_siblings, write_study

from lesionlab.files import read_json, write_json
from lesionlab.study.findings import findings, replicates
from lesionlab.study.results import Results, Row, read_results, value


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return read_results(write_study(tmp_path))


def row(of: Results, name: str) -> Row:
    found = of.row("paper", name)
    assert found is not None
    return found


def changed(of: Results, name: str, protocol: str = "paper", **more: Any) -> Results:
    """Return the results after a row of study.json was changed."""
    state = read_json(of.folder / "study.json")
    one = next(row for row in state["protocols"][protocol]["rows"] if row["id"] == name)
    one |= more
    write_json(of.folder / "study.json", state)
    return read_results(of.folder)


def test_how_many_ran_and_the_best_of_them(results: Results) -> None:
    """The model of one body site has the highest macro F1, but is judged by other images."""
    told = findings(results)
    best = value(row(results, "weighted"), "macro_f1")
    assert told[0] == (
        "Protocol paper: 10 of 13 models ran. Highest macro F1, ours: Weighted average, "
        f"{best['value']:.3f} [{best['low']:.3f}, {best['high']:.3f}]."
    )
    assert told[1].startswith("Protocol grouped: 8 of 13 models ran. Highest macro F1, ours without the leak: ")


def test_only_the_papers_own_networks_count_as_replications(results: Results) -> None:
    """Of three rows with a published macro F1 only Xception is made as the paper's; the Mix-Model has another base."""
    assert [
        name for name in ("xception", "gray", "lite2", "weighted", "mix") if replicates(results, row(results, name))
    ] == ["xception"]
    gap = (value(row(results, "xception"), "macro_f1")["value"] or 0) - 0.78
    assert (
        f"0 of 1 published macro F1 lie inside our 95 % interval; ours minus the paper's is {gap:+.3f}"
        in findings(results)[2]
    )
    recipes = {one["id"]: one["recipe"] for one in results.designs()}
    for name in ("xception", "mel-nv", "akiec-bcc", "mel-bkl"):
        results = changed(results, name, recipe=recipes[name] | {"architecture": "resnet50"})
    assert replicates(results, row(results, "mix"))
    assert "of 2 published" in findings(results)[2]
    results = changed(results, "mel-nv", recipe=recipes["mel-nv"] | {"architecture": "efficientnet_lite0"})
    assert not replicates(results, row(results, "mix"))
    results = changed(results, "xception", recipe=recipes["xception"] | {"architecture": "tiny"})
    assert not replicates(results, row(results, "xception"))
    assert not any("published" in sentence for sentence in findings(results))


def test_an_ensemble_of_the_papers_three_is_its_ensemble(results: Results) -> None:
    three = ["xception", "gray", "lite2"]
    weighted = row(results, "weighted")
    results = changed(results, "weighted", recipe=weighted["recipe"] | {"members": three})
    assert not replicates(results, row(results, "weighted"))
    for name, network in zip(three, ("resnet50", "xception", "inception_resnet_v2"), strict=True):
        results = changed(results, name, recipe=row(results, name)["recipe"] | {"architecture": network})
    assert replicates(results, row(results, "weighted"))


def test_the_mean_change_between_protocols(results: Results) -> None:
    names = ("xception", "gray", "leg", "mix", "margin")
    f1 = [[value(results.row(p, name), "macro_f1")["value"] or 0 for p in ("paper", "grouped")] for name in names]
    mean = sum(clean - leaky for leaky, clean in f1) / 5
    told = f"From protocol paper to grouped, macro F1 changes by {mean:+.3f}".replace("-", "−")
    assert told in findings(results)[3] and "on the mean over 5 models" in findings(results)[3]


def test_what_was_not_made_is_not_mentioned(results: Results) -> None:
    assert len(findings(results)) == 4
    add_siblings(results.folder)
    add_attention(results.folder)
    told = findings(results)
    assert "by +0.031 [0.012, 0.050] (2 seeds)" in told[4]
    assert "no evidence of a difference in 1; border against interior: RGB lower in 1." in told[5]
