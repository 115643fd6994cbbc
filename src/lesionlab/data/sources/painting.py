"""Draws synthetic lesions of the seven diagnoses as amounts of pigment, blood, scar and keratin in skin.

Every diagnosis is one function that adds its dermoscopic structures to a `Lesion`. They follow the
textbook (Kittler et al., J Am Acad Dermatol 74:1093, 2016, doi 10.1016/j.jaad.2015.12.038), strongly
simplified: pictures to test a program with, not to learn dermoscopy from.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from lesionlab.data.sources.texture import Canvas, Map, clouds, dots, honeycomb, rough, scatter, step, vessels

MELANIN = (0.50, 0.92, 1.30)
DEEP = (1.15, 0.88, 0.55)
BLOOD = (0.16, 0.95, 0.68)
"""Absorption of red, green and blue light (Beer-Lambert, per unit amount): brown, blue-grey and red."""

SCAR = (0.86, 0.76, 0.77)
KERATIN = (0.84, 0.71, 0.50)


@dataclass(frozen=True)
class Skin:
    """Skin without a lesion: its colour (red, green, blue in 0..1) and how much pigment and blood lie where."""

    tone: tuple[float, float, float]
    melanin: Map
    blood: Map


@dataclass
class Lesion:
    """A lesion on its canvas: where it is, and how much of each substance lies where.

    `inside` is 1 in the lesion and 0 outside; `rho` is 0 at its centre and 1 at its border; `typical`
    in 0..1 is how clearly it shows its diagnosis.
    """

    canvas: Canvas
    radius: float
    typical: float
    inside: Map
    rho: Map
    melanin: Map = field(init=False)
    deep: Map = field(init=False)
    blood: Map = field(init=False)
    scar: Map = field(init=False)
    keratin: Map = field(init=False)

    def __post_init__(self) -> None:
        for name in ("melanin", "deep", "blood", "scar", "keratin"):
            setattr(self, name, self.canvas.empty())

    def colour(self, skin: Skin) -> Map:
        """Return the lesion on its skin as colours (side, side, 3), 0..1."""
        melanin, blood = (np.maximum(of, 0) for of in (self.melanin + skin.melanin, self.blood + skin.blood))
        scar, keratin = np.clip(self.scar, 0, 0.8), np.clip(self.keratin, 0, 0.8)
        seen = np.empty((*melanin.shape, 3), np.float32)
        for channel, tone in enumerate(skin.tone):
            depth = melanin * MELANIN[channel] + self.deep * DEEP[channel] + blood * BLOOD[channel]
            layer = tone * np.exp(-depth)
            layer += scar * (SCAR[channel] - layer)
            layer += keratin * (KERATIN[channel] - layer)
            seen[..., channel] = layer
        return seen


@dataclass(frozen=True)
class Form:
    """Ranges of a diagnosis' outline: radius in units, waviness, share of the radius over which the edge fades."""

    radius: tuple[float, float]
    waviness: tuple[float, float]
    edge: tuple[float, float]


def outline(canvas: Canvas, form: Form, typical: float) -> Lesion:
    """Return a lesion with an outline and nothing in it."""
    rng = canvas.rng
    radius, waviness, edge = (rng.uniform(*span) for span in (form.radius, form.waviness, form.edge))
    stretch, turn = rng.uniform(0.72, 1.0), rng.uniform(0, math.pi)
    x = (canvas.x * math.cos(turn) + canvas.y * math.sin(turn)) * math.sqrt(stretch)
    y = (canvas.y * math.cos(turn) - canvas.x * math.sin(turn)) / math.sqrt(stretch)
    angle = np.arctan2(y, x)
    border = np.full_like(x, radius)
    for k in range(2, 7):
        border += radius * waviness * rng.normal(0, 1.2 / k) * np.cos(k * angle + rng.uniform(0, 2 * math.pi))
    rho = np.hypot(x, y) / np.maximum(border, 0.25 * radius) + rough(canvas, 0.22, 4) * (0.04 + 0.5 * waviness)
    rho = np.asarray(rho, np.float32)
    return Lesion(canvas, radius, typical, step(rho, 1 + edge / 2, 1 - edge), rho)


def nondescript(lesion: Lesion, share: float) -> None:
    """Add what any lesion may have: some brown, some red, both uneven."""
    rng, c = lesion.canvas.rng, lesion.canvas
    uneven = 1 + rng.uniform(0.1, 0.35) * rough(c, 0.4)
    lesion.melanin += lesion.inside * uneven * rng.uniform(0.1, 0.75) * share
    lesion.blood += lesion.inside * (1 + 0.3 * clouds(c, 0.3)) * rng.uniform(0.0, 0.35) * share


def nevus(lesion: Lesion) -> None:
    """Even brown with a regular network, globules or neither, paler towards the border."""
    rng, c, t = lesion.canvas.rng, lesion.canvas, lesion.typical
    fade = lesion.inside * (1.1 - 0.4 * np.clip(lesion.rho, 0, 1) ** 2)
    amount = rng.uniform(0.25, 0.95)
    lesion.melanin += fade * amount * (1 + 0.12 * rough(c, 0.25))
    pattern = rng.choice(["network", "globules", "plain"], p=[0.5, 0.25, 0.25])
    if pattern == "network":
        lesion.melanin += fade * (honeycomb(c, rng.uniform(0.05, 0.085), 0.35) - 0.4) * amount * t
    elif pattern == "globules":
        count = int(rng.integers(25, 60))
        spots = dots(c, scatter(c, count, lesion.radius), rng.uniform(0.025, 0.05, count))
        lesion.melanin += lesion.inside * spots * t * 0.8
    lesion.blood += lesion.inside * rng.uniform(0, 0.3)


def melanoma(lesion: Lesion) -> None:
    """Several browns to black in patches, a broken network, blue-white veil, peripheral dots, regression."""
    rng, c, t = lesion.canvas.rng, lesion.canvas, lesion.typical
    patches = step(rough(c, lesion.radius * 0.7), -0.5, 1.1)
    lesion.melanin += lesion.inside * (rng.uniform(0.25, 0.7) + patches * rng.uniform(0.4, 1.3) * t)
    net = honeycomb(c, rng.uniform(0.06, 0.10), 0.6) * step(rough(c, lesion.radius * 0.5), -0.4, 1.0)
    lesion.melanin += lesion.inside * net * rng.uniform(0.15, 0.7)
    veil = lesion.inside * step(rough(c, lesion.radius * 0.6), 0.1, 1.6) * t
    lesion.deep += veil * rng.uniform(0.2, 0.9)
    lesion.scar += veil * rng.uniform(0.0, 0.3)
    lesion.scar += lesion.inside * step(rough(c, lesion.radius * 0.5), 0.5, 1.9) * rng.uniform(0, 0.5) * t
    count = int(rng.integers(8, 30) * t)
    rim = scatter(c, count, 1)
    rim *= lesion.radius * rng.uniform(0.8, 1.1, (count, 1)) / np.hypot(rim[:, :1], rim[:, 1:])
    lesion.melanin += dots(c, rim, rng.uniform(0.015, 0.045, count)) * rng.uniform(0.6, 1.3)
    lesion.blood += lesion.inside * step(clouds(c, 0.4), 0.2, 1.4) * rng.uniform(0, 0.5)


def keratosis(lesion: Lesion) -> None:
    """Yellow-brown, furrowed like a brain, with pale cysts and dark plugs, sharply set off."""
    rng, c, t = lesion.canvas.rng, lesion.canvas, lesion.typical
    furrows = 1 - step(np.abs(clouds(c, rng.uniform(0.09, 0.16))), 0.0, 0.6)
    amount = rng.uniform(0.3, 0.9)
    lesion.melanin += lesion.inside * amount * (1 + 0.3 * rough(c, 0.3) + (furrows - 0.4) * 0.9 * t)
    lesion.keratin += lesion.inside * step(clouds(c, 0.3), -1.0, 1.2) * rng.uniform(0.1, 0.45) * t
    cysts, plugs = int(rng.integers(4, 18) * t), int(rng.integers(2, 12) * t)
    pale = dots(c, scatter(c, cysts, lesion.radius * 0.85), rng.uniform(0.02, 0.04, cysts))
    lesion.keratin += pale * lesion.inside * 0.6
    dark = dots(c, scatter(c, plugs, lesion.radius * 0.8), rng.uniform(0.025, 0.055, plugs))
    lesion.melanin += dark * lesion.inside * rng.uniform(0.6, 1.2)


def basal_cell_carcinoma(lesion: Lesion) -> None:
    """Pale pink with branching vessels, blue-grey nests at the sides and a sore."""
    rng, c, t = lesion.canvas.rng, lesion.canvas, lesion.typical
    lesion.blood += lesion.inside * (rng.uniform(0.1, 0.4) + 0.1 * clouds(c, 0.3))
    lesion.melanin += lesion.inside * step(rough(c, 0.4), -0.3, 1.5) * rng.uniform(0, 0.5)
    lesion.scar += lesion.inside * step(clouds(c, lesion.radius * 0.6), 0.0, 1.5) * rng.uniform(0, 0.45) * t
    starts = scatter(c, int(rng.integers(2, 6)), lesion.radius * 1.1)
    tree = vessels(c, starts, lesion.radius * 1.6, rng.uniform(0.018, 0.032), 0.14)
    lesion.blood += tree * step(lesion.rho, 1.3, 0.9) * rng.uniform(0.5, 1.1) * t
    nests = int(rng.integers(2, 9))
    place = scatter(c, nests, lesion.radius * 0.9)
    lesion.deep += dots(c, place, rng.uniform(0.05, 0.15, nests), 0.9) * lesion.inside * rng.uniform(0.4, 1.2) * t
    if rng.random() < 0.4:
        sore = dots(c, scatter(c, 1, lesion.radius * 0.5), rng.uniform(0.06, 0.16, 1), 0.6)
        lesion.blood += sore * rng.uniform(0.6, 1.4)
        lesion.melanin += sore * rng.uniform(0.2, 0.7)


def actinic_keratosis(lesion: Lesion) -> None:
    """Diffuse red between pale follicles, with scales and faint brown, without a clear border."""
    rng, c, t = lesion.canvas.rng, lesion.canvas, lesion.typical
    follicles = 1 - honeycomb(c, rng.uniform(0.11, 0.17), 0.5)
    red = lesion.inside * (1 + 0.3 * rough(c, 0.3)) * rng.uniform(0.25, 0.6)
    lesion.blood += red * (1 - 0.6 * t * follicles)
    lesion.melanin += lesion.inside * step(rough(c, 0.35), -0.2, 1.2) * rng.uniform(0.05, 0.6)
    scales = step(rough(c, 0.09) + clouds(c, 0.35), 0.9, 2.8)
    lesion.keratin += lesion.inside * scales * rng.uniform(0.3, 0.8) * t
    count = int(rng.integers(10, 40) * t)
    points = dots(c, scatter(c, count, lesion.radius), rng.uniform(0.012, 0.025, count))
    lesion.blood += points * lesion.inside * rng.uniform(0.2, 0.7)


def dermatofibroma(lesion: Lesion) -> None:
    """A white scar in the middle of a delicate brown network that fades outwards."""
    rng, c, t = lesion.canvas.rng, lesion.canvas, lesion.typical
    ring = lesion.inside * (0.5 + 0.5 * step(lesion.rho, 0.2, 0.7))
    amount = rng.uniform(0.25, 0.65)
    lesion.melanin += ring * amount * (1 + 0.2 * rough(c, 0.3))
    lesion.melanin += ring * (honeycomb(c, rng.uniform(0.045, 0.07), 0.3) - 0.4) * amount * 0.8 * t
    middle = step(lesion.rho + 0.14 * rough(c, 0.12), rng.uniform(0.5, 0.8), 0.0)
    lesion.scar += middle * rng.uniform(0.45, 0.85) * t
    lesion.blood += lesion.inside * rng.uniform(0.05, 0.35)


def vascular(lesion: Lesion) -> None:
    """Red to purple lagoons, some clotted dark, between pale walls."""
    rng, c, t = lesion.canvas.rng, lesion.canvas, lesion.typical
    lesion.blood += lesion.inside * rng.uniform(0.3, 0.8)
    count = int(rng.integers(6, 26))
    lagoons = dots(c, scatter(c, count, lesion.radius * 0.9), rng.uniform(0.06, 0.15, count), 0.6) * lesion.inside
    lesion.blood += lagoons * rng.uniform(0.4, 1.3) * t
    lesion.deep += lagoons * step(clouds(c, lesion.radius * 0.6), -0.3, 1.2) * rng.uniform(0, 0.8)
    lesion.scar += lesion.inside * (1 - lagoons) * rng.uniform(0, 0.3) * t


PAINTERS: dict[str, tuple[Form, Callable[[Lesion], None]]] = {
    "akiec": (Form((0.40, 0.75), (0.10, 0.22), (0.35, 0.80)), actinic_keratosis),
    "bcc": (Form((0.30, 0.65), (0.08, 0.20), (0.20, 0.60)), basal_cell_carcinoma),
    "bkl": (Form((0.32, 0.72), (0.05, 0.18), (0.08, 0.35)), keratosis),
    "df": (Form((0.30, 0.60), (0.02, 0.08), (0.35, 0.70)), dermatofibroma),
    "mel": (Form((0.35, 0.80), (0.08, 0.26), (0.08, 0.35)), melanoma),
    "nv": (Form((0.25, 0.65), (0.02, 0.14), (0.12, 0.50)), nevus),
    "vasc": (Form((0.18, 0.50), (0.04, 0.16), (0.12, 0.40)), vascular),
}
"""Outline and structures of each diagnosis."""


def paint(canvas: Canvas, dx: str) -> Lesion:
    """Return a lesion of diagnosis `dx`, at random one that is plain to see or hard to tell."""
    form, structures = PAINTERS[dx]
    lesion = outline(canvas, form, typical=float(canvas.rng.beta(2.2, 1.4)))
    nondescript(lesion, share=1 - 0.7 * lesion.typical)
    structures(lesion)
    grain = 1 + np.float32(0.10) * rough(canvas, 0.06, 2)
    for amount in (lesion.melanin, lesion.blood, lesion.deep):
        amount *= grain
    return lesion
