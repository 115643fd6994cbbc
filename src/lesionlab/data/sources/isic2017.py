"""ISIC 2017 ground truth: melanoma, seborrheic keratosis, or neither of the two, which is no diagnosis."""

from __future__ import annotations

from lesionlab.data.sources.contents import Contents, Table
from lesionlab.data.sources.listing import Listing, attach_images, cases_from_rows, read_table
from lesionlab.errors import DataError

COLUMNS = ("image_id", "melanoma", "seborrheic_keratosis")
AGE = "age_approximate"
ANSWERS = {(1.0, 0.0): ("mel", ""), (0.0, 1.0): ("bkl", ""), (0.0, 0.0): ("", "mel|bkl")}
"""(melanoma, seborrheic keratosis) -> (`Case.dx`, `Case.excluded`)."""


def is_ground_truth(table: Table) -> bool:
    """Return whether a table has the challenge's two columns."""
    return set(COLUMNS) <= set(table.header)


def recognises(contents: Contents) -> bool:
    """Return whether such a table lies near the top."""
    return any(is_ground_truth(table) for table in contents.tables)


def read(contents: Contents) -> Listing:
    """Read the two columns, and age and sex where they are there; each image is its own lesion.

    An image that shows neither gets no diagnosis but `Case.excluded`: the challenge calls it benign, and it need not be
    a nevus. A `dx` column, where somebody added one, is not read.

    Raises `DataError` for a row that is both or not made of zeros and ones.
    """
    table = contents.table(is_ground_truth, "ISIC 2017 ground truth", COLUMNS)
    rows = []
    for number, row in enumerate(read_table(table, COLUMNS), start=2):
        dx, excluded = _answer(row, f"{table.path}, line {number}")
        age, sex = row.get(AGE, ""), row.get("sex", "")
        rows.append(
            {"image_id": row["image_id"], "dx": dx, "excluded": excluded, "age": age, "sex": sex, "source": "isic2017"}
        )
    cases = cases_from_rows(rows, table.path, {name: name for name in rows[0]})
    return Listing("isic2017", contents.folder, *attach_images(cases, contents, table.path))


def _answer(row: dict[str, str], where: str) -> tuple[str, str]:
    try:
        return ANSWERS[float(row["melanoma"]), float(row["seborrheic_keratosis"])]
    except (ValueError, KeyError):
        raise DataError(
            f"{where}: melanoma {row['melanoma']!r}, seborrheic_keratosis {row['seborrheic_keratosis']!r}",
            "each is 0 or 1, and not both are 1",
        ) from None
