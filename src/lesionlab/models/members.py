"""Whether models can answer together: one input size, one split, one set of diagnoses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lesionlab.errors import ModelError
from lesionlab.models.bundle import Bundle


def check_members(members: Mapping[str, Bundle], pairs: Sequence[tuple[str, str]] | None = None) -> None:
    """Raise `ModelError` unless the members can answer together.

    All need one input size and one split: a member of another split may have learnt images that the others are
    tested on. With `pairs` the first member is a general model and the others are the specialists of these pairs;
    without, all are trained for the same diagnoses. All are of the same body site.
    """
    first, *others = members
    if pairs and (known := trained_for(members[first])[1]):
        raise ModelError(f"{first}: knows only {', '.join(known)}", "the base of a Mix-Model knows all diagnoses")
    wanted = [trained_for(members[first])[1]] * len(others) if pairs is None else [tuple(sorted(p)) for p in pairs]
    for name, classes in zip(others, wanted, strict=True):
        _check_pair(first, members[first], name, members[name])
        if trained_for(members[name]) != (trained_for(members[first])[0], classes):
            raise ModelError(
                f"{name}: was trained for another body site or other diagnoses than {first} asks for",
                "combine models trained for the same images",
            )


def _check_pair(first: str, one: Bundle, name: str, other: Bundle) -> None:
    """Raise `ModelError` unless two members have one size, one framing of photographs and one known split."""
    (size, split), (other_size, other_split) = size_and_split(one), size_and_split(other)
    if size != other_size:
        raise ModelError(f"{first} takes {size} px and {name} {other_size} px", "combine models of one input size")
    if one.frame_aspect != other.frame_aspect:
        raise ModelError(
            f"{first} and {name} crop photographs to other shapes ({one.frame_aspect:.3f}, {other.frame_aspect:.3f})",
            "combine models of one photo_aspect",
        )
    if split is None or split != other_split:
        raise ModelError(
            f"{first} was trained on split {split} and {name} on split {other_split}: "
            f"{name} may have learnt images that {first} is tested on",
            "train both with one split file: lesionlab train --split FILE",
        )


def size_and_split(bundle: Bundle) -> tuple[int, str | None]:
    """Return the input's side in pixels and the fingerprint of the split, None where the model does not tell it."""
    return bundle.size, bundle.training.get("split", {}).get("fingerprint")


def trained_for(bundle: Bundle) -> tuple[str, tuple[str, ...]]:
    """Return the body site and the sorted diagnoses that a model's training images were narrowed to; empty for all."""
    recipe = bundle.training.get("recipe", {})
    return recipe.get("site", ""), tuple(sorted(recipe.get("classes", ())))


def common_training(members: Mapping[str, Bundle]) -> dict[str, Any]:
    """Return the `training` of a composite: data, split, site and diagnoses of its first member."""
    first = next(iter(members.values()))
    site, classes = trained_for(first)
    shared = {key: first.training[key] for key in ("data", "split") if key in first.training}
    return shared | {"recipe": {"site": site, "classes": list(classes)}}
