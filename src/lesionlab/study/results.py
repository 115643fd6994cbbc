"""What a study has left in its folder, read for the report: study.json, evaluations, histories."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesionlab.errors import DataError
from lesionlab.evaluation.predictions import Predictions, read_predictions
from lesionlab.files import read_json, read_text
from lesionlab.report.passing import without_paths
from lesionlab.study.siblings import FOLDER, RESULT

Row = dict[str, Any]
"""One row of study.json: a trained network, a specialist, an ensemble or a Mix-Model."""

PROTOCOLS: dict[str, str] = {"paper": "ours", "grouped": "ours without the leak"}
"""The protocols in the order of the report's columns, and what their columns are called."""

METRICS: dict[str, str] = {
    "accuracy": "accuracy",
    "macro_precision": "precision",
    "macro_recall": "recall",
    "macro_f1": "F1",
}
"""The paper's four figures, as metrics.json and as the paper call them; all but accuracy are macro means."""


@dataclass(frozen=True)
class Results:
    """A study's folder and what its study.json tells (see `state.collect`)."""

    folder: Path
    state: dict[str, Any]

    @property
    def protocols(self) -> tuple[str, ...]:
        """The protocols that were started, in the order of `PROTOCOLS`."""
        return tuple(name for name in PROTOCOLS if name in self.state["protocols"])

    def rows(self, protocol: str, *kinds: str) -> list[Row]:
        """Return the rows of one protocol, of the given kinds or all."""
        rows: list[Row] = self.state["protocols"][protocol]["rows"]
        return [row for row in rows if not kinds or row["kind"] in kinds]

    def designs(self, *kinds: str) -> list[Row]:
        """Return one row per id, in the grid's order, for what does not differ between protocols."""
        found: dict[str, Row] = {}
        for protocol in self.protocols:
            for row in self.rows(protocol, *kinds):
                found.setdefault(row["id"], row)
        return list(found.values())

    def label(self, identifier: str) -> str:
        """Return the label of the row of that id, the id itself where there is none."""
        return next((str(row["label"]) for row in self.designs() if row["id"] == identifier), identifier)

    def lead(self, protocol: str) -> Row | None:
        """Return the row that stands for the paper's best network: `base`, or `best` where that is not done."""
        base = self.row(protocol, self.base)
        return base if base and base["status"] == "done" else self.best(protocol)

    def row(self, protocol: str, identifier: str) -> Row | None:
        """Return the row of that id, None where the protocol has none."""
        return next((row for row in self.rows(protocol) if row["id"] == identifier), None)

    @property
    def base(self) -> str:
        """The id of the first Mix-Model's base, which is the paper's best network; "" in a study without one."""
        return next((str(mix["recipe"]["base"]) for mix in self.designs("mix")), "")

    def best(self, protocol: str) -> Row | None:
        """Return the network with the highest macro F1, of one body site only where no other is done; None without."""
        done = [row for row in self.rows(protocol, "row") if row["status"] == "done"]
        general = [row for row in done if not row["recipe"].get("site")]
        return max(general or done, key=lambda row: value(row, "macro_f1")["value"] or 0.0, default=None)

    def pair(self, identifier: str) -> list[str]:
        """Return the diagnoses that a specialist was trained for; [] for a row that knows all."""
        return next((list(row["recipe"].get("classes", ())) for row in self.designs() if row["id"] == identifier), [])

    def evaluation(self, protocol: str, row: Row) -> Path | None:
        """Return the folder of a row's evaluation on the protocol's part, None where it has none."""
        if not row["run"]:
            return None
        folder = self.folder / row["run"] / "evaluation" / self.state["protocols"][protocol]["part"]
        return folder if folder.is_dir() else None

    def predictions(self, protocol: str, identifier: str) -> Predictions | None:
        """Return the predictions of a row on the protocol's part, None where it has none."""
        row = self.row(protocol, identifier)
        folder = self.evaluation(protocol, row) if row else None
        path = folder / "predictions.csv" if folder else None
        return read_predictions(path) if path and path.is_file() else None

    def history(self, row: Row) -> list[dict[str, Any]]:
        """Return the epochs of a row's history.jsonl; [] where it has none."""
        path = self.folder / row["run"] / "history.jsonl" if row["run"] else None
        return [json.loads(line) for line in read_text(path).splitlines()] if path and path.is_file() else []

    def experiments(self, name: str) -> Iterator[tuple[str, Any]]:
        """Yield (protocol, content) of each OUT/PROTOCOL/`name` that is there."""
        for protocol in self.protocols:
            path = self.folder / protocol / name
            if path.is_file():
                yield protocol, without_paths(read_json(path))

    def siblings(self) -> dict[str, Any]:
        """Return what the paired leak experiment found (see `siblings.run_siblings`), {} where it was not made."""
        path = self.folder / FOLDER / RESULT
        found: dict[str, Any] = without_paths(read_json(path)) if path.is_file() else {}
        return found


def read_results(folder: Path) -> Results:
    """Read a study's folder; `DataError` where it holds no study or a damaged one.

    No text of it names a folder of the machine.
    """
    path = folder / "study.json"
    if not path.is_file():
        raise DataError(f"{folder}: no study here (study.json is missing)", "make one with: lesionlab study run")
    state = without_paths(read_json(path))
    if not isinstance(state, dict) or not isinstance(state.get("protocols"), dict) or not state["protocols"]:
        raise DataError(f"{path}: this is not the state of a study", "run the study again; finished rows are kept")
    found = Results(folder, state)
    if not found.protocols:
        known = ", ".join(PROTOCOLS)
        raise DataError(f"{path}: its protocols are none of {known}", "run the study again with --protocol")
    return found


def value(row: Row | None, metric: str) -> dict[str, float | None]:
    """Return {value, low, high} of a metric of a row, all None where the row is not done."""
    if row is None or row["status"] != "done" or not row["figures"]:
        return {"value": None, "low": None, "high": None}
    found: dict[str, float | None] = row["figures"]["metrics"][metric]
    return found


def why_missing(row: Row | None) -> str:
    """Return in words why a row has no figures: "not run: reason"."""
    if row is None:
        return "not run"
    return f"{row['status']}: {row['reason']}" if row["reason"] else str(row["status"])
