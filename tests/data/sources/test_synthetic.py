"""The synthetic source: its files, its determinism, and that it can be learnt, but not by heart."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionlab.data.sources import load_source
from lesionlab.data.sources.painting import PAINTERS, paint
from lesionlab.data.sources.photograph import canvas_for, develop, habit, paint_skin, photograph
from lesionlab.data.sources.synthetic import HAM_LESIONS, MARKER, METADATA, generate
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError, UsageError

SMALL = (48, 36)


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_is_read_as_what_it_is(synthetic: Path) -> None:
    listing = load_source(synthetic)
    assert (listing.kind, listing.problems) == ("synthetic", [])
    assert len({case.lesion_id for case in listing.cases}) == 42
    assert 42 < len(listing.cases) < 84
    assert {case.dx for case in listing.cases} == set(CODES)
    assert len({case.source for case in listing.cases}) > 1
    assert len({case.site for case in listing.cases}) > 3
    assert all(case.age is None or 0 <= case.age <= 85 for case in listing.cases)


def test_each_lesion_is_one_diagnosis_and_each_image_has_a_mask(synthetic: Path) -> None:
    lesions: dict[str, set[str]] = {}
    for case in load_source(synthetic).cases:
        lesions.setdefault(case.lesion_id, set()).add(case.dx)
        with Image.open(case.path) as image:
            assert (image.size, image.mode, image.format) == ((96, 72), "RGB", "JPEG")
        with Image.open(synthetic / "masks" / f"{case.image_id}_segmentation.png") as mask:
            assert (mask.size, mask.mode) == ((96, 72), "1")
            assert 0.01 < np.asarray(mask).mean() < 0.95
    assert all(len(found) == 1 for found in lesions.values())


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    first = content(generate(tmp_path / "a", lesions=14, seed=3, size=SMALL))
    assert content(generate(tmp_path / "b", lesions=14, seed=3, size=SMALL)) == first
    other = content(generate(tmp_path / "c", lesions=14, seed=4, size=SMALL))
    assert not {name for name in first if first[name] == other.get(name)} & {n for n in first if n.endswith("jpg")}


def test_more_lesions_keep_the_first_ones(tmp_path: Path) -> None:
    few = content(generate(tmp_path / "a", lesions=7, size=SMALL))
    many = content(generate(tmp_path / "b", lesions=14, size=SMALL))
    assert all(many[name] == few[name] for name in few if name.endswith((".jpg", ".png")))


@pytest.mark.parametrize("lesions", [7, 30])
def test_shares_of_the_diagnoses(tmp_path: Path, lesions: int) -> None:
    def counts(folder: Path) -> Counter[str]:
        with (folder / METADATA).open() as file:
            return Counter({row["lesion_id"]: row["dx"] for row in csv.DictReader(file)}.values())

    even = counts(generate(tmp_path / "a", lesions=lesions, size=SMALL))
    assert max(even.values()) - min(even.values()) <= 1
    real = counts(generate(tmp_path / "b", lesions=lesions, size=SMALL, balanced=False))
    assert sum(real.values()) == lesions
    assert set(real) == set(CODES)
    if lesions == 30:
        assert real["nv"] == pytest.approx(30 * HAM_LESIONS["nv"] / sum(HAM_LESIONS.values()), abs=4)


def test_replaces_its_own_folder_but_no_other(tmp_path: Path) -> None:
    out = generate(tmp_path / "out", lesions=14, size=SMALL)
    generate(out, lesions=7, size=SMALL)
    listing = load_source(out)
    assert (len({case.lesion_id for case in listing.cases}), listing.problems) == (7, [])
    for mine in ("notes.txt", "images/mine.jpg"):
        before = content(out)
        (out / mine).write_text("mine")
        with pytest.raises(DataError, match=f"{Path(mine).name}, which is no part"):
            generate(out, lesions=7, size=SMALL)
        (out / mine).unlink()
        assert content(out) == before
    (out / MARKER).unlink()
    with pytest.raises(DataError, match="not empty"):
        generate(out, lesions=7, size=SMALL)


def test_interrupted_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        assert total == 7
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path / "out", lesions=7, size=SMALL, progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("lesions", "seed", "size"),
    [(6, 0, SMALL), (100_001, 0, SMALL), (7, -1, SMALL), (7, 0, (31, 32)), (7, 0, (32, 2049))],
)
def test_impossible_wishes(tmp_path: Path, lesions: int, seed: int, size: tuple[int, int]) -> None:
    with pytest.raises(UsageError):
        generate(tmp_path / "out", lesions=lesions, seed=seed, size=size)
    assert list(tmp_path.iterdir()) == []


def test_every_diagnosis_has_a_painter_and_differs_from_its_skin() -> None:
    assert tuple(PAINTERS) == CODES
    for dx in CODES:
        canvas = canvas_for(np.random.default_rng(5), (96, 72))
        skin, lesion = paint_skin(canvas), paint(canvas, dx)
        seen = lesion.colour(skin)
        assert seen.dtype == np.float32
        assert np.isfinite(seen).all()
        inside = lesion.inside > 0.9
        assert np.abs(seen[inside].mean(0) - seen[lesion.rho > 2].mean(0)).max() > 0.02


def test_photographs_of_one_lesion_differ_but_fill_the_frame() -> None:
    rng = np.random.default_rng(1)
    canvas = canvas_for(rng, (96, 72))
    skin, lesion = paint_skin(canvas), paint(canvas, "nv")
    scene = develop(lesion, skin)
    worn = habit(rng)
    pictures = [np.asarray(photograph(rng, scene, lesion, worn, (96, 72))[0]) for _ in range(12)]
    assert all(picture.shape == (72, 96, 3) for picture in pictures)
    assert np.abs(pictures[0].astype(int) - pictures[1]).mean() > 3
    assert all((picture.max(-1) > 0).mean() > 0.99 for picture in pictures)


def test_simple_features_tell_diagnoses_better_than_chance_and_far_from_well(synthetic: Path) -> None:
    """Nearest class mean on colours of middle and border; chance is 1/7."""

    def features(path: str) -> np.ndarray:
        with Image.open(path) as image:
            pixels = np.asarray(image.resize((48, 36)), np.float64) / 255
        middle, border = pixels[11:25, 15:33], np.concatenate([pixels[:6], pixels[-6:]])
        return np.concatenate([middle.mean((0, 1)) - np.median(border, (0, 1)), middle.std((0, 1))])

    cases = load_source(synthetic).cases
    table = np.stack([features(case.path) for case in cases])
    table = (table - table.mean(0)) / table.std(0)
    hits = []
    for i, case in enumerate(cases):
        others = {dx: [j for j, c in enumerate(cases) if c.dx == dx and c.lesion_id != case.lesion_id] for dx in CODES}
        means = {dx: table[rows].mean(0) for dx, rows in others.items()}
        hits.append(min(means, key=lambda dx: float(np.linalg.norm(table[i] - means[dx]))) == case.dx)
    assert 0.25 < np.mean(hits) < 0.85
