"""What a network makes of an image before it decides: its last feature map, averaged over the plane."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lesionlab.data.colour import recolour
from lesionlab.data.images import load_image, squash
from lesionlab.errors import ModelError
from lesionlab.models.bundle import Bundle
from lesionlab.prediction.runtime import Session, processors

_BATCH = 32


class Embedder:
    """A model ready to embed images; `ModelError` for one whose graph does not give its last feature map."""

    def __init__(self, bundle: Bundle) -> None:
        if not bundle.features:
            raise ModelError(
                f"{bundle.folder}: its graph gives no feature map", "take a network that ends in pooling and one layer"
            )
        self.bundle = bundle
        self._session = Session(bundle)

    def __call__(
        self, paths: Sequence[Path], progress: Callable[[int, int], None] | None = None
    ) -> npt.NDArray[np.float32]:
        """Return the embeddings of one or more image files, float32 (n, channels), each of length 1.

        `progress(done, total)` is called with counts of images. Raises `ImageError` for a file that is refused.
        """
        parts = []
        with ThreadPoolExecutor(processors(), thread_name_prefix="decode") as pool:
            for first in range(0, len(paths), _BATCH):
                pixels = np.stack(list(pool.map(self._decode, paths[first : first + _BATCH])))
                maps = self._session.features(recolour(pixels, self.bundle.colour))[1]
                parts.append(maps.mean(axis=(2, 3)))
                if progress:
                    progress(min(first + _BATCH, len(paths)), len(paths))
        vectors = np.concatenate(parts)
        return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))

    def _decode(self, path: Path) -> npt.NDArray[np.uint8]:
        return squash(load_image(path), self.bundle.size, self.bundle.frame_aspect)
