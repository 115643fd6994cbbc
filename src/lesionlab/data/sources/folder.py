"""One folder per diagnosis, named by its code: akiec, bcc, bkl, df, mel, nv, vasc."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from lesionlab.data.cases import Case, Problem, check_unique, parse_dx
from lesionlab.data.sources.contents import Contents
from lesionlab.data.sources.listing import Listing
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError


def recognises(contents: Contents) -> bool:
    """Return whether any image lies below a folder named by a diagnosis code."""
    return any(_class_of(path, contents.folder) in CODES for path in _all_images(contents))


def read(contents: Contents) -> Listing:
    """Read one case per image, its diagnosis being the folder it lies in, each image its own lesion.

    The classes may stand below other folders, such as train/ and test/. An image is named after
    its file, or after its whole path where two files share a name. Raises `DataError` for images in
    a folder whose name is no diagnosis.
    """
    images = _all_images(contents)
    names = Counter(path.stem for path in images)
    cases, problems = [], []
    for path in images:
        inside = path.relative_to(contents.folder).with_suffix("")
        image_id = path.stem if names[path.stem] == 1 else "_".join(inside.parts)
        if path.parent == contents.folder:
            problems.append(Problem("unlabelled image", image_id, str(path), "lies in no diagnosis' folder"))
        else:
            dx = parse_dx(_class_of(path, contents.folder), f"folder {path.parent}")
            cases.append(Case(image_id=image_id, path=str(path), dx=dx, lesion_id=image_id))
    if not cases:
        raise DataError(f"{contents.folder}: no folder named by a diagnosis", f"name folders {', '.join(CODES)}")
    check_unique(cases, str(contents.folder))
    return Listing("folder", contents.folder, cases, problems)


def _all_images(contents: Contents) -> list[Path]:
    return sorted([*contents.images.values(), *contents.copies])


def _class_of(path: Path, root: Path) -> str:
    """Return the nearest enclosing folder that is a diagnosis code, or else the enclosing folder's name."""
    folders = [part.lower() for part in path.relative_to(root).parts[:-1]]
    return next((name for name in reversed(folders) if name in CODES), folders[-1] if folders else "")
