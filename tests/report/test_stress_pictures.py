"""Pictures of a stress test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from lesionlab.data.corruptions import SEVERITIES
from lesionlab.report.stress_pictures import draw_curves, draw_sheet


def row(value: float | None) -> dict[str, float | None]:
    """Return a figure with an interval, undefined where None."""
    return {"value": value, "low": value and value - 0.1, "high": value and value + 0.1}


def test_a_sheet_shows_the_image_and_what_became_of_it(tmp_path: Path) -> None:
    image = np.full((1, 48, 48, 3), (180, 120, 100), np.uint8)
    draw_sheet(image, "one", tmp_path / "sheet.png")
    draw_sheet(image, "one", tmp_path / "other.png", seed=1)
    shown = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB"))
    same = np.abs(shown.astype(int) - (180, 120, 100)).max(axis=2) <= 1
    assert 0.2 < same.mean() < 0.6
    assert (tmp_path / "sheet.png").read_bytes() != (tmp_path / "other.png").read_bytes()


def test_curves_with_what_is_undefined(tmp_path: Path) -> None:
    def level(severity: int) -> dict[str, object]:
        return {
            "severity": severity,
            "balanced_accuracy": row(0.9 - 0.1 * severity),
            "melanoma_sensitivity": row(None),
        }

    falling = {"severities": [level(severity) for severity in SEVERITIES]}
    table = {
        "clean": {"balanced_accuracy": row(0.9), "melanoma_sensitivity": row(None)},
        "by_name": dict.fromkeys(("fog", "rain", "snow", "hail", "frost"), falling),
    }
    draw_curves(table, tmp_path / "curves.png", "A model, val")
    shown = np.asarray(Image.open(tmp_path / "curves.png").convert("RGB")).astype(int)
    assert shown.shape[1] > shown.shape[0] > 500
    assert (np.abs(shown - (0, 114, 178)).max(axis=2) < 8).any()
