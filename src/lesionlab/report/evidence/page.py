"""The evidence report, written: one HTML file that needs nothing else, figures as PNG, tables as CSV, all as JSON."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from lesionlab.errors import DataError
from lesionlab.evaluation.slices import METRICS
from lesionlab.files import write_bytes, write_json, write_text
from lesionlab.models.card import model_card
from lesionlab.report.evaluation_tables import evaluation_tables
from lesionlab.report.evidence import sides, tables
from lesionlab.report.evidence.checklist import checklist
from lesionlab.report.evidence.gathering import Evidence, gather
from lesionlab.report.evidence.people import data_card, people_table
from lesionlab.report.evidence.summary import not_asked, summary
from lesionlab.report.html import Picture, render
from lesionlab.report.parts import Images
from lesionlab.report.passing import without_paths
from lesionlab.report.reliability import draw_reliability
from lesionlab.report.subgroups import PICTURES as FORESTS
from lesionlab.report.table import write_table

PAGE, JSON, TEMPLATE = "index.html", "evidence.json", "evidence/evidence.html.j2"
DATA_CARD, MODEL_CARD = "data_card.md", "model_card.md"

TABLES = (
    *(tables.quality, tables.per_class, tables.targets, tables.operating, tables.sets, tables.abstaining),
    *(tables.elsewhere, sides.worst_groups, sides.groups, sides.stress, sides.wavering, sides.shortcuts),
    *(sides.leakage, sides.faithfulness, sides.comparison, sides.doubts, lambda of: people_table(of.people)),
)

PICTURES: tuple[tuple[str, str, str, str, bool], ...] = (
    ("quality", "evaluation/{part}/confusion.png", "Confusion matrix", "counts, the truth in rows", False),
    ("quality", "evaluation/{part}/roc.png", "ROC curves", "sensitivity against 1 - specificity, by diagnosis", False),
    ("benefit", "evaluation/{part}/decision_curves.png", "Decision curves", "net benefit by threshold", True),
    *(("groups", f"evaluation/{{part}}/{name}", "By group", METRICS[metric], True) for metric, name in FORESTS.items()),
    ("stress", "stress/{part}/stress_curves.png", "Corrupted photographs", "falls by corruption and severity", True),
    ("shortcuts", "shortcuts/{part}/shortcuts.png", "Shortcuts", "without the image, or with a part hidden", True),
    ("others", "comparison/{part}/differences.png", "Differences", "B less A, with 95 % intervals", True),
    ("maps", "faithfulness/{part}/faithfulness_curves.png", "Insertion and deletion", "chance by share erased", True),
)
"""Section, file in the run folder, caption, what it shows, and whether it is wide."""


def report_model(
    model: Path, part: str = "test", images: Images | None = None, out: Path | None = None
) -> tuple[Path, dict[str, str]]:
    """Write the report of a model's run folder; return its page, index.html, and what was not asked, name -> command.

    Beside the page lie figures/*.png, tables/*.csv, model_card.md, data_card.md and evidence.json; none tells a folder
    of the machine.

    Parameters
    ----------
    images : where given, the surest mistakes are shown with maps, which shows photographs and needs torch.
    out : RUN/report/PART where None.

    Raises as `gather` and `mistakes` do, and `DataError` where `out` holds something that is no such report. Needs
    jinja2 and matplotlib.
    """
    of = gather(model, part)
    folder = out or of.run / "report" / part
    if (folder / PAGE).exists() and not (folder / JSON).is_file():
        raise DataError(f"{folder}: holds a page that is no report of this kind", "choose another --out")
    shown: list[Picture] = []
    if images:
        from lesionlab.report.evidence.photographs import mistakes

        shown = mistakes(of, images, folder / "figures")
    told = without_paths(content(of))
    tables_of = {table.name: table for make in TABLES if (table := make(of)).rows}
    for table in tables_of.values():
        write_table(folder / "tables" / f"{table.name}.csv", table)
    pictures = _pictures(of, folder / "figures") | {"photographs": shown}
    write_json(folder / JSON, told)
    write_text(folder / DATA_CARD, data_card(of.model.training, of.people))
    findings = "\n".join(f"- {finding}" for finding in told["summary"])
    write_text(folder / MODEL_CARD, model_card(of.model, evaluation_tables(of.run), findings))
    title = f"{of.model.title}: evidence on {part} images"
    write_text(folder / PAGE, render(TEMPLATE, title=title, of=of, told=told, tables=tables_of, pictures=pictures))
    return folder / PAGE, dict(not_asked(of))


def content(of: Evidence) -> dict[str, Any]:
    """Return all evidence, for JSON.

    Keys: model, part, training (data, split, weights, recipe), made {command, created, versions, machine}, summary,
    metrics (`evaluation.evaluate`), studies: name -> what that study wrote, elsewhere, people (`people.people`), looks,
    checklist: [{list, place, asks, told}], not_asked: [{study, command}].
    """
    return {
        "model": of.model.title,
        "part": of.part,
        "training": of.model.training,
        "made": {key: of.made.get(key) for key in ("command", "created", "versions", "machine")},
        "summary": summary(of),
        "metrics": of.metrics,
        "studies": dict(of.studies),
        "elsewhere": of.elsewhere,
        "people": of.people,
        "looks": of.looks,
        "checklist": [asdict(item) for item in checklist(of)],
        "not_asked": [{"study": name, "command": command} for name, command in not_asked(of)],
    }


def _pictures(of: Evidence, folder: Path) -> dict[str, list[Picture]]:
    """Draw the reliability diagram, copy the run folder's pictures beside it, and return all by section."""
    found: dict[str, list[Picture]] = {section: [] for section, *_ in PICTURES}
    reliability = folder / "reliability.png"
    draw_reliability({f"{of.part} images": of.predictions}, reliability)
    found["calibration"] = [
        Picture(reliability, "How often answers of each probability are right.", "reliability diagram")
    ]
    for section, file, caption, text, wide in PICTURES:
        source = of.run / file.format(part=of.part)
        if source.is_file():
            target = folder / source.name
            write_bytes(target, source.read_bytes())
            found[section].append(Picture(target, f"{caption}: {text}.", f"{caption}: {text}", wide))
    return found
