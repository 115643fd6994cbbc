"""How much of what is no dermoscopy is turned away, and how much dermoscopy with it.

    python benchmarks/outliers.py RUN --data ham10000 --other FOLDER --dermoscopy isic2017/images

RUN is a calibrated run folder. Its training images fit the scores, its validation images set their thresholds: each
score turns away 5 % of them, and the model's own rule what it does. FOLDER has a folder of images for each kind of
thing that is no dermoscopy: wallpapers of Debian's packages mate-backgrounds, gnome-backgrounds, lomiri-wallpapers
and ukui-wallpapers as landscapes and textures, pictures of opencv-doc and scikit-image, slices of the scans in
nilearn, nibabel and pydicom. Blank images, noise and pages are drawn here. Photographs in `--dermoscopy` folders, of
other cameras, should pass.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lesionlab.data.cases import Case, pick
from lesionlab.data.images import load_image, squash
from lesionlab.data.packs import Pack
from lesionlab.evaluation.outliers import fit_outliers
from lesionlab.models.appearance import statistics
from lesionlab.models.bundle import read_bundle
from lesionlab.prediction.network import Network
from lesionlab.prediction.runtime import Session
from lesionlab.report.parts import Images, learnt_images

DRAWN = 40
WORDS = ("lesion", "patient", "report", "date", "history", "skin", "left", "arm", "no", "12", "2019", "of")

Score = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--other", type=Path)
    parser.add_argument("--dermoscopy", type=Path, nargs="*", default=[])
    parser.add_argument("--most", type=int, default=600, help="most images of a folder, and of validation")
    given = parser.parse_args()

    bundle = read_bundle(given.run)
    learnt = learnt_images(bundle, given.run, Images(given.data))
    known, part = (
        pixels_of(learnt.pack, cases, most)
        for cases, most in ((learnt.train, 2 * given.most), (learnt.validate, given.most))
    )

    def read(folder: Path) -> np.ndarray:
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        files = files[:: max(1, len(files) // given.most)]
        return np.stack([squash(load_image(file), bundle.size, bundle.frame_aspect) for file in files])

    images = {f"dermoscopy: {folder}": read(folder) for folder in given.dermoscopy}
    images |= {f"drawn: {kind}": np.stack([squash(i, bundle.size) for i in made]) for kind, made in drawn().items()}
    folders = sorted(path for path in given.other.iterdir() if path.is_dir()) if given.other else []
    images |= {folder.name: read(folder) for folder in folders}

    scores = scores_of(given.run, known, part)
    limits = {name: np.quantile(score(part), 0.95) for name, score in scores.items()}
    if bundle.decisions and (rule := bundle.decisions.outlier):
        scores["the model's rule"], limits["the model's rule"] = (
            (lambda p: rule.distances(statistics(p))),
            rule.threshold,
        )
    print(f"{'turned away of':34} {'images':>6}  " + "  ".join(scores))
    for kind, pixels in {"validation part": part, **images}.items():
        shares = [f"{(score(pixels) > limits[name]).mean():{len(name)}.1%}" for name, score in scores.items()]
        print(f"{kind[-34:]:34} {len(pixels):6}  " + "  ".join(shares))


def pixels_of(packed: Pack, cases: list[Case], most: int) -> np.ndarray:
    """Return pixels (n, size, size, 3) of at most so many cases."""
    return np.asarray(packed.pixels[packed.rows({case.image_id for case in pick(cases, most)})])


def scores_of(run: Path, known: np.ndarray, part: np.ndarray) -> dict[str, Score]:
    """Return the scores to compare, name -> function of pixels, larger for what is less like the known images."""
    bundle = read_bundle(run)
    rule, network = fit_outliers(statistics(known), statistics(part)), Network(bundle, views=1)
    if rule is None:
        raise SystemExit("too few images to fit a rule")
    found: dict[str, Score] = {
        "appearance": lambda pixels: rule.distances(statistics(pixels)),
        "uncertainty": lambda pixels: -np.concatenate([network.probabilities(b).max(1) for b in batches(pixels)]),
    }
    if bundle.features:
        session = Session(bundle)

        def pooled(pixels: np.ndarray) -> np.ndarray:
            return np.concatenate([session.features(batch)[1].mean(axis=(2, 3)) for batch in batches(pixels)])

        classes = np.concatenate([network.probabilities(batch).argmax(1) for batch in batches(known)])
        found["features"] = relative_mahalanobis(pooled(known), classes, pooled)
    return found


def batches(pixels: np.ndarray) -> Iterator[np.ndarray]:
    return (pixels[first : first + 32] for first in range(0, len(pixels), 32))


def relative_mahalanobis(known: np.ndarray, classes: np.ndarray, pooled: Score, components: int = 64) -> Score:
    """Return the relative Mahalanobis distance (Ren et al. 2021) of features in their principal components."""
    centre = known.mean(0)
    axes = np.linalg.svd(known - centre, full_matrices=False)[2][:components].T
    points = (known - centre) @ axes
    means = {k: points[classes == k].mean(0) for k in np.unique(classes)}
    within = np.linalg.pinv(np.cov(points - np.stack([means[k] for k in classes]), rowvar=False))
    whole = np.linalg.pinv(np.cov(points, rowvar=False))

    def square(apart: np.ndarray, inverse: np.ndarray) -> np.ndarray:
        return np.einsum("nd,de,ne->n", apart, inverse, apart)

    def score(pixels: np.ndarray) -> np.ndarray:
        own = (pooled(pixels) - centre) @ axes
        return np.min([square(own - mean, within) for mean in means.values()], axis=0) - square(own, whole)

    return score


def drawn(seed: int = 5) -> dict[str, list[Image.Image]]:
    """Return blank images, noise of many grains and pages of words."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[Image.Image]] = {"blank": [], "noise": [], "page": []}
    for number in range(DRAWN):
        slope = np.linspace(0.6 if number % 2 else 1, 1, 400)[None, :, None]
        blank = rng.integers(0, 256, 3) * slope + rng.normal(0, 3 * (number % 3 == 0), (300, 400, 3))
        found["blank"].append(Image.fromarray(blank.clip(0, 255).astype(np.uint8)))
        grain = int(rng.choice([1, 2, 4, 8, 16, 40, 80]))
        noise = rng.integers(0, 256, (300 // grain + 1, 400 // grain + 1, 3), dtype=np.uint8)
        noise = noise if number % 2 else np.repeat(noise[..., :1], 3, axis=2)
        found["noise"].append(Image.fromarray(noise).resize((400, 300), Image.Resampling(3 * (number % 4 > 1))))
        page = Image.new("RGB", (1200, 900), tuple(int(value) for value in rng.integers(225, 256, 3)))
        pen, font = ImageDraw.Draw(page), ImageFont.load_default(int(rng.integers(14, 40)))
        for line in range(40, 840, round(font.size * 1.5)):
            ink = tuple(int(value) for value in rng.integers(0, 80, 3))
            pen.text((50, line), " ".join(rng.choice(WORDS, 14)), fill=ink, font=font)
        found["page"].append(page)
    return found


if __name__ == "__main__":
    main()
