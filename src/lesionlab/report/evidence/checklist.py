"""Reporting checklists, filled from what a run tells of itself; what it cannot tell stays visibly open.

After TRIPOD+AI (Collins et al., BMJ 2024;385:e078378), its items numbered as there, and CLEAR Derm (Daneshjou et al.,
JAMA Dermatol 2022;158:90), by its four areas. The items are told in short here: whoever submits a paper fills in the
lists themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lesionlab.diagnoses import CODES
from lesionlab.report.evidence.gathering import Evidence

Told = Callable[[Evidence], str]
"""Returns what a report tells of an item, "" where it does not."""


@dataclass(frozen=True)
class Item:
    """An item of a checklist: its list, its number or area, what it asks for, and what of that this report tells."""

    list: str
    place: str
    asks: str
    told: str


def checklist(of: Evidence) -> list[Item]:
    """Return every item, open ones with an empty `told`."""
    tripod = [Item("TRIPOD+AI", place, asks, tell(of) if tell else "") for place, asks, tell in TRIPOD]
    return tripod + [Item("CLEAR Derm", area, asks, tell(of) if tell else "") for area, asks, tell in CLEAR_DERM]


def _title(of: Evidence) -> str:
    return f"{of.model.title}: an image classifier, developed and tested; seven diagnoses, dermoscopic photographs"


def _data(of: Evidence) -> str:
    data = of.model.training.get("data", {})
    if not data:
        return ""
    return f"{data.get('source', '?')}: {data.get('images', '?')} images, case table {data.get('cases', '?')}"


def _split(of: Evidence) -> str:
    split = of.model.training.get("split", {})
    parts = ", ".join(f"{count:,} {part}" for part, count in split.get("images", {}).items())
    if not parts:
        return ""
    return f"protocol {split.get('protocol', '?')}, seed {split.get('seed', '?')}, {split['fingerprint']}: {parts}"


def _people(of: Evidence) -> str:
    by = [name for name in of.people.get("groups", {}) if name != "diagnosis"]
    return f"counts by part and {', '.join(by)}" if by else ""


def _labels(of: Evidence) -> str:
    found = of.people.get("groups", {}).get("dx_type", {})
    total = sum(sum(counts.values()) for counts in found.values())
    return ", ".join(f"{name} {sum(counts.values()) / total:.0%}" for name, counts in found.items())


def _classes(of: Evidence) -> str:
    return ", ".join(f"{code} {of.metrics['per_class'][code]['images']}" for code in CODES)


def _recipe(of: Evidence) -> str:
    recipe = of.model.training.get("recipe", {})
    keys = ("architecture", "size", "epochs", "loss", "augmentation", "seed")
    return ", ".join(f"{key} {recipe[key]}" for key in keys if key in recipe)


def _weights(of: Evidence) -> str:
    weights = of.model.training.get("weights", "")
    if isinstance(weights, dict):
        return f"started from {weights['file']}, SHA-256 {weights['sha256'][:16]}"
    return f"started from {weights}" if weights else ""


def _imbalance(of: Evidence) -> str:
    recipe = of.model.training.get("recipe", {})
    told = [f"{key} {recipe[key]}" for key in ("loss", "sampler", "tau", "prior") if recipe.get(key)]
    return f"{', '.join(told)}; balanced accuracy and macro F1 beside accuracy" if told else ""


def _missing(of: Evidence) -> str:
    left_out = of.model.training.get("data", {}).get("left_out")
    return (
        f"{len(left_out)} unreadable images left out; age, sex and site are no inputs" if left_out is not None else ""
    )


def _thresholds(of: Evidence) -> str:
    decisions = of.model.decisions
    if not decisions:
        return ""
    fit = decisions.fitted_on
    return f"temperature, thresholds and sets fitted on {fit.images:,} {fit.part} images; nothing on the judged ones"


def _performance(of: Evidence) -> str:
    boot = of.metrics["bootstrap"]
    return f"tables of all figures; intervals by {boot['resamples']:,} resamples of lesions"


def _fairness(of: Evidence) -> str:
    found = of.studies.get("subgroups")
    by = sorted({row["attribute"] for row in found["groups"]}) if found else []
    return f"figures by {', '.join(by)}; nothing is known of skin tone" if by else ""


def _versions(of: Evidence) -> str:
    versions = of.made.get("versions", {})
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _looks(of: Evidence) -> str:
    if of.part != "test":
        return ""
    return (
        f"test images were scored {len(of.looks)} time{'s' if len(of.looks) != 1 else ''}, each noted with its command"
    )


def _artefacts(of: Evidence) -> str:
    found = of.studies.get("subgroups") or {}
    marked = {name: row["marked"] for name, row in found.get("traits", {}).items()}
    return "marked by detectors: " + ", ".join(f"{name} {count}" for name, count in marked.items()) if marked else ""


def _stress(of: Evidence) -> str:
    return "12 corruptions in 5 severities, small changes, ink and rulers" if "stress" in of.studies else ""


def _elsewhere(of: Evidence) -> str:
    return f"{of.elsewhere['images']:,} images of another source" if of.elsewhere else ""


def _outliers(of: Evidence) -> str:
    turned = (of.decided or {}).get("turned_away")
    return f"turns away what is unlike dermoscopy; of the judged images {turned['value']:.1%}" if turned else ""


def _limits(of: Evidence) -> str:
    return "the model card lists them; weak groups and corruptions are named in the summary"


def _preprocessing(of: Evidence) -> str:
    shape = "the whole frame" if of.model.frame_aspect == 1 else f"centre-cropped to {of.model.frame_aspect:.3g}:1"
    return f"{shape}, squashed to {of.model.size} x {of.model.size} px by area"


def _open_science(of: Evidence) -> str:
    return "the code is open (Apache-2.0), the model says its licence: " + of.model.licence


def _use(of: Evidence) -> str:
    return "research only; not for any decision about a person"


TRIPOD: tuple[tuple[str, str, Told | None], ...] = (
    ("1", "Title: kind of study, population, outcome", _title),
    ("2", "Structured abstract", None),
    ("3a", "Health care context, and why the model", None),
    ("3b", "Whom it is meant for, where in care", _use),
    ("3c", "Known inequalities of health", None),
    ("4", "Objectives", None),
    ("5a", "Where data come from", _data),
    ("5b", "Dates of the data", None),
    ("6a", "Setting and centres", None),
    ("6b", "Who was eligible", None),
    ("6c", "Treatments", None),
    ("7", "How data were prepared", _preprocessing),
    ("8a", "The outcome, and how it was found out", lambda of: "seven diagnoses: " + ", ".join(CODES)),
    ("8b", "Who judged the outcome, if that takes skill", _labels),
    ("8c", "Whether they were blinded", None),
    ("9a", "Choice of predictors", lambda of: "the photograph alone"),
    ("9b", "Definition of predictors", _preprocessing),
    ("10", "Sample size, and why", None),
    ("11", "Missing data", _missing),
    ("12a", "How data were used and split", _split),
    ("12c", "Kind of model and how it was built", _recipe),
    ("12d", "Differences between clusters", _fairness),
    ("12e", "Measures of performance", _performance),
    ("12f", "Updating after the evaluation", lambda of: "none"),
    ("12g", "How predictions are made", _thresholds),
    ("13", "Class imbalance", _imbalance),
    ("14", "Fairness", _fairness),
    ("15", "Output of the model, thresholds", _thresholds),
    ("16", "Differences between training and evaluation data", _split),
    ("17", "Approval by an ethics committee", None),
    ("18a", "Funding", None),
    ("18b", "Conflicts of interest", None),
    ("18c", "Protocol of the study", None),
    ("18d", "Registration", None),
    ("18e", "Sharing of data", _data),
    ("18f", "Sharing of code", _open_science),
    ("19", "Involvement of patients and the public", None),
    ("20a", "Flow of participants", _split),
    ("20b", "Characteristics of participants", _people),
    ("20c", "Comparison with development data", _people),
    ("21", "Numbers in each analysis", _classes),
    ("22", "The full model", _weights),
    ("23a", "Performance with intervals, in groups too", _performance),
    ("23b", "Heterogeneity between clusters", _elsewhere),
    ("24", "Results of updating", lambda of: "none"),
    ("25", "Interpretation", None),
    ("26", "Limitations", _limits),
    ("27a", "Poor or missing input at use", _outliers),
    ("27b", "What users must do or know", _use),
    ("27c", "Next steps", None),
)
"""Number, what it asks for, and what tells it; None where only the authors can."""

CLEAR_DERM: tuple[tuple[str, str, Told | None], ...] = (
    ("data", "Kind of images", lambda of: "dermoscopic photographs of single lesions"),
    ("data", "Artefacts: hair, ink, rulers", _artefacts),
    ("data", "Cameras and conditions", None),
    ("data", "Preprocessing", _preprocessing),
    ("data", "Synthetic images", None),
    ("data", "Whether the images are public", _data),
    ("data", "Patients: age, sex, site", _people),
    ("data", "Skin tone", None),
    ("data", "Partitions, kept apart by patient or lesion", _split),
    ("data", "Size of training and test sets", _split),
    ("data", "A test set of another clinic", _elsewhere),
    ("data", "Distribution of diagnoses", _classes),
    ("data", "Images that are none of the diagnoses", _outliers),
    ("technique", "How labels were made, share by histology", _labels),
    ("technique", "Development of the algorithm", _recipe),
    ("technical assessment", "How it can be evaluated by others", _open_science),
    ("technical assessment", "Measures with intervals", _performance),
    ("technical assessment", "Comparison with others, experts among them", None),
    ("technical assessment", "Bias and robustness", _stress),
    ("technical assessment", "How often test images were used", _looks),
    ("application", "Use cases and conditions", _use),
    ("application", "Effect on patients and carers", None),
)
"""Area, what it asks for, and what tells it."""
