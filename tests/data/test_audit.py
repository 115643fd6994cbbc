"""The audit finds every planted fault, and no copies among different lesions."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionlab.data.audit import Audit, audit, read_clusters
from lesionlab.data.cases import Case, Problem
from lesionlab.data.sources.listing import Listing
from lesionlab.errors import DataError
from lesionlab.files import write_json


def lesion(seed: int, width: int = 160, height: int = 120) -> Image.Image:
    """A dark blob with pigment dots and hairs on textured skin; another one for each seed."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(float)
    skin = np.array((214.0, 172, 158)) + rng.normal(0, 6, 3)
    mole = np.array((120.0, 72, 52)) + rng.normal(0, 10, 3)
    angle = np.arctan2(y - height / 2 - rng.normal(0, 4), x - width / 2 - rng.normal(0, 4))
    radius = np.hypot((y - height / 2) * rng.uniform(0.9, 1.3), x - width / 2)
    edge = 32 + sum(rng.normal(0, 3) * np.cos(k * angle + rng.uniform(0, 6)) for k in range(1, 6))
    inside = 1 / (1 + np.exp((radius - edge) / 2))
    pixels = skin + inside[..., None] * (mole - skin)
    pixels += 5 * smooth_noise(rng, width, height, 8)[..., None] + 4 * smooth_noise(rng, width, height, 3)[..., None]
    for _ in range(60):
        spot = np.exp(-((x - rng.uniform(0, width)) ** 2 + (y - rng.uniform(0, height)) ** 2) / rng.uniform(3, 12))
        pixels -= spot[..., None] * rng.uniform(10, 45)
    for _ in range(6):
        turn = rng.uniform(0, np.pi)
        distance = np.abs((x - rng.uniform(0, width)) * np.sin(turn) - (y - rng.uniform(0, height)) * np.cos(turn))
        pixels -= (np.exp(-(distance**2)) * 70)[..., None]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def smooth_noise(rng: np.random.Generator, width: int, height: int, grain: int) -> np.ndarray:
    coarse = Image.fromarray(rng.normal(0, 1, (height // grain, width // grain)).astype(np.float32))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


def reencoded(image: Image.Image, quality: int = 60) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "re-encoded": reencoded,
    "flipped": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "upside down": lambda image: image.transpose(Image.Transpose.ROTATE_180),
    "a quarter turn": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "transposed": lambda image: reencoded(image.transpose(Image.Transpose.TRANSPOSE)),
    "larger": lambda image: image.resize((240, 180), Image.Resampling.BICUBIC),
    "smaller": lambda image: image.resize((112, 84), Image.Resampling.BICUBIC),
    "cropped": lambda image: image.crop((14, 3, 150, 112)),
    "cropped in a corner": lambda image: image.crop((0, 0, 145, 108)),
    "turned, cropped and re-encoded": lambda image: reencoded(
        image.transpose(Image.Transpose.ROTATE_270).crop((6, 4, 116, 148))
    ),
}


def source(folder: Path, images: dict[str, Image.Image]) -> Listing:
    """A listing of PNG files, one lesion each, all nevi."""
    cases = []
    for name, image in images.items():
        path = folder / f"{name}.png"
        image.save(path)
        cases.append(Case(name, str(path), "nv", f"L_{name}"))
    return Listing("folder", folder, cases, [])


def relabelled(listing: Listing, **changes: dict[str, object]) -> Listing:
    return replace(listing, cases=[replace(case, **changes.get(case.image_id, {})) for case in listing.cases])


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Listing, Audit]:
    """40 lesions; 10 exact copies, 20 other copies, 5 unreadable files, contradictions; and its audit."""
    folder = tmp_path_factory.mktemp("planted")
    images = {f"own{n:02d}": lesion(n) for n in range(40)}
    images |= {f"near{n:02d}": list(COPIES.values())[n % len(COPIES)](images[f"own{n:02d}"]) for n in range(20)}
    listing = source(folder, images)
    for n in range(5):
        shutil.copy(folder / f"own{20 + n}.png", folder / f"same{n}.png")
        images[f"own{25 + n}"].save(folder / f"pixels{n}.bmp")
        (folder / f"bad{n}.jpg").write_bytes((b"", b"no image", b"\xff\xd8\xff\xe0", b"BM" + bytes(9), b"RIFF")[n])
    added = (("same", "png"), ("pixels", "bmp"), ("bad", "jpg"))
    extra = [f"{name}{n}.{suffix}" for name, suffix in added for n in range(5)]
    listing.cases.extend(Case(name.split(".")[0], str(folder / name), "nv", f"L_{name}") for name in extra)
    listing.cases.append(Case("gone", str(folder / "gone.jpg"), "df", "L_gone"))
    listing.problems.append(Problem("unlabelled image", "other", "other.png", "no row in table.csv"))
    listing = relabelled(
        listing,
        own30={"lesion_id": "L_own31", "dx": "mel", "age": 40.0, "sex": "male"},
        own31={"age": 55.0, "sex": "female"},
        near00={"dx": "bkl"},
    )
    return listing, audit(listing)


def pairs(found: Audit) -> set[frozenset[str]]:
    return {frozenset((pair.first, pair.second)) for pair in found.near}


def test_exact_copies_are_all_found(planted: tuple[Listing, Audit]) -> None:
    groups = {frozenset(group) for group in planted[1].exact}
    expected = {frozenset((f"own{20 + n}", f"same{n}")) for n in range(5)}
    assert groups == expected | {frozenset((f"own{25 + n}", f"pixels{n}")) for n in range(5)}


def test_other_copies_are_found_and_nothing_else(planted: tuple[Listing, Audit]) -> None:
    expected = {frozenset((f"own{n:02d}", f"near{n:02d}")) for n in range(20)}
    assert pairs(planted[1]) <= expected
    assert len(pairs(planted[1])) >= 19


def test_clusters_tie_exact_and_other_copies(tmp_path: Path) -> None:
    first = lesion(1)
    images = {"a": first, "b": first, "c": COPIES["cropped"](first), "d": lesion(2)}
    found = audit(source(tmp_path, images))
    assert found.clusters == [["a", "b", "c"]]
    assert found.exact == [["a", "b"]]
    assert [note.kind for note in found.notes] == ["duplicates across lesions"]


def test_every_unreadable_file_is_named(planted: tuple[Listing, Audit]) -> None:
    named = [problem for problem in planted[1].problems if problem.kind == "unreadable image"]
    assert [problem.image_id for problem in named] == ["bad0", "bad1", "bad2", "bad3", "bad4", "gone"]
    assert all(problem.detail.startswith(problem.path) for problem in named)
    assert planted[1].unreadable == 6
    assert "the file is empty" in named[0].detail
    assert "no such file" in named[5].detail


def test_contradictions_are_named(planted: tuple[Listing, Audit]) -> None:
    listing, found = planted
    details = {problem.kind: problem.detail for problem in found.problems}
    assert "L_own31 is mel and nv" in details["label conflict in a lesion"]
    assert "bkl and nv" in details["label conflict among duplicates"]
    assert "near00" in details["label conflict among duplicates"]
    assert details["unlabelled image"] == listing.problems[0].detail
    notes = {note.kind: note.detail for note in found.notes}
    assert "40 and 55 years, female and male" in notes["metadata conflict in a lesion"]


def test_counts(planted: tuple[Listing, Audit]) -> None:
    found = planted[1]
    assert found.images == 76
    assert found.lesions == 75
    assert sum(found.class_counts.values()) == 76
    assert (found.class_counts["mel"], found.class_counts["bkl"], found.class_counts["df"]) == (1, 1, 1)
    assert sum(found.sizes.values()) == 70
    assert found.sizes[240, 180] == 2


def test_rows_and_json(planted: tuple[Listing, Audit], tmp_path: Path) -> None:
    found = planted[1]
    rows = {what: (count, words) for what, count, words in found.rows()}
    assert rows["images"] == (76, "of 75 lesions, 70 readable")
    assert rows["unreadable image"][0] == 6
    assert rows["exact duplicates"][0] == 10
    assert rows["diagnosis df"][0] == 1
    value = json.loads(json.dumps(found.to_json()))
    assert value["clusters"] == found.clusters
    assert value["problems"][0]["kind"] == "unlabelled image"
    assert [240, 180, 2] in value["sizes"]
    write_json(tmp_path / "audit.json", found.to_json())
    assert read_clusters(tmp_path / "audit.json") == found.clusters


@pytest.mark.parametrize("value", [[], {}, {"clusters": []}, {"format": "lesionlab audit 1", "clusters": [[1]]}])
def test_other_files_are_no_audit(value: object, tmp_path: Path) -> None:
    write_json(tmp_path / "other.json", value)
    with pytest.raises(DataError, match="not an audit of this version"):
        read_clusters(tmp_path / "other.json")


def test_without_near_only_exact_copies(tmp_path: Path) -> None:
    first = lesion(1)
    found = audit(source(tmp_path, {"a": first, "b": reencoded(first), "c": first}), near=False)
    assert found.clusters == [["a", "c"]]
    assert found.near == []


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    audit(source(tmp_path, {f"i{n}": lesion(n) for n in range(3)}), progress=lambda *step: told.append(step))
    assert told[:3] == [("reading", 1, 3), ("reading", 2, 3), ("reading", 3, 3)]
    assert told[-1] == ("comparing", 3, 3)


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_any_images(count: int, tmp_path: Path) -> None:
    found = audit(source(tmp_path, {f"i{n}": lesion(n) for n in range(count)}))
    assert found.clusters == []
    assert found.images == count


def test_plain_images_are_no_near_copies(tmp_path: Path) -> None:
    found = audit(source(tmp_path, {f"i{n}": Image.new("RGB", (64, 64), (200, 150 + n, 140)) for n in range(5)}))
    assert found.clusters == []


@pytest.mark.slow
def test_real_lesions_and_their_copies(ham10000: Path, tmp_path: Path) -> None:
    """500 distinct real lesions: none merged; 100 copies of each kind: 95 % found."""
    from lesionlab.data.sources import load_source
    from lesionlab.data.splits import KNOWN_DUPLICATES

    known = {image_id for pair in KNOWN_DUPLICATES for image_id in pair}
    first_of = {case.lesion_id: case for case in reversed(load_source(ham10000).cases) if case.image_id not in known}
    order = np.random.default_rng(11).permutation(len(first_of))
    cases = [list(first_of.values())[row] for row in order[:500]]
    listing = Listing("ham10000", ham10000, list(cases), [])
    for row, (name, change) in enumerate(list(COPIES.items()) * 20):
        image = Image.open(cases[row].path).resize((160, 120), Image.Resampling.BOX)
        if name in ("larger", "smaller", "re-encoded", "flipped"):
            image = Image.open(cases[row].path)
        change(image).save(tmp_path / f"{row}.png")
        listing.cases.append(Case(f"copy{row}", str(tmp_path / f"{row}.png"), cases[row].dx, cases[row].lesion_id))
    found = audit(listing)
    expected = {frozenset((f"copy{row}", cases[row].image_id)) for row in range(200)}
    assert pairs(found) <= expected
    assert len(pairs(found)) >= 190
