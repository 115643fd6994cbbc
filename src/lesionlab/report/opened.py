"""One part of a source, opened for a trained model that is to be asked about it."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesionlab.data.cases import Case, labelled
from lesionlab.data.packs import Pack
from lesionlab.data.splits import Split
from lesionlab.errors import DataError, UsageError
from lesionlab.evaluation.intervals import LEVEL, check_resamples
from lesionlab.files import disk_error, read_text
from lesionlab.models.bundle import Bundle
from lesionlab.models.composite import Composite, read_model
from lesionlab.report.parts import PARTS, Images, part_images, run_folder, split_of

LOOKS = "looks.jsonl"


@dataclass(frozen=True, eq=False)
class Opened:
    """A model, and one part of a source at its size.

    run : the model's run folder, None for a lone model. folder : where results go. split : None where every image is
    taken, whatever the split. pack : the source's pixels. cases : the part's images, unreadable ones too.
    """

    part: str
    model: Bundle | Composite
    run: Path | None
    folder: Path
    split: Split | None
    pack: Pack
    cases: list[Case]

    def diagnosed(self, source: Path) -> list[Case]:
        """Return the images that have a diagnosis and can be read; `DataError`, of this source, where none does."""
        known = self.pack.readable(labelled(self.cases, str(source)))
        if not known:
            raise DataError("none of the images can be read", "see: lesionlab data check")
        return known

    def told(self, image_ids: Sequence[str], resamples: int, command: str) -> dict[str, Any]:
        """Return what every study tells of how it asked about images; test images among them count as looked at.

        Keys: model, part, folder : what was asked about, and where the files lie. left_out : unreadable images.
        trained_on, looks : see these methods. bootstrap : {resamples, seed, unit, level}.
        """
        return {
            "model": self.model.title,
            "part": self.part,
            "folder": str(self.folder),
            "left_out": [problem.image_id for problem in self.pack.left_out],
            "trained_on": self.trained_on(image_ids),
            "looks": self.note_look(image_ids, command),
            "bootstrap": {"resamples": resamples, "seed": 0, "unit": "lesion", "level": LEVEL},
        }

    def trained_on(self, image_ids: Sequence[str]) -> int | None:
        """Return how many of the images the model was trained on, None where that is not known."""
        if self.split is None:
            return None
        return sum(self.split.parts.get(image_id) == "train" for image_id in image_ids)

    def note_look(self, image_ids: Sequence[str], command: str) -> int | None:
        """Append a line to the run's `LOOKS` when test images are among the predicted, and return how many there are.

        None where no run folder keeps count.
        """
        if self.run is None or self.split is None:
            return None
        path = self.run / LOOKS
        lines = read_text(path).splitlines() if path.is_file() else []
        if any(self.split.parts.get(image_id) == "test" for image_id in image_ids):
            look = {
                "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                "part": self.part,
                "split": self.split.fingerprint,
                "command": command,
            }
            lines.append(json.dumps(look))
            try:
                with path.open("a", encoding="utf-8") as file:
                    file.write(lines[-1] + "\n")
            except OSError as error:
                raise disk_error(path, error) from error
        return len(lines)


def open_part(
    model: Path,
    images: Images,
    part: str,
    split_file: Path | None = None,
    out: Path | None = None,
    resamples: int = 0,
    kind: str = "evaluation",
) -> Opened:
    """Read a model and the images of one part; nothing is written.

    Parameters
    ----------
    model : run folder or model folder, of one model or of several combined; a run folder, and a folder where a
        combined model and its split.csv lie, brings the split that it was trained with.
    part : one of `PARTS`; "all" takes every labelled image, whatever the split says.
    split_file : the split, where the model has no run folder; it must be the one that the model was trained with.
    out : where results go; RUN/KIND/PART where None.
    resamples : of the bootstrap to come, checked before the model is asked; 0 for none.

    Raises `UsageError` for options that do not fit together, `DataError` for a source that does not hold the split's
    images or a split that is not the model's, `ModelError` for a model that cannot be used.
    """
    if part not in PARTS:
        raise UsageError(f"--split {part}: no such part", f"parts are {', '.join(PARTS)}")
    if resamples:
        check_resamples(resamples)
    described, run = read_model(model), run_folder(model)
    folder = out or (run / kind / part if run else None)
    if folder is None:
        raise UsageError(f"{model}: has no run folder to write into", "name a folder with --out")
    split = split_of(described, run, part, split_file)
    packed, cases = part_images(described, split, images, part)
    return Opened(part, described, run, folder, split, packed, cases)
