"""The Mix-Model of the seed paper (3.5.4): a general model decides first, specialists of two diagnoses re-decide.

Where the paper is open, this is what is done here:

* A specialist knows two diagnoses, its pair. Under the routing `paper` it is asked wherever the general answer is
  one of them. An answer that several pairs hold (melanoma: against nevus and against benign keratosis) goes to the
  one whose other diagnosis the general model finds likelier; the first of equally likely ones.
* Under the routing `margin` it is asked only where its pair holds the general model's two likeliest diagnoses and
  the first leads the second by less than the margin; a margin of 0 asks nobody.
* Re-deciding leaves the other five probabilities alone. With s, at least 1/2, the specialist's probability of its
  winner within the pair, the winner's becomes max((Pa + Pb) s, max(Pa, Pb)) and the loser has the rest of Pa + Pb.
  As max(Pa, Pb) is the largest of the seven, the answer is always the specialist's, and rows still add up to 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from lesionlab.diagnoses import CODES

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Pair = tuple[str, str]

ROUTINGS: tuple[str, ...] = ("paper", "margin")
NOBODY = -1
"""In the place of a specialist's number where none is asked."""


def route(
    general: Floats, specialists: Mapping[Pair, Floats], routing: str = "paper", margin: float = 0.0
) -> tuple[Floats, Ints]:
    """Return the Mix-Model's probabilities (n, 7) and the number (n,) of the specialist that decided, or `NOBODY`.

    Parameters
    ----------
    general : probabilities (n, 7) of the general model.
    specialists : the pair of codes -> probabilities (n, 7); only the two columns of the pair are looked at.
    routing, margin : one of `ROUTINGS`; the margin, 0 to 1, matters for the routing `margin` only.
    """
    pairs = list(specialists)
    asked = ask(general, pairs, routing, margin)
    mixed = general.copy()
    for number, (pair, table) in enumerate(specialists.items()):
        rows = np.flatnonzero(asked == number)
        mixed[rows] = redecide(general[rows], table[rows], pair)
    return mixed, asked


def ask(general: Floats, pairs: Sequence[Pair], routing: str, margin: float = 0.0) -> Ints:
    """Return the number (n,) in `pairs` of the specialist to ask for each image, or `NOBODY`."""
    if routing not in ROUTINGS:
        raise ValueError(f"routing {routing!r} is none of {', '.join(ROUTINGS)}")
    rows = np.arange(len(general))
    first = general.argmax(axis=1)
    rest = general.copy()
    rest[rows, first] = -np.inf
    close = general[rows, first] - rest.max(axis=1) < margin
    asked = np.full(len(general), NOBODY, np.int64)
    likeliest = np.full(len(general), -np.inf)
    for number, pair in enumerate(pairs):
        a, b = (CODES.index(code) for code in pair)
        other = np.where(first == a, b, a)
        wanted = ((first == a) | (first == b)) & (rest[rows, other] > likeliest)
        if routing == "margin":
            wanted &= close & (rest.argmax(axis=1) == other)
        asked[wanted] = number
        likeliest[wanted] = rest[rows, other][wanted]
    return asked


def redecide(general: Floats, specialist: Floats, pair: Pair) -> Floats:
    """Return the general probabilities (n, 7) with those of the pair shared out as the specialist (n, 7) says.

    The specialist's winner is the first of the pair, in the order of `CODES`, where it finds both equally likely.
    """
    columns = sorted(CODES.index(code) for code in pair)
    own, says = general[:, columns], specialist[:, columns]
    both, said = own.sum(axis=1), says.sum(axis=1)
    share = np.divide(says.max(axis=1), said, out=np.full(len(said), 0.5), where=said > 0)
    winner = says.argmax(axis=1)
    high = np.maximum(both * share, own.max(axis=1))
    mixed = general.copy()
    rows = np.arange(len(general))
    mixed[rows, np.take(columns, winner)] = high
    mixed[rows, np.take(columns, 1 - winner)] = np.maximum(both - high, 0.0)
    return mixed
