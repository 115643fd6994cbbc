"""The picture of one image augmented many ways."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from lesionlab.data.images import load_image, squash
from lesionlab.data.sources import load_source
from lesionlab.errors import UsageError
from lesionlab.report.augment_preview import augment_preview


def drawn(source: Path, **options: object) -> list[np.ndarray]:
    """Return the images that `augment_preview` would draw."""
    with patch("lesionlab.report.augment_preview.image_grid") as grid:
        augment_preview(load_source(source).cases, Path("unused.png"), **options)  # type: ignore[arg-type]
    images, titles = grid.call_args.args[:2]
    assert len(images) == len(titles)
    return list(images)


def test_the_first_image_is_the_original(synthetic: Path) -> None:
    case = load_source(synthetic).cases[2]
    images = drawn(synthetic, image_id=case.image_id, policy="strong", count=4, size=48)
    assert len(images) == 5 and all(image.shape == (48, 48, 3) and image.dtype == np.uint8 for image in images)
    assert np.array_equal(images[0], squash(load_image(Path(case.path)), 48))
    assert all(np.abs(image.astype(int) - images[0]).mean() > 1 for image in images[1:])
    assert len({image.tobytes() for image in images}) == 5


def test_none_changes_nothing_and_a_seed_repeats(synthetic: Path) -> None:
    images = drawn(synthetic, policy="none", count=2, size=48)
    assert all(np.array_equal(image, images[0]) for image in images)
    first, again, other = (drawn(synthetic, policy="paper", count=2, size=48, seed=seed) for seed in (1, 1, 2))
    assert all(map(np.array_equal, first, again))
    assert not np.array_equal(first[1], other[1])


@pytest.mark.parametrize("options", [{"policy": "wild"}, {"count": 0}, {"count": 101}])
def test_mistakes(options: dict[str, object], synthetic: Path) -> None:
    with pytest.raises(UsageError):
        drawn(synthetic, **options)
