"""Models made of models, on disk: an ensemble or a Mix-Model is a folder with `bundle.json` and `members/NAME/`."""

from __future__ import annotations

import datetime
import hashlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

import lesionlab
from lesionlab.archives import staged_folder
from lesionlab.diagnoses import CODES
from lesionlab.errors import ModelError
from lesionlab.files import write_bytes, write_json
from lesionlab.models import cascade
from lesionlab.models.bundle import LICENCE, Bundle, Sha256, Training, bundle_of
from lesionlab.models.decisions import Decisions
from lesionlab.models.ensemble import RULES, Fitted, fits
from lesionlab.models.members import check_members, size_and_split
from lesionlab.models.storage import CARD, CARD_LIMIT, Store, card_fault, open_store, read_card

MEMBERS = "members"
BASE = "base"
"""The name of a Mix-Model's general member; a specialist is called after its pair, as in "mel-nv"."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]


class Composite(BaseModel):
    """Several checked models that answer as one.

    members : name -> SHA-256 of its bundle.json, in the order in which a rule takes them. classes, size, decisions,
    training, metrics, licence : as in `Bundle`; `training` is what all members have in common. Colour mode, prior
    offset and views are each member's own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    format_version: Literal[1] = 1
    kind: str
    lesionlab: str = lesionlab.__version__
    created: str = Field(default_factory=lambda: datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"))
    classes: tuple[str, ...] = CODES
    size: Annotated[int, Field(ge=32, le=2048)]
    members: Annotated[dict[Name, Sha256], Field(min_length=2)]
    decisions: Decisions | None = None
    training: Training
    metrics: dict[str, Any] = {}
    licence: str = LICENCE

    _store: Store = PrivateAttr(default=Store(Path()))
    _bundles: dict[str, Bundle] = PrivateAttr(default={})

    @property
    def folder(self) -> Path:
        """The folder, or the .lesion file, that the model was read from."""
        return self._store.path

    @property
    def frame_aspect(self) -> float:
        """Width over height to which a photograph is cropped before it is squashed; see `Bundle`."""
        return next(iter(self._bundles.values())).frame_aspect

    @property
    def card(self) -> bytes:
        """The content of bundle.json as it is stored."""
        return self._store.read(CARD)

    @property
    def bundles(self) -> dict[str, Bundle]:
        """The members by name, in order."""
        return self._bundles

    @property
    @abstractmethod
    def title(self) -> str:
        """What a figure calls the model."""

    @abstractmethod
    def combine(self, tables: Sequence[Floats]) -> Floats:
        """Return the answer (n, 7) that the members' probabilities make: a table (n, 7) for each, in their order."""

    @abstractmethod
    def shares(self, tables: Sequence[Floats], classes: Ints) -> Floats:
        """Return how much each member's map counts in explaining the classes (n,): (members, n), columns sum to 1."""


class Ensemble(Composite):
    """Members of equal standing. rule : one of `RULES`. fitted : what the rule needs."""

    kind: Literal["ensemble"] = "ensemble"
    rule: str
    fitted: Fitted = Fitted()

    @model_validator(mode="after")
    def _check_fitted(self) -> Ensemble:
        if self.rule not in RULES:
            raise ValueError(f"rule {self.rule!r} is none of {', '.join(RULES)}")
        if not fits(self.rule, self.fitted, len(self.members)):
            raise ValueError(f"fitted is not what the rule {self.rule!r} takes for {len(self.members)} members")
        return self

    @property
    def title(self) -> str:
        """The rule and the number of members."""
        return f"ensemble ({self.rule} of {len(self.members)})"

    def combine(self, tables: Sequence[Floats]) -> Floats:
        """Return what the rule makes of the members' probabilities."""
        return RULES[self.rule](np.stack(tables), self.fitted)

    def shares(self, tables: Sequence[Floats], classes: Ints) -> Floats:
        """Return the fitted weights of the rule `weighted`, equal shares for the other rules."""
        weights = self.fitted.weights or [1 / len(self.members)] * len(self.members)
        return np.repeat(np.array(weights)[:, None], len(classes), axis=1)


class Mix(Composite):
    """A general model, the first member, and its specialists; see `cascade`.

    routing, margin : as in `cascade.route`. pairs : the specialists' two codes each, in the order of the members.
    """

    kind: Literal["mix"] = "mix"
    routing: str
    margin: Annotated[float, Field(ge=0, le=1)] = 0.0
    pairs: list[tuple[str, str]]

    @model_validator(mode="after")
    def _check_pairs(self) -> Mix:
        if self.routing not in cascade.ROUTINGS:
            raise ValueError(f"routing {self.routing!r} is none of {', '.join(cascade.ROUTINGS)}")
        known = {frozenset(pair) for pair in self.pairs if set(pair) <= set(CODES)}
        if not len(known) == len(self.pairs) == len(self.members) - 1 or any(len(pair) != 2 for pair in known):
            raise ValueError("each member after the first needs a pair of two diagnoses of its own")
        return self

    @property
    def title(self) -> str:
        """The routing."""
        return f"Mix-Model ({self.routing})"

    def combine(self, tables: Sequence[Floats]) -> Floats:
        """Return the general model's answers, re-decided by the specialists."""
        specialists = dict(zip(self.pairs, tables[1:], strict=True))
        return cascade.route(tables[0], specialists, self.routing, self.margin)[0]

    def asked(self, tables: Sequence[Floats]) -> Ints:
        """Return the place among the members, int64 (n,), of the one that decided each image; 0 is the general one."""
        return cascade.ask(tables[0], self.pairs, self.routing, self.margin) + 1

    def shares(self, tables: Sequence[Floats], classes: Ints) -> Floats:
        """Return 1 for the member that decided; the general one where the class is not in the decider's pair."""
        knows = np.array([[code in pair for code in CODES] for pair in [CODES, *self.pairs]])
        decided = self.asked(tables)
        decided = np.where(knows[decided, classes], decided, 0)
        return np.eye(len(self.members))[decided].T


KINDS: dict[str, type[Composite]] = {"ensemble": Ensemble, "mix": Mix}


def read_model(path: Path) -> Bundle | Composite:
    """Read and check the model at `path`, of any kind: its folder, the run folder around it, or a .lesion file.

    Raises `ModelError`, one line, as `read_bundle` does, for a composite also when a member is damaged, is not the
    one that it was made of, or does not fit the others.
    """
    return model_of(open_store(path))


def model_of(store: Store) -> Bundle | Composite:
    """Return the checked model whose files are given; see `read_model`."""
    content, card = read_card(store), store.label(CARD)
    if "kind" not in content:
        return bundle_of(store)
    if str(content["kind"]) not in KINDS:
        raise ModelError(f"{card}: kind {str(content['kind'])[:80]!r} is unknown", f"known are {', '.join(KINDS)}")
    try:
        composite = KINDS[str(content["kind"])].model_validate(content)
    except ValidationError as error:
        raise card_fault(card, error) from None
    if composite.classes != CODES:
        raise ModelError(f"{card}: its classes are not {', '.join(CODES)}", "take the model anew")
    composite._bundles = {name: _read_member(store, name, digest) for name, digest in composite.members.items()}
    check_members(composite.bundles, composite.pairs if isinstance(composite, Mix) else None)
    own = (composite.size, composite.training.get("split", {}).get("fingerprint"))
    if own != size_and_split(next(iter(composite.bundles.values()))):
        raise ModelError(f"{card}: its size or split is not that of its members", "take the model anew")
    composite._store = store
    return composite


def is_composite(path: Path) -> bool:
    """Return whether the model at `path` is a composite; `ModelError` for a damaged card."""
    try:
        store = open_store(path)
    except ModelError:
        return False
    return "kind" in read_card(store)


def _read_member(store: Store, name: str, digest: str) -> Bundle:
    member = store.inside(f"{MEMBERS}/{name}")
    if hashlib.sha256(member.read(CARD, CARD_LIMIT)).hexdigest() != digest:
        raise ModelError(f"{member.path}: not the member that was put in (SHA-256 differs)", "take the model anew")
    return bundle_of(member)


def write_composite(folder: Path, composite: Composite, members: Mapping[str, Bundle]) -> Composite:
    """Copy the members, write the card, and return what `read_model` finds; all appears at once or not at all.

    `composite.members` are `card_digests(members)`. Raises `DataError` when
    `folder` holds anything already, and `ModelError` when the members do not fit together.
    """
    check_members(members, composite.pairs if isinstance(composite, Mix) else None)
    with staged_folder(folder) as staging:
        for name, bundle in members.items():
            target = staging / MEMBERS / name
            target.mkdir(parents=True)
            write_bytes(target / CARD, bundle.card)
            for file in bundle.files:
                write_bytes(target / file, bundle.read(file))
        write_json(staging / CARD, composite.model_dump(mode="json"))
    written = read_model(folder)
    assert isinstance(written, Composite)
    return written


def card_digests(members: Mapping[str, Bundle]) -> dict[str, str]:
    """Return the SHA-256 of each member's bundle.json."""
    return {name: card_digest(bundle) for name, bundle in members.items()}


def card_digest(model: Bundle | Composite) -> str:
    """Return the SHA-256 of a model's bundle.json, which names those of all its files."""
    return hashlib.sha256(model.card).hexdigest()
