"""The reading room itself: from an upload to what the model says of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from starlette.requests import Request

from lesionlab.diagnoses import CODES
from lesionlab.errors import ImageError
from lesionlab.models.bundle import Bundle
from lesionlab.models.composite import Composite
from lesionlab.prediction.judging import Verdict, judge
from lesionlab.prediction.lesions import LesionAnswer, by_lesion
from lesionlab.prediction.predictor import Answer
from lesionlab.web import pictures, schemas
from lesionlab.web.about import about, told
from lesionlab.web.batching import Batcher, Seen
from lesionlab.web.faults import ClientGoneError, FaultError
from lesionlab.web.monitoring import Metrics
from lesionlab.web.settings import MIB, Settings
from lesionlab.web.uploads import Held, read_form

YES_NO = ("true", "false")
Choices = Mapping[str, Sequence[str]]
T = TypeVar("T")


class Room:
    """A model that answers requests.

    model : its description. predict_choices, explain_choices : form field -> the values that it may have.

    Raises `ModelError` for a model that cannot be loaded; `threads` as in `Batcher`.
    """

    def __init__(self, model: Bundle | Composite, settings: Settings, threads: int | None = None) -> None:
        self.batcher = Batcher(model, settings.queue, threads, settings.views)
        self.metrics = Metrics(lambda: float(self.batcher.waiting))
        self.limits, self._held = settings.limits, Held(settings.limits.held_bytes)
        self.model = about(model, settings.views, self.batcher.has_maps, settings.limits)
        aims = [point.aim for point in self.model.operating if point.target == "malignant"]
        self.explain_choices: Choices = {"target": CODES}
        self.predict_choices: Choices = {"point": aims, "combine": YES_NO, "pictures": YES_NO}

    async def predict(self, request: Request) -> schemas.Prediction:
        """Return what the model says of the files of a request; raises a `FaultError` for one that is refused."""
        self.batcher.check_places(1)
        with self._held.account() as account:
            form = await read_form(request, self.limits, self.predict_choices, account)
            files, fields = form.files, _chosen(form.fields, self.predict_choices)
            _check_files(files)
            draw = pictures.thumbnail if fields.get("pictures") == "true" else None
            with self.batcher.places(len(files)):
                jobs = [self.batcher.submit(file, f"file {index}", draw) for index, file in enumerate(files)]
                files.clear()
                found = await _unless_gone(request, _all(jobs))
        verdicts = self._judge(found, fields.get("point"))
        self.metrics.images(len(verdicts), len(found) - len(verdicts))
        return schemas.Prediction(
            model=self.model.title,
            answers=[_answer(index, one, verdicts.get(index)) for index, one in enumerate(found)],
            lesion=self._together(verdicts, fields.get("point")) if fields.get("combine") == "true" else None,
            notice=schemas.NOTICE,
        )

    async def explain(self, request: Request) -> schemas.Explanation:
        """Return the heat maps of the one file of a request; raises a `FaultError` for one that is refused."""
        if not self.batcher.has_maps:
            raise FaultError(422, "this model gives no heat maps here", "pip install 'lesionlab[train]'")
        self.batcher.check_places(1)
        limits = replace(self.limits, files=1, request_bytes=self.limits.file_bytes + MIB)
        with self._held.account() as account:
            form = await read_form(request, limits, self.explain_choices, account)
            files, fields = form.files, _chosen(form.fields, self.explain_choices)
            _check_files(files)
            with self.batcher.places(1):
                draw = partial(pictures.framed, aspect=self.batcher.model.frame_aspect)
                job = self.batcher.submit(files[0], "file 0", draw, maps=True)
                seen = (await _unless_gone(request, _all([job])))[0]
                self.metrics.images(int(isinstance(seen, Seen)), int(isinstance(seen, ImageError)))
                if isinstance(seen, ImageError):
                    raise FaultError(422, seen.message, seen.hint)
                maps = await asyncio.wrap_future(self.batcher.pool.submit(_drawn, seen))
        verdict = self._judge([seen], None)[0]
        assert seen.picture is not None
        return schemas.Explanation(
            index=0,
            verdict=told(verdict),
            explained=fields.get("target", verdict.diagnosis),
            picture=seen.picture.url,
            maps=maps,
            notice=schemas.NOTICE,
        )

    def _judge(self, found: Sequence[Seen | ImageError], aim: str | None) -> dict[int, Verdict]:
        """Return the verdicts on those photographs that were read, by their places in the request."""
        read = {index: one for index, one in enumerate(found) if isinstance(one, Seen)}
        if not read:
            return {}
        table = np.stack([one.probabilities for one in read.values()])
        flags = [one.outlier for one in read.values()]
        outliers = None if None in flags else np.array(flags, bool)
        return dict(zip(read, judge(table, self.batcher.model.decisions, outliers, aim), strict=True))

    def _together(self, verdicts: Mapping[int, Verdict], aim: str | None) -> schemas.Verdict | None:
        """Return one verdict for all photographs, as of one lesion; None where none could be read."""
        answers = [Answer(str(index), Path(str(index)), verdict) for index, verdict in verdicts.items()]
        lesions = {answer.path: "lesion" for answer in answers}
        for one in by_lesion(answers, lesions, self.batcher.model.decisions, aim):
            if isinstance(one, LesionAnswer):
                return told(one.verdict)
        return None


def _chosen(fields: dict[str, str], choices: Choices) -> dict[str, str]:
    """Return the fields; raises a `FaultError` for a value that a field cannot have."""
    for name, value in fields.items():
        if value not in choices[name]:
            raise FaultError(422, f"{name} has no such value", f"choose from: {', '.join(choices[name]) or 'none'}")
    return fields


def _check_files(files: Sequence[bytes]) -> None:
    if not files:
        raise FaultError(422, "the upload has no files", "send an image as multipart field files")


def _answer(index: int, one: Seen | ImageError, verdict: Verdict | None) -> schemas.Answer | schemas.Refusal:
    if isinstance(one, ImageError):
        return schemas.Refusal(index=index, refused=one.message)
    assert verdict is not None
    if one.picture is None:
        return schemas.Answer(index=index, verdict=told(verdict))
    return schemas.Answer(index=index, verdict=told(verdict), picture=one.picture.url)


def _drawn(seen: Seen) -> dict[str, str]:
    """Return the heat maps of all diagnoses as pictures."""
    assert seen.maps is not None and seen.picture is not None
    size = seen.picture.size
    return {code: pictures.heat_map(heat, size) for code, heat in zip(CODES, seen.maps, strict=True)}


async def _all(jobs: list[Future[Seen]]) -> list[Seen | ImageError]:
    """Return what became of all photographs; those left over are dropped where one ends in a fault of ours."""
    waiting = [asyncio.wrap_future(job) for job in jobs]
    try:
        return [await _seen(one) for one in waiting]
    finally:
        for one in waiting:
            one.cancel()


async def _seen(one: asyncio.Future[Seen]) -> Seen | ImageError:
    try:
        return await one
    except ImageError as error:
        return error


async def _unless_gone(request: Request, answering: Awaitable[T]) -> T:
    """Return what is awaited; stops it and raises `ClientGoneError` where the client leaves before."""
    answer = asyncio.ensure_future(answering)
    gone = asyncio.ensure_future(request.receive())  # after the body there is nothing to receive but the end
    try:
        await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return await answer
        raise ClientGoneError
    finally:
        answer.cancel()
        gone.cancel()
