"""The sentences at the head say what the figures say."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from lesionlab.models.bundle import Bundle
from lesionlab.report.evidence.gathering import Evidence
from lesionlab.report.evidence.summary import not_asked, summary


def changed(of: Evidence, **training: Any) -> Evidence:
    assert isinstance(of.model, Bundle)
    return replace(of, model=of.model.model_copy(update={"training": training}))


def test_who_judges_and_what_it_means(bare: Evidence) -> None:
    assert "may put photographs of one lesion on both sides" in summary(changed(bare, split={"protocol": "paper"}))[0]
    assert "none of these lesions was learnt" in summary(changed(bare, split={"protocol": "grouped"}))[0]
    assert "is not known" in summary(changed(bare))[0]
    abroad = summary(changed(bare, split={"protocol": "external-rosendahl"}))
    assert "none of these lesions was learnt" in abroad[0] and "not learnt from, rosendahl" in abroad[1]
    assert "had a part in making the model" in summary(bare)[1]
    for part in ("test", "kept_out"):
        assert not any("had a part" in told for told in summary(replace(bare, part=part)))


def test_melanomas_are_counted(bare: Evidence) -> None:
    of = replace(bare, metrics=copy.deepcopy(bare.metrics))
    of.metrics["per_class"]["mel"]["recall"] = {"value": 0.75, "low": 0.5, "high": 1.0}
    of.metrics["confusion"]["counts"][4] = [0, 1, 2, 0, 9, 0, 0]
    told = " ".join(summary(of))
    assert "Of 100 melanomas, 75 [50, 100] are answered as melanoma" in told
    assert (
        "2 of 12 photographs of melanomas are answered with a benign diagnosis, most often benign keratosis (2)" in told
    )
    of.metrics["per_class"]["mel"]["recall"] = {"value": None, "low": None, "high": None}
    assert "There is no melanoma among the judged images." in summary(of)


def test_weaknesses_are_told_where_they_were_asked(bare: Evidence, full: Evidence) -> None:
    told = " ".join(summary(full))
    assert f"{full.studies['stress']['corruptions']['worst']['balanced_accuracy']} hurts most" in told
    assert "hurts most" not in " ".join(summary(bare))
    assert {name for name, _ in not_asked(full)} == set()
    assert "Melanoma AUROC: age, sex and site alone" in told and "lesion hidden by a box" in told
    of = replace(full, studies=copy.deepcopy(dict(full.studies)))
    for row in of.studies["subgroups"]["worst"].values():
        if row:
            row["beyond_chance"] = False
    assert "No group of images is worse" in " ".join(summary(of))


def test_a_leak_is_told_before_any_figure(full: Evidence) -> None:
    of = replace(full, studies=copy.deepcopy(dict(full.studies)))
    of.studies["leakage"]["counts"]["all"] |= {"any": 3, "share": 0.15}
    assert summary(of)[1].startswith("3 of them (15.0%) are copies from the training images")
    of.studies["leakage"]["counts"]["all"] |= {"any": 0, "share": 0.0}
    assert summary(of)[1].startswith("None is a copy of a training image")
    assert f"contradict {of.studies['doubts']['share']:.1%} of the labels" in summary(of)[-1]
