"""A model for Python programs: `lesionlab.load()`, then `predict` and `predict_proba`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np
import numpy.typing as npt
from PIL import Image

from lesionlab.data.images import accept_image, load_image, squash
from lesionlab.diagnoses import CODES
from lesionlab.models.bundle import Bundle
from lesionlab.models.composite import Composite, read_model
from lesionlab.models.shipped import shipped_model
from lesionlab.prediction.judging import Verdict
from lesionlab.prediction.predictor import BATCH, Predictor

if TYPE_CHECKING:
    from typing_extensions import TypeIs

Photograph = str | PathLike[str] | Image.Image | npt.NDArray[np.uint8]
"""A photograph: the path of a file, a PIL image, or pixels as uint8 (height, width, 3) RGB or (height, width) grey."""


def load(
    path: str | PathLike[str] | None = None,
    views: int | None = None,
    threads: int | None = None,
    point: str | None = None,
) -> Model:
    """Return the model at `path`, or the one that comes with the package.

    Parameters
    ----------
    path : model folder, run folder or .lesion file.
    views, threads, point : see `prediction.predictor.Predictor`.

    Raises `ModelError` when there is none or it is damaged, and `UsageError` for views or a point that it lacks.
    """
    return Model(Predictor(read_model(shipped_model() if path is None else Path(path)), views, threads, point))


class Model:
    """A model ready to answer, of research use only: it is no medical device.

    classes_ : the seven codes, (7,), in the order of probabilities. description : what the model says of itself.

    >>> model = lesionlab.load()                      # doctest: +SKIP
    >>> model.predict("mole.jpg").diagnosis           # doctest: +SKIP
    'nv'
    """

    classes_: npt.NDArray[np.str_]

    def __init__(self, predictor: Predictor) -> None:
        self.description: Bundle | Composite = predictor.model
        self.classes_ = np.array(CODES)
        self._predictor = predictor

    @overload
    def predict(self, photographs: Photograph) -> Verdict: ...  # type: ignore[overload-overlap]  # a str is Iterable

    @overload
    def predict(self, photographs: Iterable[Photograph]) -> list[Verdict]: ...

    def predict(self, photographs: Photograph | Iterable[Photograph]) -> Verdict | list[Verdict]:
        """Return a verdict, or a list of them for several photographs.

        Raises `ImageError`, naming file or place, for a photograph that cannot be read or used.
        """
        verdicts = [found for batch in self._batches(photographs) for found in self._predictor.verdicts(batch)]
        return verdicts[0] if _is_one(photographs) else verdicts

    def predict_proba(self, photographs: Photograph | Iterable[Photograph]) -> npt.NDArray[np.float64]:
        """Return calibrated probabilities, float64 (n, 7), columns in the order of `classes_`; raises as `predict`."""
        tables = [self._predictor.probabilities(batch) for batch in self._batches(photographs)]
        return np.concatenate(tables) if tables else np.empty((0, len(CODES)))

    def _batches(self, photographs: Photograph | Iterable[Photograph]) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield the photographs' pixels, uint8 (n, size, size, 3), a batch at a time."""
        waiting = enumerate([photographs] if _is_one(photographs) else photographs)
        while batch := list(islice(waiting, BATCH)):
            yield np.stack([self._pixels(photograph, number) for number, photograph in batch])

    def _pixels(self, photograph: Photograph, number: int) -> npt.NDArray[np.uint8]:
        if isinstance(photograph, str | PathLike):
            image = load_image(Path(photograph))
        else:
            image = accept_image(photograph, f"photograph {number}")
        return squash(image, self.description.size, self.description.frame_aspect)


def _is_one(photographs: Photograph | Iterable[Photograph]) -> TypeIs[Photograph]:
    """Return whether this is a single photograph; an array of four dimensions is several."""
    if isinstance(photographs, np.ndarray):
        return photographs.ndim != 4
    return isinstance(photographs, str | PathLike | Image.Image)
