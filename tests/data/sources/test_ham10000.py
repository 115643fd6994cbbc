"""HAM10000 in its layouts, spellings and faults."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lesionlab.data.sources import load_source
from lesionlab.data.sources.ham10000 import COLUMNS
from lesionlab.errors import DataError

ROWS = (
    "HAM_1,ISIC_1,bkl,histo,80.0,male,scalp,vidir_modern",
    "HAM_1,ISIC_2,bkl,histo,,unknown,unknown,vidir_modern",
    "HAM_2,ISIC_3,nv,follow_up,0.0,female,lower extremity,vidir_molemax",
)
HEADER = ",".join(COLUMNS)


def make(folder: Path, images: list[str], rows: tuple[str, ...] = ROWS, header: str = HEADER) -> Path:
    """Write a metadata table and image files (never decoded here)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "HAM10000_metadata.csv").write_text("\n".join([header, *rows]) + "\n")
    for image in images:
        (folder / image).parent.mkdir(parents=True, exist_ok=True)
        (folder / image).write_bytes(b"jpg")
    return folder


LAYOUTS = {
    "official": ["HAM10000_images_part_1/ISIC_1.jpg", "HAM10000_images_part_1/ISIC_2.jpg",
                 "HAM10000_images_part_2/ISIC_3.jpg"],
    "flat": ["ISIC_1.jpg", "ISIC_2.jpg", "ISIC_3.jpg"],
    "nested": ["a/b/c/d/ISIC_1.jpg", "a/b/ISIC_2.JPG", "a/ISIC_3.png"],
    "kaggle": [f"{part}/ISIC_{i}.jpg" for part in ("images_part_1", "second/images_part_1") for i in (1, 2, 3)],
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path: Path, layout: str) -> None:
    listing = load_source(make(tmp_path / "ham", LAYOUTS[layout]))
    assert (listing.kind, listing.problems) == ("ham10000", [])
    assert [case.image_id for case in listing.cases] == ["ISIC_1", "ISIC_2", "ISIC_3"]
    assert all(Path(case.path).is_file() for case in listing.cases)


def test_fields(tmp_path: Path) -> None:
    first, second, third = load_source(make(tmp_path, LAYOUTS["flat"])).cases
    assert (first.dx, first.lesion_id, first.age, first.sex) == ("bkl", "HAM_1", 80.0, "male")
    assert (first.site, first.source, first.dx_type) == ("scalp", "vidir_modern", "histo")
    assert (second.age, second.sex, second.site) == (None, "", "")
    assert third.age == 0.0


def test_seven_columns_leave_the_source_unknown(tmp_path: Path) -> None:
    rows = tuple(row.rpartition(",")[0] for row in ROWS)
    listing = load_source(make(tmp_path, LAYOUTS["flat"], rows, ",".join(COLUMNS[:-1])))
    assert [case.source for case in listing.cases] == ["", "", ""]


def test_line_ends_and_byte_order_mark(tmp_path: Path) -> None:
    make(tmp_path, LAYOUTS["flat"])
    plain = load_source(tmp_path).cases
    table = tmp_path / "HAM10000_metadata.csv"
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes().replace(b"\n", b"\r\n"))
    assert load_source(tmp_path).cases == plain


def test_quoted_tab_separated_form(tmp_path: Path) -> None:
    make(tmp_path, LAYOUTS["flat"])
    plain = load_source(tmp_path).cases
    lines = [line.split(",") for line in (tmp_path / "HAM10000_metadata.csv").read_text().splitlines()]
    text = "\n".join("\t".join(c if c[:1].isdigit() else f'"{c}"' for c in line) for line in lines)
    (tmp_path / "HAM10000_metadata.csv").unlink()
    (tmp_path / "HAM10000_metadata.tab").write_text(text)
    assert load_source(tmp_path).cases == plain
    (tmp_path / "HAM10000_metadata.tab").write_text(text + '\n"HAM_4"\t"ISIC_4"\n')
    with pytest.raises(DataError, match=r"metadata\.tab: a row has more or fewer cells"):
        load_source(tmp_path)


def test_masks_mac_junk_and_hidden_files_are_no_images(tmp_path: Path) -> None:
    junk = ["masks/ISIC_1_segmentation.png", "__MACOSX/ISIC_9.jpg", ".thumbs/ISIC_8.jpg", "a/._ISIC_1.jpg"]
    listing = load_source(make(tmp_path, LAYOUTS["flat"] + junk))
    assert listing.problems == []
    assert len(listing.cases) == 3


def test_metadata_two_folders_down_and_named_otherwise(tmp_path: Path) -> None:
    make(tmp_path / "a" / "b", [])
    (tmp_path / "a/b/HAM10000_metadata.csv").rename(tmp_path / "a/b/meta.csv")
    make(tmp_path / "images", LAYOUTS["flat"])
    (tmp_path / "images/HAM10000_metadata.csv").unlink()
    assert len(load_source(tmp_path).cases) == 3


def test_the_table_stands_for_its_folder(tmp_path: Path) -> None:
    make(tmp_path, LAYOUTS["flat"])
    assert len(load_source(tmp_path / "HAM10000_metadata.csv").cases) == 3
    (tmp_path / "tables").mkdir()
    (tmp_path / "HAM10000_metadata.csv").rename(tmp_path / "tables/meta.csv")
    assert len(load_source(tmp_path / "tables/meta.csv").cases) == 3


def test_missing_and_unlabelled_images_are_problems(tmp_path: Path) -> None:
    listing = load_source(make(tmp_path, ["ISIC_1.jpg", "ISIC_3.jpg", "ISIC_7.jpg"]))
    assert [case.image_id for case in listing.cases] == ["ISIC_1", "ISIC_3"]
    assert [(p.kind, p.image_id) for p in listing.problems] == [
        ("missing image", "ISIC_2"),
        ("unlabelled image", "ISIC_7"),
    ]
    assert listing.problems[1].path == str(tmp_path / "ISIC_7.jpg")


def test_two_files_of_one_name_and_other_sizes(tmp_path: Path) -> None:
    make(tmp_path, [*LAYOUTS["flat"], "zoom/ISIC_1.jpg"])
    assert load_source(tmp_path).problems == []
    (tmp_path / "zoom/ISIC_1.jpg").write_bytes(b"another jpg")
    listing = load_source(tmp_path)
    assert [(p.kind, p.path) for p in listing.problems] == [("ambiguous image", str(tmp_path / "zoom/ISIC_1.jpg"))]
    assert listing.cases[0].path == str(tmp_path / "ISIC_1.jpg")


FAULTS = {
    "unknown diagnosis": (ROWS[0].replace("bkl", "scc"), r"line 2: unknown diagnosis 'scc'"),
    "age": (ROWS[0].replace("80.0", "old"), r"line 2: age 'old'"),
    "no image_id": (ROWS[0].replace("ISIC_1", ""), r"line 2: image_id is empty"),
    "twice": (ROWS[2], r"'ISIC_3' stands twice"),
    "short row": ("HAM_1,ISIC_1", r"2 cells for 8 columns"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_rows_name_file_line_and_remedy(tmp_path: Path, fault: str) -> None:
    row, reason = FAULTS[fault]
    with pytest.raises(DataError, match=reason) as caught:
        load_source(make(tmp_path, LAYOUTS["flat"], (row, *ROWS[1:])))
    assert "HAM10000_metadata.csv" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("column", COLUMNS[:-1])
def test_missing_column(tmp_path: Path, column: str) -> None:
    header = ",".join("other" if name == column else name for name in COLUMNS)
    with pytest.raises(DataError, match=f"column '{column}' is missing"):
        load_source(make(tmp_path, LAYOUTS["flat"], header=header), "ham10000")


def test_no_image_at_all_and_no_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of its 3 images"):
        load_source(make(tmp_path / "a", ["other.jpg"]))
    with pytest.raises(DataError, match="the table has no rows"):
        load_source(make(tmp_path / "b", ["ISIC_1.jpg"], rows=()))


def test_two_different_tables_must_be_told_apart(tmp_path: Path) -> None:
    make(tmp_path, LAYOUTS["flat"])
    copy = tmp_path / "copy.csv"
    copy.write_bytes((tmp_path / "HAM10000_metadata.csv").read_bytes())
    assert len(load_source(tmp_path).cases) == 3
    copy.write_text("\n".join([HEADER, ROWS[0]]) + "\n")
    with pytest.raises(DataError, match="more than one HAM10000 metadata table") as caught:
        load_source(tmp_path)
    assert "name the one" in caught.value.hint
    assert len(load_source(copy).cases) == 1


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    make(tmp_path / "store", LAYOUTS["flat"])
    make(tmp_path / "ham", [])
    (tmp_path / "store/HAM10000_metadata.csv").unlink()
    (tmp_path / "ham/images").symlink_to(tmp_path / "store")
    (tmp_path / "store/loop").symlink_to(tmp_path / "ham")
    listing = load_source(tmp_path / "ham")
    assert (len(listing.cases), listing.problems) == (3, [])


def test_ten_thousand_images_are_found_fast(tmp_path: Path) -> None:
    rows = tuple(f"HAM_{i},ISIC_{i},nv,histo,50.0,male,back,x" for i in range(10_015))
    make(tmp_path, [], rows)
    for part in ("part_1", "part_2"):
        (tmp_path / part).mkdir()
    for i in range(10_015):
        (tmp_path / f"part_{1 + i % 2}" / f"ISIC_{i}.jpg").touch()
    start = time.process_time()
    listing = load_source(tmp_path)
    assert len(listing.cases) == 10_015
    assert time.process_time() - start < 3
