"""Recognising sources, forcing a kind, and the body-site filter."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from lesionlab.data.cases import Case, write_cases
from lesionlab.data.sources import KINDS, READERS, by_site, load_source
from lesionlab.errors import DataError, UsageError


def test_every_kind_has_one_reader() -> None:
    assert sorted(KINDS) == ["folder", "ham10000", "isic", "isic2017", "synthetic", "table"]
    assert len({reader.kind for reader in READERS}) == len(READERS)


@pytest.mark.parametrize("kind", [None, *KINDS])
def test_missing_and_empty_folders(tmp_path: Path, kind: str | None) -> None:
    with pytest.raises(DataError, match="no such folder"):
        load_source(tmp_path / "none", kind)
    with pytest.raises(DataError, match="holds no images and no table"):
        load_source(tmp_path, kind)


def test_unknown_kind_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_source(tmp_path, "dicom")
    assert "ham10000" in caught.value.hint


def test_source_that_is_another_file(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"jpg")
    with pytest.raises(DataError, match="not a folder and not a CSV"):
        load_source(tmp_path / "a.jpg")


def test_images_that_nothing_labels(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"jpg")
    (tmp_path / "notes.csv").write_text("image,remark\na,nice\n")
    with pytest.raises(DataError, match=r"1 images, but nothing.*notes\.csv has the columns image,remark") as caught:
        load_source(tmp_path)
    assert "one folder per diagnosis" in caught.value.hint


@pytest.mark.parametrize("kind", ["ham10000", "isic", "table", "folder"])
def test_forced_kind_that_does_not_fit_is_a_data_error(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.jpg").write_bytes(b"jpg")
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError) as caught:
        load_source(tmp_path, kind)
    assert caught.value.hint


def test_cases_round_trip_through_a_table(synthetic: Path, tmp_path: Path) -> None:
    listing = load_source(synthetic)
    write_cases(tmp_path / "cases.csv", listing.cases)
    again = load_source(tmp_path / "cases.csv")
    assert again.kind == "table"
    assert again.cases == listing.cases


def test_the_real_images(ham10000: Path) -> None:
    listing = load_source(ham10000)
    assert (listing.kind, len(listing.cases), listing.problems) == ("ham10000", 10015, [])
    assert len({case.lesion_id for case in listing.cases}) == 7470
    assert sum(case.age is None for case in listing.cases) == 57
    assert sum(case.age == 0 for case in listing.cases) == 39
    assert sum(case.site == "" for case in listing.cases) == 234
    assert {case.source for case in listing.cases} == {"vidir_modern", "vidir_molemax", "rosendahl", "vienna_dias"}


def test_another_clinics_table(ham10000: Path) -> None:
    folder = ham10000.parent / "isic2017"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    listing = load_source(folder)
    assert (listing.kind, len(listing.cases), listing.problems) == ("isic2017", 2150, [])
    assert Counter(case.dx or case.excluded for case in listing.cases) == {"mel": 404, "bkl": 296, "mel|bkl": 1450}
    assert listing.cases[0].age == 55


def test_by_site() -> None:
    cases = [Case("a", "a.jpg", "nv", "a", site="back"), Case("b", "b.jpg", "nv", "b", site="lower extremity")]
    assert [case.image_id for case in by_site(cases, " Lower Extremity")] == ["b"]
    for site in ("nose", ""):
        with pytest.raises(DataError) as caught:
            by_site(cases, site)
        assert caught.value.hint == "sites here: back, lower extremity"
    with pytest.raises(DataError) as caught:
        by_site([Case("a", "a.jpg", "nv", "a")], "back")
    assert "none given" in caught.value.hint
