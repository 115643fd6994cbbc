"""What a reader of an evaluation may state: where a partial area begins, and how common the diagnoses are elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lesionlab.errors import UsageError
from lesionlab.models.decisions import TARGETS


@dataclass(frozen=True)
class Stated:
    """What figures are told for.

    min_tpr : the sensitivity above which the partial area under the ROC curve is taken, 0 to below 1 (the ISIC 2024
    challenge took .80). prevalence : target (`TARGETS`) -> the share of lesions that it is, between 0 and 1; for a
    target that is not in it, the share among the judged lesions. Raises `UsageError` for anything else.
    """

    min_tpr: float = 0.80
    prevalence: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.min_tpr < 1:
            raise UsageError(f"a least sensitivity of {self.min_tpr:g}", "give --min-tpr a share from 0 to below 1")
        for target, share in self.prevalence.items():
            if target not in TARGETS or not 0 < share < 1:
                raise _wrong(f"{target}={share:g}")


def read_prevalence(texts: Sequence[str]) -> dict[str, float]:
    """Return {target: share} of texts such as "melanoma=0.02"; `UsageError` for what is no such text."""
    found = {}
    for text in texts:
        target, _, share = text.partition("=")
        try:
            found[target.strip()] = float(share)
        except ValueError:
            raise _wrong(text) from None
    return found


def _wrong(text: str) -> UsageError:
    targets = " or ".join(TARGETS)
    return UsageError(f"--prevalence {text}: no share of a target", f"write {targets}, = and a share between 0 and 1")
