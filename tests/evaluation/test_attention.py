"""How a map's energy is shared between lesion, border and skin."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_erosion

from lesionlab.errors import DataError, UsageError
from lesionlab.evaluation.attention import MEASURES, RING, attention, attention_difference, regions, shares

SIDE = 50


def disc(radius: float = 12.0, centre: tuple[int, int] = (25, 25)) -> np.ndarray:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return np.hypot(rows - centre[0], columns - centre[1]) <= radius


def test_the_border_is_a_dilation_minus_an_erosion() -> None:
    reach = int(RING * SIDE)
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    stamp = np.hypot(rows, columns) <= RING * SIDE
    mask = disc()
    found = regions(mask)
    eroded = binary_erosion(mask, stamp)
    assert np.array_equal(found["border"], binary_dilation(mask, stamp) & ~eroded)
    assert np.array_equal(found["interior"], eroded)
    assert found["inside"] is mask


def test_the_frame_is_no_outline() -> None:
    """A lesion cut off by the frame has its border where it ends, not where the photograph does."""
    mask = np.zeros((SIDE, SIDE), bool)
    mask[:, 25:] = True
    assert np.flatnonzero(regions(mask)["border"].any(axis=0)).tolist() == [23, 24, 25, 26]
    everything = regions(np.ones((SIDE, SIDE), bool))
    assert not everything["border"].any() and everything["interior"].all()


def test_a_uniform_map_has_the_areas_shares() -> None:
    masks = np.stack([disc(8), disc(15)])
    found = shares(np.full(masks.shape, 0.3, np.float32), masks)
    for region in ("inside", "border", "interior"):
        assert found[region] == pytest.approx(found[f"{region}_area"])
    assert found["inside_area"] == pytest.approx(masks.mean(axis=(1, 2)))
    table = attention(found, np.array([0, 1]), 50)["measures"]
    assert list(table) == list(MEASURES)
    for name in ("inside_ratio", "border_ratio", "interior_ratio", "border_to_interior"):
        assert table[name]["value"] == pytest.approx(1)


def test_maps_of_one_region() -> None:
    """All energy in the interior, on the border, and on the skin."""
    mask = disc()
    found = regions(mask)
    maps = np.stack([found["interior"], found["border"], ~mask & ~found["border"]]).astype(np.float32)
    told = shares(maps, np.stack([mask] * 3))
    assert told["interior"].tolist() == [1, 0, 0] and told["border"].tolist() == [0, 1, 0]
    assert told["inside"] == pytest.approx([1, (found["border"] & mask).sum() / found["border"].sum(), 0])


def drawn(n: int, sharp: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return n noisy maps that are `sharp` brighter within their discs, and the discs."""
    rng = np.random.default_rng(seed)
    masks = np.stack([disc(rng.uniform(8, 16)) for _ in range(n)])
    return (rng.random(masks.shape) + sharp * rng.random((n, 1, 1)) * masks).astype(np.float32), masks


def test_an_interval_holds_the_value_and_is_narrow_for_many_images() -> None:
    widths = []
    for n in (10, 90):
        figure = attention(shares(*drawn(n, 3.0)), np.arange(n), 200)["measures"]["inside_ratio"]
        assert 1 < figure["low"] < figure["value"] < figure["high"]
        widths.append(figure["high"] - figure["low"])
    assert widths[1] < widths[0] / 2


def test_images_of_one_lesion_are_drawn_together() -> None:
    """Four copies of every image tell no more than one, as long as they share their lesions."""
    once = shares(*drawn(20, 3.0))
    copies = {name: np.tile(values, 4) for name, values in once.items()}
    lesions = np.tile(np.arange(20), 4)
    assert attention(copies, lesions, 200)["measures"]["inside"] == pytest.approx(
        attention(once, np.arange(20), 200)["measures"]["inside"]
    )


def test_empty_maps_are_counted_and_left_out() -> None:
    maps, masks = drawn(10, 2.0)
    maps[3] = 0
    found = shares(maps, masks)
    assert np.isnan(found["inside"]).tolist() == [row == 3 for row in range(10)]
    told = attention(found, np.arange(10), 50)
    assert (told["images"], told["empty"]) == (10, 1)
    kept = np.arange(10) != 3
    alone = attention({name: values[kept] for name, values in found.items()}, np.arange(9), 50)
    assert told["measures"] == alone["measures"]


def test_a_paired_difference() -> None:
    (blunt, masks), (sharp, _) = drawn(40, 1.0), drawn(40, 3.0)
    a, b = shares(blunt, masks), shares(sharp, masks)
    figure = attention_difference(a, b, np.arange(40), 200)["measures"]["inside"]
    values = (attention(of, np.arange(40), 50)["measures"]["inside"]["value"] for of in (b, a))
    assert figure["value"] == pytest.approx(np.subtract(*values)) and figure["low"] > 0
    same = attention_difference(a, a, np.arange(40), 50)["measures"]
    assert all(one == {"value": 0, "low": 0, "high": 0} for one in same.values())


def test_mistakes() -> None:
    maps, masks = drawn(3, 1.0)
    wrong = maps.copy()
    wrong[1, 0, 0] = -1
    unlit = masks.copy()
    unlit[2] = False
    for given, words in (((maps[:2], masks), "do not fit"), ((wrong, masks), "negative"), ((maps, unlit), "mask 2")):
        with pytest.raises(DataError, match=words):
            shares(*given)
    with pytest.raises(DataError, match="every map is 0"):
        attention(shares(np.zeros_like(maps), masks), np.arange(3), 50)
    with pytest.raises(DataError, match="different images"):
        attention_difference(shares(maps, masks), shares(maps[:2], masks[:2]), np.arange(3), 50)
    with pytest.raises(UsageError, match="too few"):
        attention(shares(maps, masks), np.arange(3), 10)
