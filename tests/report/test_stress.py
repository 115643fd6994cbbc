"""A model under stress: which images are taken, what it is asked, what is written."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionlab.data.cases import Case
from lesionlab.data.corruptions import corrupt
from lesionlab.data.variations import VARIATIONS
from lesionlab.errors import DataError, UsageError
from lesionlab.files import read_json
from lesionlab.models.composite import read_model
from lesionlab.prediction.network import dihedral
from lesionlab.prediction.predictor import Predictor
from lesionlab.report import stress
from lesionlab.report.parts import Images, part_images, split_of
from lesionlab.report.stress import CURVES, DIHEDRAL, RESULT, SHEET, ask_changed, stratified, stress_model


def cases(**counts: int) -> list[Case]:
    """Return so many cases of each diagnosis."""
    return [Case(f"{code}{i}", "", code, f"{code}{i}") for code, count in counts.items() for i in range(count)]


def test_a_choice_keeps_shares_and_takes_enough_of_each() -> None:
    everything = cases(nv=600, mel=100, bkl=200, df=12, vasc=4)
    chosen = stratified(everything, 300)
    assert Counter(case.dx for case in chosen) == {"nv": 197, "mel": 33, "bkl": 66, "df": 10, "vasc": 4}
    assert chosen == [case for case in everything if case in set(chosen)]
    assert stratified(everything[::-1], 300)[::-1] == chosen
    assert stratified(everything, 300, seed=1) != chosen
    assert set(stratified(everything, 200)) < set(chosen)


@pytest.mark.parametrize("count", [None, 50, 51])
def test_all_of_them(count: int | None) -> None:
    everything = cases(nv=30, mel=20)
    assert stratified(everything, count) == everything


def test_dihedral_changes_are_what_they_say() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    shown = {name: dihedral(image[None], view)[0] for name, view in DIHEDRAL.items()}
    assert sorted(DIHEDRAL.values()) == list(range(1, 8))
    np.testing.assert_array_equal(shown["mirrored left to right"], np.fliplr(image))
    np.testing.assert_array_equal(shown["mirrored top to bottom"], np.flipud(image))
    np.testing.assert_array_equal(shown["turned by 180 degrees"], np.rot90(image, 2))
    np.testing.assert_array_equal(shown["turned to the left"], np.rot90(image))
    np.testing.assert_array_equal(shown["turned to the right"], np.rot90(image, -1))
    np.testing.assert_array_equal(shown["mirrored on the diagonal"], image.swapaxes(0, 1))
    np.testing.assert_array_equal(shown["mirrored on the other diagonal"], np.rot90(image, 2).swapaxes(0, 1))


def test_every_change_is_asked_in_the_order_of_the_pack(
    run: Path, synthetic: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stress, "CHUNK", 4)
    model = read_model(run)
    packed, chosen = part_images(model, split_of(model, run, "val", None), Images(synthetic), "val")
    told: list[tuple[int, int]] = []
    found = ask_changed(
        Predictor(model), packed, chosen[:6][::-1], 3, lambda what, done, total: told.append((done, total))
    )
    assert len(found) == 1 + 60 + 7 + 10
    assert told[-1] == (6 * 78, 6 * 78) and [done for done, _ in told] == sorted(done for done, _ in told)
    rows = packed.rows({case.image_id for case in chosen[:6]})
    names = [packed.cases[row].image_id for row in rows]
    assert all(one.image_ids == tuple(names) for one in found.values())
    pixels = packed.pixels[rows]
    hairy = Predictor(model).probabilities(corrupt(pixels, names, "hair", 4, 3))
    np.testing.assert_allclose(found["corruption", "hair", 4].probabilities, hairy, atol=1e-5)
    mirrored = Predictor(model).probabilities(pixels[:, :, ::-1])
    np.testing.assert_allclose(found["dihedral", "mirrored left to right", 0].probabilities, mirrored, atol=1e-5)
    assert {name for kind, name, _ in found if kind == "photometric"} == set(VARIATIONS)


def test_eight_views_never_flip(run: Path, synthetic: Path) -> None:
    model = read_model(run)
    packed, chosen = part_images(model, split_of(model, run, "val", None), Images(synthetic), "val")
    answers = ask_changed(Predictor(model, views=8), packed, chosen[:4])
    for (kind, _, _), one in answers.items():
        if kind == "dihedral":
            np.testing.assert_allclose(one.probabilities, answers[stress.CLEAN].probabilities, atol=1e-5)


def test_what_is_written(run: Path, synthetic: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    found = stress_model(run, Images(synthetic), "val", 5, out=folder, resamples=40, seed=2)
    assert read_json(folder / RESULT) == found
    assert {path.name for path in folder.iterdir()} == {RESULT, SHEET, CURVES}
    assert all(min(Image.open(folder / name).size) > 500 for name in (SHEET, CURVES))
    assert found["images"] == sum(found["per_class"].values()) <= found["chosen_of"]
    assert found["trained_on"] == 0 and found["looks"] == 0 and found["seed"] == 2
    assert len(found["corruptions"]["by_name"]) == 12
    assert found["overlays"]["called_by"] == "the diagnosis"
    again = stress_model(run, Images(synthetic), "val", 5, out=tmp_path / "again", resamples=40, seed=2)
    assert again | {"folder": ""} == found | {"folder": ""}
    assert (folder / SHEET).read_bytes() == (tmp_path / "again" / SHEET).read_bytes()


def test_mistakes(run: Path, synthetic: Path, tmp_path: Path) -> None:
    images = Images(synthetic)
    with pytest.raises(UsageError, match="no such part"):
        stress_model(run, images, "tests")
    with pytest.raises(UsageError, match="too few"):
        stress_model(run, images, "val", resamples=3)
    shutil.copytree(run / "model", tmp_path / "model")
    with pytest.raises(UsageError, match="no run folder"):
        stress_model(tmp_path / "model", images, "all")
    unknown = tmp_path / "cases.csv"
    picture = next((synthetic / "images").glob("*.jpg"))
    unknown.write_text(f"image_id,path,dx,lesion_id,excluded\na,{picture},,a,mel\n")
    with pytest.raises(DataError, match="no image has a diagnosis"):
        stress_model(run, Images(unknown), "all", split_file=None, out=tmp_path / "none")
    assert not (tmp_path / "none").exists() and not (run / "stress").exists()
