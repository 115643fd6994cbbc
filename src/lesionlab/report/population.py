"""Who is in a source: its diagnoses, the age and site of one of them, sample photographs, an image augmented."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lesionlab.data.cases import Case, labelled, pick, write_rows
from lesionlab.data.images import load_image
from lesionlab.diagnoses import CODES, NAMES
from lesionlab.errors import DataError
from lesionlab.report.figures import COLOURS, LARGE, MEDIUM, SMALL, figure, save
from lesionlab.report.heatmaps import shrink
from lesionlab.report.pages import Cell, draw_page

AGE_BAND = 5
"""Width of one bar of the ages, in years: HAM10000 rounds ages to it."""


def distribution(cases: Sequence[Case]) -> list[dict[str, str | int | float]]:
    """Return one row per diagnosis: dx, name, images, lesions, share (of the labelled images), most frequent first.

    This is the seed paper's Table 1, with the lesions beside. Raises `DataError` when no case has a diagnosis.
    """
    known = labelled(cases, "the source")
    images = Counter(case.dx for case in known)
    lesions = Counter(dx for dx, _ in {(case.dx, case.lesion_id) for case in known})
    rows: list[dict[str, str | int | float]] = [
        {"dx": dx, "name": NAMES[dx], "images": images[dx], "lesions": lesions[dx], "share": images[dx] / len(known)}
        for dx in CODES
    ]
    return sorted(rows, key=lambda row: -images[str(row["dx"])])


def class_distribution(cases: Sequence[Case], path: Path) -> None:
    """Draw how many images and lesions there are of each diagnosis (Table 1), as PNG."""
    rows = distribution(cases)
    drawn = figure(7.6, 4.2)
    axes = drawn.add_subplot()
    places = range(len(rows))
    images, lesions = ([int(row[key]) for row in rows] for key in ("images", "lesions"))
    axes.barh([place - 0.2 for place in places], images, 0.4, color=COLOURS[6], label="images")
    axes.barh([place + 0.2 for place in places], lesions, 0.4, color=COLOURS[0], label="lesions")
    for place, row in zip(places, rows, strict=True):
        axes.text(int(row["images"]), place - 0.2, f" {row['images']:,} ({row['share']:.1%})", va="center", fontsize=8)
        axes.text(int(row["lesions"]), place + 0.2, f" {row['lesions']:,}", va="center", fontsize=8)
    axes.set_yticks(places, [f"{row['name']}\n({row['dx']})" for row in rows], fontsize=SMALL)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.25 * max(images))
    axes.set_title(f"{sum(images):,} images of {sum(lesions):,} lesions", fontsize=LARGE)
    axes.tick_params(axis="x", labelsize=SMALL)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=SMALL, frameon=False, loc="lower right")
    save(drawn, path)


def by_age_and_site(cases: Sequence[Case], path: Path, dx: str = "mel") -> None:
    """Draw the images of one diagnosis by the patient's age and by body site (Fig 2), as PNG.

    Unknown ages and sites are told, not dropped. Raises `DataError` when no image has the diagnosis.
    """
    mine = [case for case in cases if case.dx == dx]
    if not mine:
        raise DataError(f"no image of {dx}", f"known are {', '.join(CODES)}")
    ages = Counter(int(case.age // AGE_BAND) * AGE_BAND for case in mine if case.age is not None)
    sites = Counter(case.site or "unknown" for case in mine).most_common()
    unknown = len(mine) - ages.total()
    drawn = figure(10.0, 4.2)
    left, right = drawn.subplots(1, 2)
    left.bar([age + AGE_BAND / 2 for age in ages], list(ages.values()), 0.9 * AGE_BAND, color=COLOURS[4])
    left.set_xlabel(f"age, years, in bands of {AGE_BAND}" + (f" (unknown: {unknown:,})" if unknown else ""))
    left.set_ylabel("images")
    right.barh([name for name, _ in sites], [count for _, count in sites], color=COLOURS[4])
    right.invert_yaxis()
    right.set_xlabel("images")
    for axes, title in ((left, "by age"), (right, "by body site")):
        axes.set_title(f"{NAMES[dx]}, {len(mine):,} images, {title}", fontsize=MEDIUM)
        axes.tick_params(labelsize=SMALL)
        axes.spines[["top", "right"]].set_visible(False)
        axes.locator_params(axis="y" if axes is left else "x", integer=True)
    save(drawn, path)


def sample_grid(cases: Sequence[Case], path: Path, each: int = 4, seed: int = 0) -> None:
    """Draw `each` photographs of every diagnosis, chosen by hash, one diagnosis a row (Fig 1), as PNG.

    The picture shows photographs: mind the source's licence. Raises `DataError` when no image has a diagnosis.
    """
    rows: list[tuple[str, list[Cell | None]]] = []
    for dx in CODES:
        mine = pick([case for case in cases if case.dx == dx], each, seed)
        cells = [Cell(shrink(load_image(Path(case.path), case.image_id)), case.image_id) for case in mine]
        if cells:
            rows.append((NAMES[dx], [*cells, *([None] * (each - len(cells)))]))
    if not rows:
        raise DataError(f"{path}: no image has a diagnosis", "name a labelled source")
    draw_page(rows, path)


def augmentation_examples(cases: Sequence[Case], path: Path, policy: str = "paper", seed: int = 0) -> Case:
    """Draw one image, chosen by hash, and nine augmented versions of it (Fig 4), as PNG; return its case."""
    from lesionlab.report.augment_preview import augment_preview

    return augment_preview(pick(cases, 1, seed), path, policy=policy, count=9, seed=seed)


def write_population(cases: Sequence[Case], folder: Path, photographs: bool = True) -> list[Path]:
    """Write the figures of this module, and `distribution` as CSV, into a folder and return the files.

    Those that show photographs are drawn only if asked for, melanoma by age and site only where there is one.
    """
    files = [folder / "class_distribution.csv", folder / "class_distribution.png"]
    rows = distribution(cases)
    write_rows(files[0], list(rows[0]), ([*row.values()] for row in rows))
    class_distribution(cases, files[1])
    if any(case.dx == "mel" for case in cases):
        files.append(folder / "melanoma_by_age_and_site.png")
        by_age_and_site(cases, files[-1])
    if photographs:
        files.append(folder / "samples.png")
        sample_grid(cases, files[-1])
        files.append(folder / "augmentation.png")
        augmentation_examples(cases, files[-1])
    return files
