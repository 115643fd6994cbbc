"""Bulk answers on a Ray cluster, through Ray Data: actors hold the model and answer blocks of the listing.

The cluster is the one that RAY_ADDRESS names; without, one is started on this machine for as long as the run lasts. The
images, the model, the folder that the command runs in and lesionlab must be on each machine under the same path.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import warnings
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lesionlab.errors import ModelError
from lesionlab.models.composite import card_digest, read_model
from lesionlab.prediction.bulk import Engine, local_engine
from lesionlab.prediction.parts import Row, format_entry, format_row, parse_entry, parse_row
from lesionlab.prediction.paths import Entry
from lesionlab.prediction.predictor import BATCH, Predictor

if TYPE_CHECKING:
    import pyarrow

BLOCK = 16 * BATCH
"""Images that are sent to an actor together; whole batches, so that these are those of the local engine."""


FAULT = "fault"
"""What stands in the place of rows where an actor could not answer: message and hint."""


def ray_engine(predictor: Predictor, views: int | None = None, workers: int | None = None) -> Engine:
    """Return the engine that answers on a Ray cluster.

    Parameters
    ----------
    predictor, views : what each actor makes its own like.
    workers : how many actors, with a processor each; one for each processor of the cluster where None.

    The engine raises `ModelError` where an actor finds another model at the path, and `ModuleNotFoundError` without
    Ray.
    """
    given = {
        "folder": str(Path.cwd()),
        "model": str(predictor.model.folder.absolute()),
        "card": card_digest(predictor.model),
        "views": views,
        "point": predictor.point,
    }

    def rows(entries: Iterable[Entry]) -> Iterator[Row]:
        with _connected(workers):
            yield from _rows(entries, given, workers)

    return rows


@contextlib.contextmanager
def _connected(workers: int | None) -> Iterator[None]:
    """Connect to the cluster, or start one that only this machine can reach; nothing is told to Ray's makers."""
    cluster = os.environ.get("RAY_ADDRESS")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its remarks to programmers; errors come as exceptions
    if not cluster:
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # which is Ray's word for: listen on 127.0.0.1 alone
    import ray  # now, because it looks at the environment when it is imported

    before = signal.getsignal(signal.SIGTERM)
    if cluster:
        ray.init(log_to_driver=False, logging_level="ERROR")
    else:
        ray.init("local", num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    signal.signal(signal.SIGTERM, before)  # Ray takes the signal for itself
    try:
        yield
    finally:
        ray.shutdown()
        signal.signal(signal.SIGTERM, before)  # and forgets who had it


def _rows(entries: Iterable[Entry], given: dict[str, Any], workers: int | None) -> Iterator[Row]:
    """Yield the rows in the order of the images."""
    import pyarrow
    import ray
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"ray\.data\.")
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    lines = (format_entry(entry).decode("ascii") for entry in entries)
    blocks = iter(lambda: list(islice(lines, BLOCK)), [])
    listing = ray.data.from_arrow_refs([ray.put(pyarrow.table({"entry": block})) for block in blocks])
    answered = listing.map_batches(
        _Actor,
        fn_constructor_kwargs=given,
        batch_size=None,
        batch_format="pyarrow",
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(size=workers or int(ray.cluster_resources()["CPU"])),
    )
    for table in answered.iter_batches(batch_size=None, batch_format="pyarrow"):
        for line in table["row"].to_pylist():
            row = parse_row(line)
            if FAULT in row:
                raise ModelError(*row[FAULT])
            yield row


class _Actor:
    """Answers blocks of the listing on one processor of the cluster.

    A fault of the model is answered too, because Ray would begin the actor anew and hide the reason.
    """

    def __init__(self, **given: Any) -> None:
        self._given = given
        self._engine: Engine | None = None

    def __call__(self, block: pyarrow.Table) -> pyarrow.Table:
        import pyarrow

        try:
            self._engine = self._engine or _local(**self._given)
            rows = list(self._engine(parse_entry(line) for line in block["entry"].to_pylist()))
        except ModelError as error:
            rows = [{FAULT: [error.message, error.hint]}]
        return pyarrow.table({"row": [format_row(row) for row in rows]})


def _local(folder: str, model: str, card: str, views: int | None, point: str | None) -> Engine:
    """Return the local engine on another machine; `ModelError` where that is not prepared."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise ModelError(f"{folder}: not there for each worker: {error.strerror}", "share the folder") from None
    found = read_model(Path(model))
    if card_digest(found) != card:
        raise ModelError(f"{model}: not the same model for each worker", "copy it to all machines under one path")
    return local_engine(Predictor(found, views, threads=1, point=point), threads=1)
