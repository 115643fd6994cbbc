"""Packed pixels are the squashed images, made once, and made again when an image changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionlab.data import packs
from lesionlab.data.cases import Case, write_cases
from lesionlab.data.images import load_image, squash
from lesionlab.data.packs import Pack, pack
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError

COUNT = 9


@pytest.fixture
def cases(tmp_path: Path) -> list[Case]:
    """Nine JPEGs of random pixels, 48 x 36."""
    rng = np.random.default_rng(0)
    made = []
    for n in range(COUNT):
        path = tmp_path / f"ISIC_{n}.jpg"
        Image.fromarray(rng.integers(0, 256, (36, 48, 3), dtype=np.uint8)).save(path, quality=95)
        made.append(Case(f"ISIC_{n}", str(path), CODES[n % 7], f"HAM_{n}"))
    return made


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the images that were decoded, as they are."""
    names: list[str] = []

    def counted(path: Path) -> Image.Image:
        names.append(path.name)
        return load_image(path)

    monkeypatch.setattr(packs, "load_image", counted)
    return names


def spoil(case: Case) -> None:
    Path(case.path).write_bytes(b"\xff\xd8 no image at all")


def test_pixels_are_the_squashed_images(cases: list[Case], tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    found = pack(cases, 32, tmp_path / "cache", progress=lambda done, total: steps.append((done, total)))
    assert found.pixels.shape == (COUNT, 32, 32, 3) and found.pixels.dtype == np.uint8
    for case, pixels in zip(found.cases, found.pixels, strict=True):
        assert np.array_equal(pixels, squash(load_image(Path(case.path)), 32))
    assert found.cases == tuple(cases) and found.left_out == ()
    assert steps == [(n + 1, COUNT) for n in range(COUNT)]
    with pytest.raises(ValueError, match="read-only"):
        found.pixels[0] = 0


def test_photographs_are_framed_before_they_are_squashed(cases: list[Case], tmp_path: Path) -> None:
    whole, framed = (pack(cases, 32, tmp_path / "cache", aspect=aspect) for aspect in (1.0, 2.0))
    assert not np.array_equal(framed.pixels, whole.pixels)
    for case, pixels in zip(framed.cases, framed.pixels, strict=True):
        assert np.array_equal(pixels, squash(load_image(Path(case.path)), 32, 2.0))


def test_a_known_pack_decodes_nothing(cases: list[Case], tmp_path: Path, decoded: list[str]) -> None:
    first = pack(cases, 32, tmp_path / "cache")
    assert len(decoded) == COUNT
    second = pack(cases, 32, tmp_path / "cache")
    assert len(decoded) == COUNT
    assert second.fingerprint == first.fingerprint and np.array_equal(second.pixels, first.pixels)


def test_a_changed_image_another_size_or_another_table_is_another_pack(
    cases: list[Case], tmp_path: Path, decoded: list[str]
) -> None:
    cache = tmp_path / "cache"
    first = pack(cases, 32, cache)
    Image.new("RGB", (48, 36), (200, 30, 30)).save(cases[4].path)
    changed = pack(cases, 32, cache)
    assert len(decoded) == 2 * COUNT
    assert changed.fingerprint != first.fingerprint
    assert [n for n in range(COUNT) if not np.array_equal(first.pixels[n], changed.pixels[n])] == [4]
    assert pack(cases, 16, cache).pixels.shape == (COUNT, 16, 16, 3)
    assert len(pack(cases[:5], 32, cache).cases) == 5
    assert pack(cases[::-1], 32, cache).fingerprint != changed.fingerprint
    assert len(list((cache / "packs").iterdir())) == 5


def test_the_same_bytes_touched_again_are_decoded_again(cases: list[Case], tmp_path: Path, decoded: list[str]) -> None:
    first = pack(cases, 32, tmp_path / "cache")
    os.utime(cases[0].path, ns=(1, 1))
    second = pack(cases, 32, tmp_path / "cache")
    assert len(decoded) == 2 * COUNT and second.fingerprint == first.fingerprint


def test_another_label_is_no_other_pack(cases: list[Case], tmp_path: Path, decoded: list[str]) -> None:
    pack(cases, 32, tmp_path / "cache")
    relabelled = [replace(case, dx="mel") for case in cases]
    assert pack(relabelled, 32, tmp_path / "cache").cases[0].dx == "mel"
    assert len(decoded) == COUNT


def test_unreadable_images_are_named_and_counted(cases: list[Case], tmp_path: Path, decoded: list[str]) -> None:
    spoil(cases[2])
    Path(cases[5].path).unlink()
    for _ in range(2):  # the second time from the cache
        with pytest.raises(DataError, match="2 of 9 images cannot be read") as caught:
            pack(cases, 32, tmp_path / "cache")
        assert cases[2].path in caught.value.message and cases[5].path in caught.value.message
        assert "--skip-bad" in caught.value.hint
    assert len(decoded) == COUNT


def test_many_unreadable_images_make_a_short_message(cases: list[Case], tmp_path: Path) -> None:
    for case in cases[:7]:
        spoil(case)
    with pytest.raises(DataError, match="7 of 9 images") as caught:
        pack(cases, 32, tmp_path / "cache")
    assert cases[4].path in caught.value.message and cases[5].path not in caught.value.message


def test_skip_bad_leaves_out_and_lists(cases: list[Case], tmp_path: Path) -> None:
    whole = pack(cases, 32, tmp_path / "cache")
    spoil(cases[2])
    found = pack(cases, 32, tmp_path / "cache", skip_bad=True)
    assert [case.image_id for case in found.cases] == [case.image_id for case in cases if case is not cases[2]]
    assert np.array_equal(found.pixels, np.delete(whole.pixels, 2, axis=0))
    assert [(p.kind, p.image_id, p.path) for p in found.left_out] == [("unreadable image", "ISIC_2", cases[2].path)]
    assert "ISIC_2.jpg" in found.left_out[0].detail


def test_a_pack_without_one_readable_image_is_refused(cases: list[Case], tmp_path: Path) -> None:
    for case in cases:
        spoil(case)
    with pytest.raises(DataError, match="no image can be read"):
        pack(cases, 32, tmp_path / "cache", skip_bad=True)


def test_rows_are_found_by_id(cases: list[Case]) -> None:
    found = Pack(np.zeros((COUNT, 1, 1, 3), np.uint8), tuple(cases), "")
    assert found.rows({"ISIC_7", "ISIC_0", "elsewhere"}).tolist() == [0, 7]
    assert found.rows(set()).tolist() == []


def test_a_full_disk_is_told_before_decoding(
    cases: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoded: list[str]
) -> None:
    usage = namedtuple("usage", "total used free")(10, 10, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DataError, match=f"{COUNT * 32 * 32 * 3:,} bytes needed .* 1,000 free") as caught:
        pack(cases, 32, tmp_path / "cache")
    assert "LESIONLAB_CACHE" in caught.value.hint
    assert decoded == []


def test_a_cache_that_cannot_be_is_a_data_error(cases: list[Case], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(DataError, match="cannot write"):
        pack(cases, 32, tmp_path / "cache")


def test_a_damaged_pack_is_refused_with_a_remedy(cases: list[Case], tmp_path: Path) -> None:
    pack(cases, 32, tmp_path / "cache")
    (folder,) = (tmp_path / "cache" / "packs").iterdir()
    np.save(folder / "pixels.npy", np.zeros((COUNT, 8, 8, 3), np.uint8))
    with pytest.raises(DataError, match="the pack is damaged") as caught:
        pack(cases, 32, tmp_path / "cache")
    assert "delete this folder" in caught.value.hint


def test_a_pack_cut_short_is_refused(cases: list[Case], tmp_path: Path) -> None:
    pack(cases, 32, tmp_path / "cache")
    (folder,) = (tmp_path / "cache" / "packs").iterdir()
    os.truncate(folder / "pixels.npy", 1000)
    with pytest.raises(DataError, match="the pack is damaged"):
        pack(cases, 32, tmp_path / "cache")


def test_an_interrupted_packing_is_begun_anew(
    cases: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(cases, 32, tmp_path / "cache", progress=interrupted)
    found = pack(cases, 32, tmp_path / "cache")
    assert np.array_equal(found.pixels[8], squash(load_image(Path(cases[8].path)), 32))
    assert len(list((tmp_path / "cache" / "packs").iterdir())) == 1


def test_a_folder_left_without_its_description_is_replaced(cases: list[Case], tmp_path: Path) -> None:
    first = pack(cases, 32, tmp_path / "cache")
    (folder,) = (tmp_path / "cache" / "packs").iterdir()
    (folder / "pack.json").unlink()
    assert pack(cases, 32, tmp_path / "cache").fingerprint == first.fingerprint


PACK = """
import sys, time
from pathlib import Path
from lesionlab.data.cases import read_cases
from lesionlab.data.packs import pack
from lesionlab.errors import DataError
def wait(done, total):
    if done == 3:
        print("packing", flush=True)
        sys.stdin.readline()
try:
    print(pack(read_cases(Path(sys.argv[1])), 32, Path(sys.argv[2]), progress=wait).fingerprint)
except DataError as error:
    print(error.message)
"""


def test_two_processes_do_not_pack_at_once(cases: list[Case], tmp_path: Path) -> None:
    write_cases(tmp_path / "cases.csv", cases)
    command = [sys.executable, "-c", PACK, str(tmp_path / "cases.csv"), str(tmp_path / "cache")]
    first = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert first.stdout and first.stdout.readline() == "packing\n"
    with pytest.raises(DataError, match="the pack is in use by another process"):
        pack(cases, 32, tmp_path / "cache")
    written, _ = first.communicate("\n")
    assert pack(cases, 32, tmp_path / "cache").fingerprint == written.strip()


def test_a_pack_made_by_another_process_meanwhile_is_taken(
    cases: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoded: list[str]
) -> None:
    """The other process finishes between this one's look at the cache and its taking the lock."""
    first = pack(cases, 32, tmp_path / "other")
    lock = packs.lock

    def late(folder: Path, what: str) -> object:
        if not (tmp_path / "cache" / "packs" / folder.name[1:].removesuffix(".partial")).exists():
            shutil.copytree(tmp_path / "other" / "packs", tmp_path / "cache" / "packs", dirs_exist_ok=True)
        return lock(folder, what)

    monkeypatch.setattr(packs, "lock", late)
    assert pack(cases, 32, tmp_path / "cache").fingerprint == first.fingerprint
    assert len(decoded) == COUNT


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LESIONLAB_CACHE", str(tmp_path / "a"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert packs.default_cache() == tmp_path / "a"
    monkeypatch.delenv("LESIONLAB_CACHE")
    assert packs.default_cache() == tmp_path / "b" / "lesionlab"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert packs.default_cache() == tmp_path / ".cache" / "lesionlab"
