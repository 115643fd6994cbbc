"""Whole datasets: files, archives, licence, and what a second call does."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest
from misbehaving_server import Script, serve

from lesionlab.data import download as module
from lesionlab.data.download import DATASETS, DataFile, Dataset, download
from lesionlab.data.sources import load_source
from lesionlab.data.transfer import Patience
from lesionlab.errors import DataError, UsageError

QUICK = Patience(timeout=0.3, attempts=2, pause=0.0)
METADATA = b"lesion_id,image_id,dx,dx_type,age,sex,localization\r\nH1,ISIC_1,nv,histo,50,male,back\r\n"


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


IMAGES = zipped({"ISIC_1.jpg": b"jpg" * 100, "__MACOSX/._ISIC_1.jpg": b"x"})


def data_file(name: str, ident: int, body: bytes, size: bool = True) -> DataFile:
    return DataFile(name, ident, hashlib.md5(body).hexdigest(), len(body) if size else None, about=len(body))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    """A dataset "small" of one table and one archive, and the script of the server that has it."""
    monkeypatch.setenv("no_proxy", "*")
    files = (data_file("meta.csv", 1, METADATA), data_file("images.zip", 2, IMAGES, size=False))
    monkeypatch.setitem(DATASETS, "small", Dataset(files, "Credit: somebody\n"))
    return Script(files={"/1?format=original": METADATA, "/2": IMAGES})


def test_arrives_ready_to_be_read_with_its_licence(tmp_path: Path, small: Script) -> None:
    said: list[str] = []
    with serve(small) as base:
        out = download("small", tmp_path / "x", base_url=base + "/", announce=said.append, patience=QUICK)
    assert sorted(p.name for p in out.iterdir() if p.name[0] != ".") == [
        "ATTRIBUTION.txt", "LICENSE.txt", "download.json", "images", "meta.csv",
    ]  # fmt: skip
    assert [case.image_id for case in load_source(out).cases] == ["ISIC_1"]
    assert len(said) == 1
    assert "CC BY-NC 4.0" in said[0]
    assert "Credit: somebody" in said[0]
    assert (out / "ATTRIBUTION.txt").read_text() == "Credit: somebody\n"
    assert "NonCommercial" in (out / "LICENSE.txt").read_text()


def test_second_call_fetches_only_what_is_missing_or_changed(tmp_path: Path, small: Script) -> None:
    with serve(small) as base:
        download("small", tmp_path, base_url=base, patience=QUICK)
        small.requests.clear()
        download("small", tmp_path, base_url=base, patience=QUICK)
        assert small.requests == []
        (tmp_path / "meta.csv").write_text("changed")
        download("small", tmp_path, base_url=base, patience=QUICK)
        assert small.requests == [("/1?format=original", "")]
    assert (tmp_path / "meta.csv").read_bytes() == METADATA


def test_interrupted_call_goes_on(tmp_path: Path, small: Script) -> None:
    small.truncate, small.ranges = 100, False  # the table is shorter and arrives, the archive does not
    with serve(small) as base:
        with pytest.raises(DataError, match="goes on where it stopped"):
            download("small", tmp_path, base_url=base, patience=QUICK)
        small.truncate, small.ranges = None, True
        small.requests.clear()
        download("small", tmp_path, base_url=base, patience=QUICK)
    assert small.requests == [("/2", "bytes=100-")]
    assert (tmp_path / "images/ISIC_1.jpg").read_bytes() == b"jpg" * 100


def test_folder_that_is_not_ours_is_left_alone(tmp_path: Path, small: Script) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/mine.txt").write_text("mine")
    with serve(small) as base, pytest.raises(DataError, match="not from this download"):
        download("small", tmp_path, base_url=base, patience=QUICK)
    assert (tmp_path / "images/mine.txt").read_text() == "mine"


def test_disk_space_is_checked_before_the_first_byte(
    tmp_path: Path, small: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    needed = len(METADATA) + 2 * len(IMAGES)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage(10**9, 0, needed - 1))
    with serve(small) as base, pytest.raises(DataError, match="GiB free") as caught:
        download("small", tmp_path, base_url=base, patience=QUICK)
    assert small.requests == []
    assert "another disk" in caught.value.hint


def test_unknown_dataset_and_address(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown dataset 'isic2020'"):
        download("isic2020", tmp_path)
    for address in ("file:///etc", "ftp://host", "host/path"):
        with pytest.raises(UsageError, match="no web address"):
            download("ham10000", tmp_path, base_url=address)
    assert list(tmp_path.iterdir()) == []


def test_damaged_receipt(tmp_path: Path, small: Script) -> None:
    with serve(small) as base:
        download("small", tmp_path, base_url=base, patience=QUICK)
        for text in ("[]", "{"):
            (tmp_path / "download.json").write_text(text)
            with pytest.raises(DataError, match=r"download\.json"):
                download("small", tmp_path, base_url=base, patience=QUICK)


def test_catalogue_is_complete_and_addresses_are_dataverses() -> None:
    assert set(DATASETS) == {"ham10000", "isic2018-test"}
    for dataset in DATASETS.values():
        assert "10.7910/DVN/DBW86T" in dataset.attribution
        for file in dataset.files:
            assert len(file.md5) == 32
            assert file.room > 0
            assert file.remote("https://x/").url == f"https://x/{file.ident}" + (
                "" if file.is_archive else "?format=original"
            )
    known = sum(file.size or 0 for file in DATASETS["ham10000"].files)
    assert known == 1_366_522_108 + 1_403_566_547 + 690_218 + 10_808_743


def test_real_table_has_the_catalogues_length_and_md5(ham10000: Path) -> None:
    table = next(file for file in DATASETS["ham10000"].files if not file.is_archive)
    content = (ham10000 / table.name).read_bytes()
    assert (len(content), hashlib.md5(content).hexdigest()) == (table.size, table.md5)
