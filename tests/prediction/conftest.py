"""A tiny model whose answers differ from image to image, and a few images to ask it about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lesionlab.models.bundle import Bundle, BundleDetails, read_bundle
from lesionlab.models.composite import Ensemble, Mix, card_digests, write_composite
from lesionlab.models.decisions import Conformal, Decisions, Figure, Fit, OperatingPoint
from lesionlab.models.ensemble import Fitted
from lesionlab.models.members import common_training
from lesionlab.models.onnx_export import random_images
from lesionlab.models.writing import write_bundle

SIZE = 64


@pytest.fixture(scope="session")
def make_bundle(make_network: Callable[..., Any]) -> Callable[..., Bundle]:
    """A function that writes a bundle of a random network into a folder: (folder, name="tiny", **details)."""

    def make(folder: Path, name: str = "tiny", **details: Any) -> Bundle:
        return write_bundle(folder, make_network(name, SIZE), BundleDetails(architecture=name, size=SIZE, **details))

    return make


@pytest.fixture(scope="session")
def bundle(make_bundle: Callable[..., Bundle], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A convolutional model in colour, one view, no offset."""
    return make_bundle(tmp_path_factory.mktemp("colour") / "model")


@pytest.fixture(scope="session")
def decisions() -> Decisions:
    """Decisions that can be checked by eye: malignant from 0.3 (or 0.05), sets from 0.2 (mel 0.1), certain from 0.4."""
    figure = Figure(value=0.1)
    fit = Fit(part="val", images=9, lesions=8, nll_before=1, nll_after=1, ece_before=figure, ece_after=figure)
    points = {"sensitivity 0.90": 0.3, "sensitivity 0.95": 0.05}
    return Decisions(
        temperature=2.0,
        bias=[0.0, 0, 0, 0, -0.5, 0.5, 0],
        fitted_on=fit,
        operating=[
            OperatingPoint(target="malignant", aim=aim, threshold=threshold, sensitivity=0.9, specificity=0.8)
            for aim, threshold in points.items()
        ],
        default_point="sensitivity 0.90",
        conformal=Conformal(coverage=0.9, thresholds=[0.2, 0.2, 0.2, 0.2, 0.1, 0.2, 0.2], images=[9] * 7),
        abstain_below=0.4,
    )


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Nine PNG images, not square, called lesion0 to lesion8."""
    folder = tmp_path_factory.mktemp("images")
    paths = [folder / f"lesion{number}.png" for number in range(9)]
    for path, pixels in zip(paths, random_images(9, 96, seed=4), strict=True):
        Image.fromarray(np.ascontiguousarray(pixels[:72])).save(path)
    return paths


@pytest.fixture(scope="session")
def members(make_member: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    """Three members that disagree: a general one in colour, and specialists of mel-nv and mel-bkl, one in gray."""
    folder, split = tmp_path_factory.mktemp("members"), {"split": {"fingerprint": "one"}}
    changes: dict[str, dict[str, object]] = {
        "base": {},
        "mel-nv": {"colour": "gray", "prior_offset": [-100.0, -100, -100, -100, 0, 0, -100]},
        "mel-bkl": {"views": 2, "prior_offset": [-100.0, -100, 0, -100, 0.5, -100, -100]},
    }
    made = {}
    for name, change in changes.items():
        classes = name.split("-") if "-" in name else []
        training = split | {"recipe": {"site": "", "classes": classes}}
        made[name] = read_bundle(make_member(folder / name, training=training, **change))
    return made


def _fields(members: dict[str, Bundle]) -> dict[str, Any]:
    return {"size": SIZE, "members": card_digests(members), "training": common_training(members)}


@pytest.fixture(scope="session")
def ensemble(make_member: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Ensemble:
    """Two members, one in gray with another prior, under weights 0.3 and 0.7."""
    folder = tmp_path_factory.mktemp("ensemble")
    offset = [0.5, 0, 0, 0, 1.5, 0, 0]
    parts = {
        "colour": read_bundle(make_member(folder / "colour")),
        "gray": read_bundle(make_member(folder / "gray", colour="gray", prior_offset=offset)),
    }
    composite = Ensemble(rule="weighted", fitted=Fitted(weights=[0.3, 0.7]), **_fields(parts))
    written = write_composite(folder / "model", composite, parts)
    assert isinstance(written, Ensemble)
    return written


@pytest.fixture(scope="session")
def mix(members: dict[str, Bundle], tmp_path_factory: pytest.TempPathFactory) -> Mix:
    """A Mix-Model of the three members, routed as the paper does."""
    composite = Mix(routing="paper", pairs=[("mel", "nv"), ("mel", "bkl")], **_fields(members))
    written = write_composite(tmp_path_factory.mktemp("mix") / "model", composite, members)
    assert isinstance(written, Mix)
    return written
