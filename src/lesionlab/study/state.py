"""A study's folder: where everything lies in it, what was begun there, and how far each model is."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import yaml

from lesionlab.data.cases import Case
from lesionlab.data.splits import Split, read_split, siblings_across, write_split
from lesionlab.errors import DataError, UsageError
from lesionlab.files import checksum, lock, read_json, write_json, write_text
from lesionlab.models.storage import CARD
from lesionlab.study.grid import Grid, fingerprint, load_grid, settings
from lesionlab.study.rows import EnsembleRow, MixRow, Row

GRID, BEGUN, STATE = "grid.yaml", "begun.json", "study.json"
PARTS: dict[str, str] = {"paper": "val", "grouped": "test"}
"""Protocol -> the part whose images are judged: the paper has no third part."""

Item = Row | EnsembleRow | MixRow
"""A model of the grid."""


def folder_of(out: Path, protocol: str, item: Item) -> Path:
    """Return the folder of a model: its run, or what its members are combined in."""
    return out / protocol / ("rows" if isinstance(item, Row) else "combined") / item.id


def note_of(folder: Path) -> Path:
    """Return the file that tells why a model was not made, beside its folder."""
    return folder.with_name(f"{folder.name}.note.json")


def is_done(out: Path, protocol: str, item: Item, grid: Grid) -> bool:
    """Return whether a model is made and judged; one that is made of others, only while they are the same."""
    return metrics_of(out, protocol, item).is_file() and (
        isinstance(item, Row) or is_current(out, protocol, item, grid)
    )


def metrics_of(out: Path, protocol: str, item: Item) -> Path:
    """Return the file that a model's evaluation writes last."""
    return folder_of(out, protocol, item) / "evaluation" / PARTS[protocol] / "metrics.json"


def is_current(out: Path, protocol: str, item: EnsembleRow | MixRow, grid: Grid) -> bool:
    """Return whether a model is made of the very models that lie in its members' rows now."""
    card = folder_of(out, protocol, item) / "model" / CARD
    rows = [folder_of(out, protocol, grid.row(name)) for name in needs(item)]
    return card.is_file() and list(read_json(card)["members"].values()) == [model_digest(row) for row in rows]


def model_digest(folder: Path) -> str:
    """Return the SHA-256 of the card of the model in `folder`, which names every file of it; "" where there is none."""
    card = folder / "model" / CARD
    return checksum(card) if card.is_file() else ""


def items(grid: Grid) -> tuple[Item, ...]:
    """Return every model of the grid in an order in which each finds those it is made of: specialists after rows."""
    specialists = [row for row in grid.rows if row.parent]
    return (*(row for row in grid.rows if not row.parent), *specialists, *grid.ensembles, *grid.mixes)


def needs(item: Item) -> tuple[str, ...]:
    """Return the ids of the rows that must be done before this model can be made."""
    if isinstance(item, Row):
        return (item.parent,) if item.parent else ()
    return item.members if isinstance(item, EnsembleRow) else (item.base, *item.specialists)


def begin(out: Path, grid: Grid, begun: dict[str, Any]) -> None:
    """Claim a folder for this grid and budget, or check that it is theirs; `begun` is what `BEGUN` will say.

    Raises `UsageError` when another grid, budget or start is in the folder, or something that is no study.
    """
    mark = fingerprint(grid, begun["budget"])
    if (out / BEGUN).is_file():
        before = read_json(out / BEGUN)
        if before["fingerprint"] != mark:
            raise UsageError(
                f"{out}: holds study {before['study']} with budget {before['budget']} ({before['fingerprint']}), "
                f"not study {grid.name} with budget {begun['budget']} as it is now ({mark})",
                "choose another --out, or go on with the grid and budget that are there",
            )
        if (before["weights"] == "none") != (begun["weights"] == "none"):
            raise UsageError(
                f"{out}: its networks start from {before['weights']}, not from {begun['weights']}",
                "choose another --out, or the same --weights",
            )
    elif any((out / name).exists() for name in (GRID, STATE, *PARTS)):
        raise UsageError(f"{out}: holds something that is no study", "choose another --out")
    else:
        write_json(out / BEGUN, {"study": grid.name, "fingerprint": mark, **begun})
    write_text(out / GRID, yaml.safe_dump(grid.model_dump(mode="json", exclude_none=True), sort_keys=False))


def begin_protocol(out: Path, protocol: str, split: Split, cases: list[Case]) -> None:
    """Write the split that all rows of a protocol share, and what it leaks; `DataError` when another is there."""
    path = out / protocol / "split.csv"
    if path.is_file() and read_split(path).fingerprint != split.fingerprint:
        raise DataError(f"{path}: not the split of these images", "name the source that the study began with")
    parts = list(split.parts.values())
    told = {
        "images": {part: parts.count(part) for part in sorted(set(parts))},
        "leak": {dx: list(pair) for dx, pair in siblings_across(cases, split, PARTS[protocol]).items()},
    }
    write_json(out / protocol / "split.json", told)
    write_split(path, split)


def collect(out: Path) -> dict[str, Any]:
    """Return how far every model of the study in `out` is, with its figures, ready for JSON.

    Keys: study, title, budget, note, grid (fingerprint), weights, command, created, and protocols: name -> {split
    (fingerprint), part, images: part -> count, leak: dx -> [images whose lesion is also in train, images], rows}. A row
    has id, label, kind (row, specialist, ensemble, mix), table, number, published, status (done, failed, not run,
    unfinished), reason, exit_code (of what failed, else None), run (path in `out`), command, seconds (of training),
    recipe, figures (metrics.json), fitted (whether weights or a margin were fitted on the images that judge).
    Raises `DataError` when `out` holds no study.
    """
    if not (out / BEGUN).is_file():
        raise DataError(f"{out}: no study is here", "make one with: lesionlab study run")
    begun, grid = read_json(out / BEGUN), load_grid(str(out / GRID))
    return {
        "study": begun["study"],
        "title": grid.title,
        "budget": begun["budget"],
        "note": grid.budgets[begun["budget"]].note,
        "grid": begun["fingerprint"],
        "weights": begun["weights"],
        "command": _whole_command(grid, begun),
        "created": begun["created"],
        "protocols": {
            protocol: {
                "split": read_split(out / protocol / "split.csv").fingerprint,
                "part": part,
                **read_json(out / protocol / "split.json"),
                "rows": [_row(out, protocol, item, grid, begun) for item in items(grid)],
            }
            for protocol, part in PARTS.items()
            if (out / protocol / "split.csv").is_file()
        },
    }


def write_state(out: Path) -> dict[str, Any]:
    """Write OUT/study.json anew and return its content, one process after the other: the last one has seen most."""
    with lock(out, "the study", wait=True):
        state = collect(out)
        write_json(out / STATE, state)
    return state


def missing(state: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return (protocol, id, status, reason) of every model that is not done."""
    return [
        (protocol, row["id"], row["status"], row["reason"])
        for protocol, about in state["protocols"].items()
        for row in about["rows"]
        if row["status"] != "done"
    ]


def _row(out: Path, protocol: str, item: Item, grid: Grid, begun: dict[str, Any]) -> dict[str, Any]:
    folder = folder_of(out, protocol, item)
    described = read_json(folder / "run.json") if (folder / "run.json").is_file() else {}
    status, reason, exit_code = _status(out, protocol, item, grid)
    return {
        "id": item.id,
        "label": item.label,
        "kind": _kind(item),
        "table": item.table if isinstance(item, Row) else None,
        "number": item.number if isinstance(item, Row) else None,
        "published": item.published.model_dump() if item.published else None,
        "base_published": _base_published(item),
        "status": status,
        "reason": reason,
        "exit_code": exit_code,
        "run": str(folder.relative_to(out)) if folder.is_dir() else None,
        "command": _command(protocol, item, grid, begun),
        "seconds": described.get("training", {}).get("seconds"),
        "recipe": _settings(item, grid, begun["budget"]),
        "figures": read_json(metrics_of(out, protocol, item)) if status == "done" else None,
        "fitted": _fitted(folder, protocol),
    }


def _base_published(item: Item) -> dict[str, Any] | None:
    return item.base_published.model_dump() if isinstance(item, MixRow) and item.base_published else None


def _fitted(folder: Path, protocol: str) -> bool:
    """Return whether weights or a margin were fitted on the very images that judge the model."""
    card = folder / "model" / CARD
    return card.is_file() and read_json(card).get("training", {}).get("fitted_on", {}).get("part") == PARTS[protocol]


def _status(out: Path, protocol: str, item: Item, grid: Grid) -> tuple[str, str, int | None]:
    """Return a model's status, the reason where it is not done, and the exit code of a failure."""
    folder = folder_of(out, protocol, item)
    if is_done(out, protocol, item, grid):
        return "done", "", None
    if note_of(folder).is_file():
        note = read_json(note_of(folder))
        return note["status"], note["reason"], note["exit_code"]
    if (folder / "model").is_dir() and not isinstance(item, Row) and not is_current(out, protocol, item, grid):
        return "unfinished", "a member was trained anew; the same command makes it anew too", None
    if (folder / "run.json").is_file():
        return "unfinished", "the same command goes on with it", None
    return "not run", "not begun", None


def _kind(item: Item) -> str:
    if isinstance(item, Row):
        return "specialist" if item.parent else "row"
    return "ensemble" if isinstance(item, EnsembleRow) else "mix"


def _settings(item: Item, grid: Grid, budget: str) -> dict[str, Any]:
    if isinstance(item, Row):
        return settings(grid, item, budget).model_dump(mode="json")
    return item.model_dump(mode="json", exclude={"id", "label", "published", "base_published"})


def _command(protocol: str, item: Item, grid: Grid, begun: dict[str, Any]) -> str:
    """Return the command that makes this model and those it is made of, with SOURCE and OUT to be filled in."""
    wanted: list[str] = []
    for name in (*needs(item), item.id):
        parents = needs(grid.row(name)) if name != item.id else ()
        wanted += [row for row in (*parents, name) if row not in wanted]
    return _run_command(grid, begun, protocol, "--only", ",".join(wanted))


def _whole_command(grid: Grid, begun: dict[str, Any]) -> str:
    """Return the command that makes the whole study, whatever was called in which order to get here."""
    return _run_command(grid, begun, "both")


def _run_command(grid: Grid, begun: dict[str, Any], protocol: str, *more: str) -> str:
    words = ["lesionlab", "study", "run", begun["named"], "--data", "SOURCE", "--out", "OUT", "--protocol", protocol]
    words += ["--budget", begun["budget"], *more]
    if begun["weights"] != grid.budgets[begun["budget"]].weights:
        words += ["--weights", begun["weights"]]
    return shlex.join(words)
