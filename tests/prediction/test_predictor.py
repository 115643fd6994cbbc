"""Answers: order, colour, views, prior, batches, and images that cannot be read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionlab.data.colour import Colour, recolour
from lesionlab.data.images import load_image, squash
from lesionlab.diagnoses import CODES
from lesionlab.errors import UsageError
from lesionlab.models.bundle import Bundle
from lesionlab.models.cascade import route
from lesionlab.models.composite import Ensemble, Mix
from lesionlab.models.decisions import Decisions
from lesionlab.models.onnx_export import random_images
from lesionlab.models.probabilities import softmax
from lesionlab.prediction.network import dihedral
from lesionlab.prediction.predictor import Answer, Predictor, Refusal
from lesionlab.prediction.runtime import Session

PIXELS = random_images(9, 64, seed=2)


@pytest.fixture(scope="module")
def predictor(bundle: Bundle) -> Predictor:
    return Predictor(bundle, threads=1)


def test_probabilities_are_the_softmax_of_the_logits(predictor: Predictor, bundle: Bundle) -> None:
    found = predictor.probabilities(PIXELS)
    assert (found.dtype, found.shape) == (np.float64, (9, 7))
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-12)
    odds = np.exp(Session(bundle, threads=1).logits(PIXELS).astype(float))
    np.testing.assert_allclose(found, odds / odds.sum(1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 4, 9, 64])
def test_the_batch_size_changes_nothing(predictor: Predictor, batch_size: int) -> None:
    np.testing.assert_allclose(predictor.probabilities(PIXELS, batch_size), predictor.probabilities(PIXELS), atol=1e-5)


def test_no_images_give_no_rows(predictor: Predictor) -> None:
    assert predictor.probabilities(PIXELS[:0]).shape == (0, 7)


@pytest.mark.parametrize("views", [2, 4, 8])
def test_views_average_probabilities(bundle: Bundle, predictor: Predictor, views: int) -> None:
    single = [predictor.probabilities(dihedral(PIXELS, view)) for view in range(views)]
    found = Predictor(bundle, views, threads=1).probabilities(PIXELS)
    np.testing.assert_allclose(found, np.mean(single, axis=0), atol=1e-6)
    assert np.abs(found - single[0]).max() > 1e-3, "the views differ"


def test_eight_views_make_the_answer_the_same_for_every_turn(bundle: Bundle) -> None:
    eight = Predictor(bundle, 8, threads=1)
    expected = eight.probabilities(PIXELS)
    for turned in (np.rot90(PIXELS, axes=(1, 2)), PIXELS[:, ::-1]):
        np.testing.assert_allclose(eight.probabilities(turned), expected, atol=1e-5)


def test_the_eight_views_are_eight_turns_and_mirrors() -> None:
    image = PIXELS[:1]
    turns = {np.rot90(side, k, axes=(1, 2)).tobytes() for side in (image, image[:, ::-1]) for k in range(4)}
    assert {np.ascontiguousarray(dihedral(image, view)).tobytes() for view in range(8)} == turns
    np.testing.assert_array_equal(dihedral(image, 1), image[:, :, ::-1])
    np.testing.assert_array_equal(dihedral(image, 2), image[:, ::-1])


@pytest.mark.parametrize("views", [0, 3, 16])
def test_other_numbers_of_views_are_refused(bundle: Bundle, views: int) -> None:
    with pytest.raises(UsageError, match="views"):
        Predictor(bundle, views)


@pytest.mark.parametrize("colour", ["gray", "constancy"])
def test_the_bundles_own_offset_colour_and_views_are_used(
    bundle: Bundle, make_bundle: Callable[..., Bundle], tmp_path: Path, colour: Colour
) -> None:
    offset = [0.0, 0, 0, 0, 0, 3, 0]
    other = make_bundle(tmp_path / "model", colour=colour, prior_offset=offset, views=2)
    session = Session(bundle, threads=1)
    seen = recolour(PIXELS, colour)
    expected = np.mean([softmax(session.logits(dihedral(seen, view)) + np.array(offset)) for view in (0, 1)], axis=0)
    found = Predictor(other, threads=1).probabilities(PIXELS)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert (found[:, 5] > Predictor(other, threads=1).probabilities(PIXELS)[:, 5] - 1e-9).all()


def test_answers_come_in_order_and_are_the_images_own(predictor: Predictor, images: list[Path]) -> None:
    found = list(predictor.predict(images, batch_size=4))
    pixels = np.stack([squash(load_image(path), 64) for path in images])
    expected = predictor.probabilities(pixels)
    assert [answer.path for answer in found] == images
    for answer, row in zip(found, expected, strict=True):
        assert isinstance(answer, Answer)
        assert answer.image_id == answer.path.stem
        assert answer.verdict.diagnosis == CODES[row.argmax()]
        np.testing.assert_allclose(answer.verdict.probabilities, row, atol=1e-5)


def test_several_threads_may_ask_for_a_batch_each(predictor: Predictor, images: list[Path]) -> None:
    gone = images[0].with_name("gone.png")
    batches = [[path, gone] for path in images]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(predictor.answer, batches))
    assert [result for batch in found for result in batch] == list(predictor.predict(chain(*batches), 2))


def test_bad_images_are_refused_in_their_place(predictor: Predictor, images: list[Path], tmp_path: Path) -> None:
    (tmp_path / "note.jpg").write_text("no image")
    cut = tmp_path / "cut.png"
    cut.write_bytes(images[0].read_bytes()[:500])
    paths = [tmp_path / "gone.jpg", images[0], tmp_path / "note.jpg", cut, tmp_path, images[1], tmp_path / "gone.png"]
    found = list(predictor.predict(paths, batch_size=2))
    assert [result.path for result in found] == paths
    assert [isinstance(result, Answer) for result in found] == [False, True, False, False, False, True, False]
    for result in found:
        if isinstance(result, Refusal):
            assert str(result.path) in result.reason
            assert "\n" not in result.reason


def test_only_bad_images_are_all_refused(predictor: Predictor, tmp_path: Path) -> None:
    found = list(predictor.predict([tmp_path / "a.png", tmp_path / "b.png"]))
    assert all(isinstance(result, Refusal) for result in found)


def test_paths_are_taken_as_answers_are_asked_for(predictor: Predictor, images: list[Path]) -> None:
    taken = 0

    def endless() -> Iterator[Path]:
        nonlocal taken
        while True:
            taken += 1
            yield images[taken % len(images)]

    answers = predictor.predict(endless(), batch_size=3)
    next(answers)
    assert taken <= 3 * 3 + 1, "two batches ahead at most"
    answers.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_a_jpegs_orientation_is_applied(predictor: Predictor, images: list[Path], tmp_path: Path) -> None:
    upright = Image.open(images[1])
    exif = Image.Exif()
    exif[274] = 3
    upright.rotate(180).save(tmp_path / "turned.png", exif=exif)
    first, second = predictor.predict([images[1], tmp_path / "turned.png"])
    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    np.testing.assert_allclose(first.verdict.probabilities, second.verdict.probabilities, atol=1e-6)


def test_an_ensemble_answers_with_its_members_combined(ensemble: Ensemble, images: list[Path]) -> None:
    """Each member has its own colour mode and prior; they disagree, and the answer is their weighted mean."""
    own = [Predictor(bundle, threads=1).probabilities(PIXELS) for bundle in ensemble.bundles.values()]
    together = Predictor(ensemble, threads=1)
    found = together.probabilities(PIXELS, batch_size=4)
    assert (own[0].argmax(1) != own[1].argmax(1)).any(), "the members disagree"
    np.testing.assert_allclose(found, 0.3 * own[0] + 0.7 * own[1], atol=1e-5)
    answers = list(together.predict(images[:2]))
    assert all(isinstance(answer, Answer) and abs(sum(answer.verdict.probabilities) - 1) < 1e-9 for answer in answers)


def test_a_mix_model_answers_with_its_specialists(mix: Mix) -> None:
    """The specialists turn some answers of the general member round, and no answer outside their pairs."""
    pixels = random_images(64, 64, seed=11)
    general, first, second = (Predictor(bundle, threads=1).probabilities(pixels) for bundle in mix.bundles.values())
    found = Predictor(mix, threads=1).probabilities(pixels)
    expected, asked = route(general, {("mel", "nv"): first, ("mel", "bkl"): second})
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert 0 < (asked >= 0).sum() < 64
    assert (found.argmax(1) != general.argmax(1)).any(), "some answers are turned round"
    assert set(np.flatnonzero(found.argmax(1) != general.argmax(1))) <= set(np.flatnonzero(asked >= 0))


def test_members_keep_their_own_views_unless_told(mix: Mix) -> None:
    own = Predictor(mix, threads=1).tables(PIXELS)
    told = Predictor(mix, 2, threads=1).tables(PIXELS)
    np.testing.assert_allclose(own[2], told[2], atol=1e-6)
    assert np.abs(own[0] - told[0]).max() > 1e-4


def test_probabilities_are_calibrated_and_judged(bundle: Bundle, decisions: Decisions, predictor: Predictor) -> None:
    decided = Predictor(bundle.model_copy(update={"decisions": decisions}), threads=1)
    expected = decisions.calibrated(predictor.probabilities(PIXELS))
    np.testing.assert_allclose(decided.probabilities(PIXELS), expected, atol=1e-6)
    verdicts = decided.verdicts(PIXELS)
    np.testing.assert_allclose([verdict.probabilities for verdict in verdicts], expected, atol=1e-6)
    assert [verdict.abstained for verdict in verdicts] == (expected.max(1) < decisions.abstain_below).tolist()


def test_a_composite_calibrates_what_its_members_calibrated(ensemble: Ensemble, decisions: Decisions) -> None:
    own = [Predictor(bundle, threads=1).probabilities(PIXELS) for bundle in ensemble.bundles.values()]
    decided = Predictor(ensemble.model_copy(update={"decisions": decisions}), threads=1)
    expected = decisions.calibrated(0.3 * own[0] + 0.7 * own[1])
    np.testing.assert_allclose(decided.probabilities(PIXELS), expected, atol=1e-5)
    assert decided.verdicts(PIXELS)[0].malignant is not None


def test_a_point_that_the_model_lacks_is_told_at_once(bundle: Bundle, decisions: Decisions) -> None:
    decided = bundle.model_copy(update={"decisions": decisions})
    for point, threshold in ((None, 0.3), ("sensitivity 0.95", 0.05)):
        for verdict in Predictor(decided, threads=1, point=point).verdicts(PIXELS):
            assert verdict.malignant == (verdict.malignant_probability >= threshold)
    with pytest.raises(UsageError, match="specificity"):
        Predictor(decided, threads=1, point="specificity 0.90")


def test_photographs_and_their_squashed_copies_get_the_same_answers(
    bundle: Bundle, predictor: Predictor, tmp_path: Path
) -> None:
    """Of raw 4:3 photographs, the middle of wider ones, and upright ones turned a quarter."""
    framed = Predictor(bundle.model_copy(update={"frame_aspect": 4 / 3}), threads=1)
    for number, pixels in enumerate(random_images(3, 64, seed=6)):
        photograph = Image.fromarray(pixels).resize((600, 450), Image.Resampling.NEAREST)
        wide = Image.new("RGB", (700, 450))
        wide.paste(photograph, (50, 0))
        copy = Image.fromarray(squash(photograph, 64))
        upright = photograph.transpose(Image.Transpose.ROTATE_270)
        paths = [tmp_path / f"{number}{kind}.png" for kind in ("raw", "wide", "copy", "upright")]
        for image, path in zip((photograph, wide, copy, upright), paths, strict=True):
            image.save(path)
        found = [answer.verdict.probabilities for answer in framed.predict(paths) if isinstance(answer, Answer)]
        np.testing.assert_allclose(found, np.broadcast_to(found[0], (4, 7)), atol=1e-6)
        (whole,) = predictor.predict([paths[1]])
        assert isinstance(whole, Answer)
        assert np.abs(np.array(whole.verdict.probabilities) - found[1]).max() > 1e-3, "all of it is squashed"
