"""The leakage audit's sides, files and pictures."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from lesionlab.data.cases import Case, Problem, write_cases
from lesionlab.data.sources import load_source
from lesionlab.data.splits import grouped, kfold, paper, read_split, siblings_across, write_split
from lesionlab.errors import DataError, ModelError, UsageError
from lesionlab.files import read_json
from lesionlab.report import leakage_pages
from lesionlab.report.leakage import COLUMNS, TABLES, Side, audit_leakage, sides_of_split, two_sides, write_leakage


@pytest.fixture(scope="module")
def cases(synthetic: Path) -> list[Case]:
    return load_source(synthetic).cases


def side(name: str, cases: list[Case]) -> Side:
    return Side(name, cases, [])


def test_the_papers_split_leaks_what_its_own_count_says(synthetic: Path, run: Path, cases: list[Case]) -> None:
    sides = sides_of_split(run / "split.csv", [synthetic])
    assert sides[1].name.endswith("split.csv, val")
    told = audit_leakage(*sides, near=False).to_json()
    expected = siblings_across(cases, read_split(run / "split.csv"))
    assert {dx: (row["lesion"], row["images"]) for dx, row in told["counts"].items() if dx != "all"} == expected
    assert told["counts"]["all"]["lesion"] > 0 and told["neighbours"] is None
    assert told["searched"] == ["exact", "lesion"]


def test_a_grouped_split_does_not_leak(synthetic: Path, cases: list[Case], tmp_path: Path) -> None:
    write_split(tmp_path / "split.csv", grouped(cases))
    found = audit_leakage(*sides_of_split(tmp_path / "split.csv", [synthetic]), near=False)
    assert not found.leaks and found.to_json()["counts"]["all"]["share"] == 0


def test_parts_of_a_split(synthetic: Path, cases: list[Case], tmp_path: Path) -> None:
    write_split(tmp_path / "g.csv", grouped(cases))
    assert [one.name.rpartition(" ")[2] for one in sides_of_split(tmp_path / "g.csv", [synthetic])] == ["train", "test"]
    assert sides_of_split(tmp_path / "g.csv", [synthetic], "val")[1].name.endswith("val")
    write_split(tmp_path / "k.csv", kfold(cases, 3))
    train, test = sides_of_split(tmp_path / "k.csv", [synthetic], "fold1")
    assert train.name.endswith("fold0+fold2") and len(train.cases) + len(test.cases) == len(cases)
    for part in (None, "test", "train"):
        with pytest.raises(UsageError, match="no such part"):
            sides_of_split(tmp_path / "k.csv", [synthetic], part)


def test_a_split_over_two_sources(cases: list[Case], tmp_path: Path) -> None:
    tables = [tmp_path / "one.csv", tmp_path / "two.csv"]
    for table, mine in zip(tables, (cases[:4], cases[4:8]), strict=True):
        write_cases(table, mine)
    write_split(tmp_path / "split.csv", paper(cases[:8]))
    train, test = sides_of_split(tmp_path / "split.csv", tables, "val")
    assert {case.image_id for case in (*train.cases, *test.cases)} == {case.image_id for case in cases[:8]}
    with pytest.raises(DataError, match="are not in it"):
        sides_of_split(tmp_path / "split.csv", tables[:1], "val")


def test_a_source_that_lacks_images_of_the_split(synthetic: Path, cases: list[Case], tmp_path: Path) -> None:
    write_split(tmp_path / "split.csv", paper([*cases, replace(cases[0], image_id="gone")]))
    with pytest.raises(DataError, match="are not in it: gone"):
        sides_of_split(tmp_path / "split.csv", [synthetic])


def test_folders_of_photographs_and_the_problems_that_are_told(cases: list[Case], tmp_path: Path) -> None:
    for name, chosen in (("train", cases[:3]), ("test", cases[2:5])):
        (tmp_path / name).mkdir()
        for number, case in enumerate(chosen):
            Image.open(case.path).save(tmp_path / name / f"{number}.png")
    (tmp_path / "test" / "bad.png").write_bytes(b"no image")
    told = audit_leakage(*two_sides(tmp_path / "train", tmp_path / "test"), near=False).to_json()
    assert told["test"] == {
        "name": str(tmp_path / "test"),
        "images": 4,
        "lesions": 4,
        "readable": 3,
        "problems": {"unreadable image": 1},
    }
    assert [(pair["test"], pair["train"], pair["kinds"]) for pair in told["pairs"]] == [("0.png", "2.png", ["exact"])]
    assert told["counts"]["unknown"]["any"] == told["hidden"] == 1


def test_a_sides_own_problems_are_counted(cases: list[Case]) -> None:
    missing = Problem("missing image", "x", "t.csv", "no file")
    told = audit_leakage(Side("a", cases[:2], [missing, missing]), side("b", cases[2:3]), near=False).to_json()
    assert told["train"]["problems"] == {"missing image": 2} and told["test"]["problems"] == {}


def test_files_and_pictures(cases: list[Case], run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three same images, one other photograph without a file, and the candidates; a page holds two pairs."""
    monkeypatch.setattr(leakage_pages, "ACROSS", 2)
    monkeypatch.setattr(leakage_pages, "DOWN", 1)
    steps: set[str] = set()
    train = [replace(case, lesion_id=f"own{row}") for row, case in enumerate(cases[:8])]
    absent = replace(train[5], image_id="absent", path="", dx="mel" if train[5].dx != "mel" else "nv")
    test = [*(replace(case, lesion_id=f"other_{case.lesion_id}") for case in train[:3]), absent, *cases[20:24]]
    found = audit_leakage(
        side("a", train), side("b", test), run / "model", candidates=2, near=False, progress=lambda *s: steps.add(s[0])
    )
    result = write_leakage(tmp_path, found, "the command")
    assert result == read_json(tmp_path / "leakage.json")
    assert result["command"] == "the command" and result["contradicting"] == 1
    assert result["pages"] == ["leakage_exact_1.png", "leakage_exact_2.png", "leakage_neighbour_1.png"]
    assert {path.name for path in tmp_path.iterdir()} == {*TABLES, *result["pages"]}
    assert len(result["neighbours"]["candidates"]) == 2 and result["neighbours"]["known"] == 0
    with (tmp_path / "leakage.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["kinds"] for row in rows] == ["exact"] * 3 + ["lesion"] + ["neighbour"] * 2
    assert (rows[3]["test"], rows[3]["test_path"], rows[3]["score"]) == ("absent", "", "")
    assert steps == {"reading", "embedding"}
    wide, narrow = (Image.open(tmp_path / name).width for name in result["pages"][:2])
    assert wide > 1.8 * narrow


@pytest.mark.parametrize("pictures", [0, 1])
def test_fewer_pictures_than_pairs(pictures: int, cases: list[Case], tmp_path: Path) -> None:
    found = audit_leakage(side("a", cases[:2]), side("b", cases[:2]), near=False)
    assert write_leakage(tmp_path, found, pictures=pictures)["pages"] == ["leakage_exact_1.png"] * pictures


def test_no_leak_no_pictures(cases: list[Case], tmp_path: Path) -> None:
    one, other = cases[0], next(case for case in cases if case.lesion_id != cases[0].lesion_id)
    result = write_leakage(tmp_path, audit_leakage(side("a", [one]), side("b", [other]), near=False))
    assert result["pages"] == result["pairs"] == []
    assert {path.name for path in tmp_path.iterdir()} == set(TABLES)


def test_a_model_that_gives_no_map_is_refused_before_any_image_is_read(cases: list[Case], tmp_path: Path) -> None:
    steps: list[object] = []
    with pytest.raises(ModelError, match="no model here"):
        audit_leakage(side("a", cases), side("b", cases), tmp_path, progress=lambda *step: steps.append(step))
    assert steps == []


def test_a_model_finds_nothing_where_no_file_is(cases: list[Case], run: Path) -> None:
    absent = [replace(case, path="") for case in cases[:3]]
    assert audit_leakage(side("a", cases[:3]), side("b", absent), run / "model").neighbours is None
