"""The head of a report: what a clinician needs to know of a model, in sentences made of its figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lesionlab.data.splits import keeps_lesions_together
from lesionlab.diagnoses import CODES, MALIGNANT, NAMES
from lesionlab.evaluation.evaluate import with_interval
from lesionlab.evaluation.leakage import ALL
from lesionlab.evaluation.shortcuts import BACKGROUND_BOX, METADATA
from lesionlab.report.evidence.gathering import STUDIES, Evidence
from lesionlab.report.table import number

Figure = Mapping[str, Any]


def summary(of: Evidence) -> list[str]:
    """Return the findings in order of weight, each one or two sentences; what was not asked is not told."""
    return [*_judges(of), *_melanoma(of), *_malignant(of), *_sure(of), *_weak(of)]


def not_asked(of: Evidence) -> list[tuple[str, str]]:
    """Return (what was not done, the command that does it)."""
    return [(name, study.command.format(part=of.part)) for name, study in STUDIES.items() if name not in of.studies]


def _judges(of: Evidence) -> Iterator[str]:
    split = of.model.training.get("split", {})
    told = f"{of.metrics['images']:,} {of.part} images of {of.metrics['lesions']:,} lesions judge it"
    protocol = split.get("protocol")
    if protocol and keeps_lesions_together(protocol):
        yield f"{told}; all photographs of a lesion lie on one side of the split: none of these lesions was learnt."
    elif protocol:
        yield f"{told}; split {protocol} may put photographs of one lesion on both sides: figures are too high."
    else:
        yield f"{told}; how they were split from training is not known."
    yield from _leaking(of)
    if protocol and protocol.startswith("external-"):
        yield f"All of them are of a source that it has not learnt from, {protocol.removeprefix('external-')}."
    if of.seen:
        yield f"These are {of.part} images: they had a part in making the model, so its figures are too good."


def _leaking(of: Evidence) -> Iterator[str]:
    if found := of.studies.get("leakage"):
        row, test, train = found["counts"][ALL], found["test"]["readable"], found["train"]["readable"]
        compared = f"The pixels of {test:,} were compared with {train:,} others."
        if row["any"]:
            yield (
                f"{row['any']:,} of them ({row['share']:.1%}) are copies from the training images, or show a lesion of "
                f"theirs: figures are too high. {compared}"
            )
        else:
            yield f"None is a copy of a training image. {compared}"


def _melanoma(of: Evidence) -> Iterator[str]:
    row = of.metrics["per_class"]["mel"]
    if row["recall"]["value"] is None:
        yield "There is no melanoma among the judged images."
        return
    yield (
        f"Of 100 melanomas, {_of_100(row['recall'])} are answered as melanoma; of 100 such answers, "
        f"{_of_100(row['precision'])} are right. Melanomas are ranked above the rest with an AUROC of "
        f"{with_interval(of.metrics['metrics']['melanoma_auroc'])}."
    )
    counts = of.metrics["confusion"]["counts"][CODES.index("mel")]
    benign = [(count, code) for code, count in zip(CODES, counts, strict=True) if code not in MALIGNANT and count]
    if benign:
        lost = sum(count for count, _ in benign)
        most = max(benign)
        total = sum(counts)
        yield (
            f"{lost} of {total} photographs of melanomas are answered with a benign diagnosis, most often "
            f"{NAMES[most[1]].lower()} ({most[0]})."
        )


def _malignant(of: Evidence) -> Iterator[str]:
    decisions = of.model.decisions
    if not decisions or not of.decided or not decisions.default_point:
        return
    for point in of.decided["operating"]:
        if point["target"] == "malignant" and point["aim"] == decisions.default_point:
            flagged = with_interval(point["flagged_per_found"], 1)
            yield (
                f"With the threshold chosen on validation for {point['aim']}, it finds {_of_100(point['sensitivity'])} "
                f"of 100 malignant photographs and leaves {_of_100(point['specificity'])} of 100 benign ones alone. "
                f"Where {point['prevalence']:.0%} of lesions are malignant, {flagged} benign ones are flagged for each "
                "malignant one that is found."
            )


def _sure(of: Evidence) -> Iterator[str]:
    yield f"Its probabilities are off by {with_interval(of.metrics['metrics']['ece'])} on average (calibration error)."
    if not of.decided:
        return
    if sets := of.decided["sets"]:
        known = {code: figure for code, figure in sets["per_class"].items() if figure["value"] is not None}
        code = min(known, key=lambda one: known[one]["value"])
        yield (
            f"Its prediction sets hold the truth in {with_interval(sets['covered'], 2)} of images, meant are "
            f"{sets['coverage']:.2f}; least often of {NAMES[code].lower()}, {with_interval(known[code], 2)}. They name "
            f"{sets['size']['value']:.1f} diagnoses on average."
        )
    abstaining = of.decided["abstaining"]
    answered, everything = (number(abstaining[key]["value"]) for key in ("answered", "balanced_accuracy"))
    yield (
        f"It abstains of {with_interval(abstaining['abstained'], 2)} of these images; balanced accuracy is {answered} "
        f"on the others, {everything} on all."
    )


def _weak(of: Evidence) -> Iterator[str]:
    if groups := of.studies.get("subgroups"):
        worst = [row for row in groups["worst"].values() if row and row["beyond_chance"]]
        if worst:
            named = sorted({f"{row['attribute']} {row['group']}" for row in worst})
            yield f"It is worse than elsewhere, beyond what many comparisons explain, in: {', '.join(named)}."
        else:
            yield "No group of images is worse beyond what the number of groups compared explains."
    if stress := of.studies.get("stress"):
        name = stress["corruptions"]["worst"]["balanced_accuracy"]
        if name:
            fall = stress["corruptions"]["by_name"][name]["mean"]["balanced_accuracy_drop"]
            yield (
                f"Of the corruptions, {name} hurts most: balanced accuracy falls by {with_interval(fall, 2)} of "
                f"itself. Small changes flip {with_interval(stress['flips']['mean'], 2)} of the answers."
            )
    if shortcuts := of.studies.get("shortcuts"):
        for section, version in (("metadata", METADATA), ("masked", BACKGROUND_BOX)):
            if told := shortcuts[section].get("readings", {}).get(version):
                yield f"{told[0].upper()}{told[1:]}."
    yield from of.studies.get("faithfulness", {}).get("verdict", ())
    if other := of.studies.get("comparison"):
        name = Path(other["models"]["b"]).name
        yield f"Beside {name} (B; A is this model) on the same images: {other['verdict']}."
    if doubts := of.studies.get("doubts"):
        yield (
            f"Its answers to {doubts['images']:,} images that it has not learnt contradict {doubts['share']:.1%} of "
            "the labels; most often it is the model that errs."
        )


def _of_100(figure: Figure) -> str:
    """Return a share as "82 [79, 85]", of 100."""
    return with_interval({key: figure[key] and 100 * figure[key] for key in ("value", "low", "high")}, 0)
