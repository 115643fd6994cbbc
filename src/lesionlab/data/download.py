"""Fetches HAM10000 and the ISIC 2018 test set from Harvard Dataverse, with their licence beside them."""

from __future__ import annotations

import shutil
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lesionlab.archives import unpack
from lesionlab.data.transfer import Patience, Progress, Remote, fetch, partial_path
from lesionlab.errors import DataError, UsageError
from lesionlab.files import checksum, disk_error, lock, read_json, write_json, write_text

BASE_URL = "https://dataverse.harvard.edu/api/access/datafile"
RECEIPT = "download.json"
"""Which archives were unpacked, by MD5: the archives themselves are not kept."""

LICENCE = """These images and data are licensed under CC BY-NC 4.0
(Creative Commons Attribution-NonCommercial 4.0 International,
https://creativecommons.org/licenses/by-nc/4.0/): no commercial use, and credit
must be given. Models trained on them are for non-commercial research and must say so.
"""

ATTRIBUTION = """HAM10000, ViDIR Group, Department of Dermatology, Medical University of Vienna.

Tschandl, P., Rosendahl, C. and Kittler, H. The HAM10000 dataset, a large collection of
multi-source dermatoscopic images of common pigmented skin lesions.
Scientific Data 5, 180161 (2018). https://doi.org/10.1038/sdata.2018.161

Data: https://doi.org/10.7910/DVN/DBW86T (Harvard Dataverse, version 4.0)
"""
ISIC_ATTRIBUTION = """
ISIC 2018 challenge, task 3: Codella, N. et al. Skin Lesion Analysis Toward Melanoma Detection 2018:
A Challenge Hosted by the International Skin Imaging Collaboration (ISIC). arXiv:1902.03368 (2019).
"""


@dataclass(frozen=True)
class DataFile:
    """A file on Dataverse: name here, id there, MD5, length in bytes (None where not known), a rough length.

    Tables are asked for in their original form; Dataverse would else turn them into quoted TSV.
    """

    name: str
    ident: int
    md5: str
    size: int | None
    about: int = 0

    @property
    def is_archive(self) -> bool:
        """Whether the file is unpacked into a folder of its own name."""
        return self.name.endswith(".zip")

    @property
    def room(self) -> int:
        """Bytes that the file takes, as far as is known."""
        return self.size or self.about

    def remote(self, base_url: str) -> Remote:
        """Return where to fetch the file."""
        query = "" if self.is_archive else "?format=original"
        return Remote(self.name, f"{base_url.rstrip('/')}/{self.ident}{query}", self.md5, self.size)


@dataclass(frozen=True)
class Dataset:
    """Files that belong together, and whom to credit."""

    files: tuple[DataFile, ...]
    attribution: str


DATASETS: dict[str, Dataset] = {
    "ham10000": Dataset(
        (
            DataFile("HAM10000_metadata.csv", 4338392, "8f85fb1aa29d80a2797247e434deb79d", 690_218),
            DataFile(
                "HAM10000_segmentations_lesion_tschandl.zip", 3838943, "6e8d252e09cfdb0189199f15985a5b84", 10_808_743
            ),
            DataFile("HAM10000_images_part_1.zip", 3172585, "4639bfa73ab251610530a97c898e6e46", 1_366_522_108),
            DataFile("HAM10000_images_part_2.zip", 3172584, "da43d6cc50f6613013be07e8986b384b", 1_403_566_547),
        ),
        ATTRIBUTION,
    ),
    "isic2018-test": Dataset(
        (
            DataFile("ISIC2018_Task3_Test_GroundTruth.csv", 6924466, "2b5663aacc9644740f27e355cf7f369a", None, 150_000),
            DataFile("ISIC2018_Task3_Test_Images.zip", 3855824, "0488b6f65849e310857d9207daa55a21", None, 420_000_000),
        ),
        ATTRIBUTION + ISIC_ATTRIBUTION,
    ),
}
"""What can be fetched; ids, lengths and MD5s as Dataverse gives them for version 4.0."""


def download(
    dataset: str,
    out: Path,
    *,
    base_url: str | None = None,
    progress: Progress | None = None,
    announce: Callable[[str], None] | None = None,
    patience: Patience | None = None,
) -> Path:
    """Fetch a dataset into `out`, unpack its archives, and return `out`, ready to be read as a source.

    A call that was interrupted goes on where it stopped; what is whole is kept. Needs room for
    every archive once and for the largest one twice, which is checked before the first byte.

    Parameters
    ----------
    dataset : a name of `DATASETS`; `UsageError` for any other.
    out : the folder, made where missing. LICENSE.txt and ATTRIBUTION.txt are written into it first.
    base_url : http(s) address that takes the place of `BASE_URL`, for a mirror.
    progress : called with (file name, bytes here, bytes in all or None).
    announce : called once with licence and attribution, before anything is fetched.
    patience : timeout, tries and pauses.

    Raises `DataError` for a full disk, a server out of reach, a wrong length or wrong bytes.
    """
    if dataset not in DATASETS:
        raise UsageError(f"unknown dataset {dataset!r}", f"known are {', '.join(DATASETS)}")
    base = base_url or BASE_URL
    if urllib.parse.urlsplit(base).scheme not in ("http", "https"):
        raise UsageError(f"{base!r} is no web address", "an http:// or https:// address is needed")
    chosen = DATASETS[dataset]
    with lock(out, "the download folder"):
        missing = [file for file in chosen.files if not _is_here(file, out)]
        _check_space(missing, out)
        if announce:
            announce(LICENCE + "\n" + chosen.attribution)
        write_text(out / "LICENSE.txt", LICENCE)
        write_text(out / "ATTRIBUTION.txt", chosen.attribution)
        for file in missing:
            path = fetch(file.remote(base), out, progress, patience)
            if file.is_archive:
                _unpack(file, path, out)
    return out


def _unpack(file: DataFile, archive: Path, out: Path) -> None:
    """Unpack an archive into a folder of its name, note that in the receipt, and delete the archive."""
    folder = out / archive.stem
    if folder.exists():
        raise DataError(f"{folder}: already exists, but not from this download", "move it away and run again")
    unpack(archive, folder)
    write_json(out / RECEIPT, {**_receipt(out), archive.stem: file.md5})
    try:
        archive.unlink()
    except OSError as error:
        raise disk_error(archive, error) from error


def _receipt(out: Path) -> dict[str, str]:
    """Return folder -> MD5 of the archive it was unpacked from."""
    path = out / RECEIPT
    found = read_json(path) if path.is_file() else {}
    if not isinstance(found, dict):
        raise DataError(f"{path}: not a download receipt", "delete it and run the command again")
    return found


def _is_here(file: DataFile, out: Path) -> bool:
    """Return whether a table is here with the right bytes, or an archive unpacked."""
    path = out / file.name
    if file.is_archive:
        return (out / path.stem).is_dir() and _receipt(out).get(path.stem) == file.md5
    return path.is_file() and checksum(path, "md5") == file.md5


def _check_space(missing: list[DataFile], out: Path) -> None:
    """Raise `DataError` unless the disk has room for what is missing.

    Archives of JPEGs unpack to about their own length and go one by one, so the largest is counted twice.
    """
    if not missing:
        return
    here = 0
    for file in missing:
        for path in (out / file.name, partial_path(out, file.name)):
            here += min(path.stat().st_size, file.room) if path.is_file() else 0
    largest = max((file.room for file in missing if file.is_archive), default=0)
    needed = sum(file.room for file in missing) + largest - here
    free = shutil.disk_usage(out).free
    if free < needed:
        raise DataError(
            f"{out}: needs about {needed / 2**30:.2f} GiB, the disk has {free / 2**30:.2f} GiB free",
            "free some space or choose another disk",
        )
