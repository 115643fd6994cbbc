"""Who is in a source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest

from lesionlab.data.cases import Case, read_rows
from lesionlab.data.sources import load_source
from lesionlab.diagnoses import CODES, NAMES
from lesionlab.errors import DataError
from lesionlab.report import population


@pytest.fixture(scope="module")
def cases(synthetic: Path) -> list[Case]:
    return load_source(synthetic).cases


def table(counts: dict[str, tuple[int, int]]) -> list[Case]:
    """Return cases: diagnosis -> (images, lesions)."""
    return [
        Case(f"{dx}{i}", "", dx, f"{dx}-{i % lesions}")
        for dx, (images, lesions) in counts.items()
        for i in range(images)
    ]


def test_the_distribution_counts_images_and_lesions() -> None:
    rows = population.distribution([*table({"nv": (6, 3), "mel": (4, 4)}), Case("x", "", "", "x")])
    assert rows[:2] == [
        {"dx": "nv", "name": NAMES["nv"], "images": 6, "lesions": 3, "share": 0.6},
        {"dx": "mel", "name": NAMES["mel"], "images": 4, "lesions": 4, "share": 0.4},
    ]
    assert [row["images"] for row in rows[2:]] == [0] * 5 and {row["dx"] for row in rows} == set(CODES)


def test_ham10000s_distribution(ham10000: Path) -> None:
    """Table 1 of the seed paper."""
    rows = {row["dx"]: row["images"] for row in population.distribution(load_source(ham10000).cases)}
    assert rows == {"nv": 6705, "mel": 1113, "bkl": 1099, "bcc": 514, "akiec": 327, "vasc": 142, "df": 115}


def test_ages_and_sites_account_for_every_image(tmp_path: Path) -> None:
    """No image is dropped: those of unknown age are told in the label, those of unknown site have their bar."""
    melanomas = table({"mel": (6, 6)})
    ages, sites = (40.0, 44.0, 45.0, 85.0, None, 0.0), ("back", "back", "", "face", "back", "face")
    melanomas = [replace(c, age=age, site=site) for c, age, site in zip(melanomas, ages, sites, strict=True)]
    with patch("lesionlab.report.population.save") as saved:
        population.by_age_and_site([*melanomas, *table({"nv": (3, 3)})], tmp_path / "x.png")
    left, right = saved.call_args.args[0].axes
    bars = {round(bar.get_x() + bar.get_width() / 2 - 2.5): bar.get_height() for bar in left.patches}
    assert bars == {40: 2, 45: 1, 85: 1, 0: 1}
    assert "unknown: 1" in left.get_xlabel() and "6 images" in left.get_title()
    assert [bar.get_width() for bar in right.patches] == [3, 2, 1]
    assert {tick.get_text() for tick in right.get_yticklabels()} == {"back", "face", "unknown"}


def test_samples_have_a_row_per_diagnosis(cases: list[Case]) -> None:
    with patch("lesionlab.report.population.draw_page") as drawn:
        population.sample_grid(cases, Path("unused.png"), each=100)
    rows = drawn.call_args.args[0]
    by_id = {case.image_id: case for case in cases}
    assert [label for label, _ in rows] == [NAMES[code] for code in CODES]
    for code, (_, row) in zip(CODES, rows, strict=True):
        shown = [cell.caption for cell in row if cell]
        assert len(row) == 100 and shown == [case.image_id for case in cases if case.dx == code]
        assert by_id[shown[0]].dx == code


def test_all_figures(cases: list[Case], tmp_path: Path) -> None:
    files = population.write_population(cases, tmp_path / "all")
    assert [path.name for path in files] == [
        "class_distribution.csv",
        "class_distribution.png",
        "melanoma_by_age_and_site.png",
        "samples.png",
        "augmentation.png",
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in files[1:])
    counted = {row["dx"]: int(row["images"]) for row in read_rows(files[0])}
    assert counted == {dx: sum(case.dx == dx for case in cases) for dx in CODES}
    plain = population.write_population([c for c in cases if c.dx != "mel"], tmp_path / "plain", photographs=False)
    assert [path.name for path in plain] == ["class_distribution.csv", "class_distribution.png"]
    assert sorted((tmp_path / "plain").iterdir()) == plain


def test_the_augmented_image_is_the_seeds(cases: list[Case], tmp_path: Path) -> None:
    first, again, other = (
        population.augmentation_examples(cases, tmp_path / "a.png", seed=seed).image_id for seed in (0, 0, 3)
    )
    assert first == again != other


def test_mistakes(tmp_path: Path) -> None:
    unlabelled = [Case("x", "", "", "x")]
    for draw in (population.class_distribution, population.by_age_and_site, population.sample_grid):
        with pytest.raises(DataError):
            draw(unlabelled, tmp_path / "x.png")  # type: ignore[operator]
    assert not list(tmp_path.iterdir())
