"""Skin passes and what is none does not, by a rule that images of skin alone have made."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from lesionlab.evaluation.outliers import FEWEST, QUANTILE, fit_outliers
from lesionlab.models.appearance import statistics
from lesionlab.models.decisions import OutlierRule

RNG = np.random.default_rng(4)
SIZE = 112


def skin(count: int) -> np.ndarray:
    """Return drawn lesions on skin of many colours, uint8 (count, SIZE, SIZE, 3)."""
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE - 0.5
    found = []
    for _ in range(count):
        colour = np.array([200, 150, 130]) * RNG.normal(1, 0.08, 3)
        place, radius = RNG.normal(0, 0.05, 2), RNG.uniform(0.1, 0.25)
        lesion = ((x - place[0]) ** 2 + (y - place[1]) ** 2 < radius**2)[..., None]
        image = colour * np.where(lesion, RNG.uniform(0.4, 0.8), 1) + RNG.normal(0, 8, (SIZE, SIZE, 3))
        drawn = Image.fromarray(image.clip(0, 255).astype(np.uint8))
        found.append(np.asarray(drawn.filter(ImageFilter.GaussianBlur(RNG.uniform(0.5, 1.5)))))
    return np.stack(found)


@pytest.fixture(scope="module")
def rule() -> OutlierRule:
    found = fit_outliers(statistics(skin(200)), statistics(skin(100)))
    assert found is not None
    return found


def others() -> dict[str, np.ndarray]:
    """Return ten images of each of several kinds."""
    shape = (10, SIZE, SIZE, 3)
    grain = RNG.integers(0, 256, (10, 14, 14, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    lines = np.broadcast_to((np.arange(SIZE) // 4 % 2 * 255).astype(np.uint8)[None, :, None, None], shape)
    sky = np.linspace((90, 140, 220), (200, 220, 250), SIZE)[None, :, None].repeat(10, 0).repeat(SIZE, 2)
    sky[:, SIZE // 2 :] = (60, 120, 50)
    scan = RNG.integers(0, 120, (10, 28, 28, 1), dtype=np.uint8).repeat(4, 1).repeat(4, 2).repeat(3, 3)
    return {
        "black": np.zeros(shape, np.uint8), "white": np.full(shape, 255, np.uint8),
        "noise": RNG.integers(0, 256, shape, dtype=np.uint8), "patches": grain, "page": lines,
        "landscape": sky.astype(np.uint8), "scan": scan,
    }  # fmt: skip


def test_new_skin_passes(rule: OutlierRule) -> None:
    assert rule.quantile == QUANTILE
    assert rule.outliers(skin(200)).mean() < 3 * (1 - QUANTILE)


@pytest.mark.parametrize("kind", list(others()))
def test_other_images_do_not(rule: OutlierRule, kind: str) -> None:
    assert rule.outliers(others()[kind]).all()


def test_the_threshold_is_validations() -> None:
    train, validate = RNG.normal(0, 1, (500, 9)), RNG.normal(0, 3, (400, 9))
    rule = fit_outliers(train, validate)
    assert rule is not None
    assert (rule.distances(validate) <= rule.threshold).mean() == pytest.approx(QUANTILE, abs=0.005)
    np.testing.assert_allclose(rule.distances(train), np.linalg.norm(train - train.mean(0), axis=1), rtol=0.15)


def test_a_statistic_that_never_varies_is_no_obstacle() -> None:
    train = RNG.normal(0, 1, (100, 9))
    train[:, 3] = 1.0
    rule = fit_outliers(train, train)
    assert rule is not None and np.isfinite(rule.distances(train)).all()


def test_too_few_images_make_no_rule() -> None:
    looks = RNG.normal(0, 1, (FEWEST, 9))
    assert fit_outliers(looks, looks) is not None
    assert fit_outliers(looks[1:], looks) is None and fit_outliers(looks, looks[1:]) is None
