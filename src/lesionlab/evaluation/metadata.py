"""How far age, sex and body site alone get: a baseline that never sees an image.

Where it comes close to a model, the model may owe its figures to who the patients are and not to their lesions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lesionlab.data.cases import Case
from lesionlab.diagnoses import CODES
from lesionlab.errors import DataError
from lesionlab.evaluation.groups import UNKNOWN
from lesionlab.evaluation.metrics import sample, scores
from lesionlab.evaluation.predictions import Floats, Predictions, from_cases
from lesionlab.models.decisions import calibrate

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

ATTRIBUTES: tuple[str, ...] = ("age", "sex", "site")
"""What the baseline is told. Source and dx_type are left out: they tell how a diagnosis came about."""

PENALTIES = (0.01, 0.1, 1.0, 10.0)
"""Inverse strengths of the regression's penalty (scikit-learn's C) that are tried."""

PRIOR_SHARES = (0.0, 0.25, 0.5)
"""Shares of the class prior that its answers may use; with all of it nearly every answer is the commonest diagnosis."""


def from_metadata(
    train: Sequence[Case], validate: Sequence[Case], judged: Sequence[Case]
) -> tuple[Predictions, dict[str, Any]]:
    """Return what age, sex and site alone say of the judged cases, and how that was fitted.

    A multinomial logistic regression on the decade of age, sex and site, one-hot, what is unknown being a value of its
    own. It is fitted on `train`; its penalty, and how much of the class prior its answers use, are those with the best
    mean of balanced accuracy and macro F1 on `validate`. The prior decides the answers only; the probabilities are
    those of the regression, as near as the answers allow (`models.decisions.calibrate`).

    Keys
    ----
    attributes : those of `ATTRIBUTES` that the training cases tell. fitted_on, chosen_on : counts of images.
    setting : {C, prior}. tried : [{C, prior, balanced_accuracy, macro_f1}] on the validation images.
    seen : how many judged images are among those that it was fitted or chosen on.

    All cases have a diagnosis. Raises `DataError` where training cases tell no attribute or a single diagnosis.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import OneHotEncoder

    known = [any(values[place] != UNKNOWN for values in _values(train)) for place in range(len(ATTRIBUTES))]
    told = [name for name, there in zip(ATTRIBUTES, known, strict=True) if there]
    if not told:
        raise DataError("no training image has an age, a sex or a site", "add them to the case table")
    truth = np.array([CODES.index(case.dx) for case in train])
    if len(set(truth)) < 2:
        raise DataError("the training images show a single diagnosis", "a baseline needs several")
    prior = np.bincount(truth, minlength=len(CODES)).clip(1) / len(truth)
    encoder = OneHotEncoder(handle_unknown="ignore").fit(_values(train))
    shown = encoder.transform(_values(train))
    fits = {penalty: LogisticRegression(C=penalty, max_iter=1000).fit(shown, truth) for penalty in PENALTIES}
    tried = []
    for penalty, fit in fits.items():
        plain = _probabilities(fit, encoder.transform(_values(validate)))
        for share in PRIOR_SHARES:
            tried.append({"C": penalty, "prior": share, **_figures(validate, _answered(plain, prior, share))})
    best = max(tried, key=lambda row: row["balanced_accuracy"] + row["macro_f1"])
    plain = _probabilities(fits[best["C"]], encoder.transform(_values(judged)))
    learnt = {case.image_id for case in (*train, *validate)}
    return from_cases(judged, _answered(plain, prior, best["prior"])), {
        "attributes": told,
        "fitted_on": len(train),
        "chosen_on": len(validate),
        "setting": {key: best[key] for key in ("C", "prior")},
        "tried": tried,
        "seen": sum(case.image_id in learnt for case in judged),
    }


def _values(cases: Sequence[Case]) -> list[tuple[str, ...]]:
    """Return each case's decade of age, sex and site."""
    return [
        (UNKNOWN if case.age is None else str(int(case.age // 10)), case.sex or UNKNOWN, case.site or UNKNOWN)
        for case in cases
    ]


def _probabilities(fit: LogisticRegression, encoded: Any) -> Floats:
    """Return probabilities (n, 7), 0 for what the training cases do not show."""
    table = np.zeros((encoded.shape[0], len(CODES)))
    table[:, fit.classes_] = fit.predict_proba(encoded)
    return table


def _answered(plain: Floats, prior: Floats, share: float) -> Floats:
    """Return the probabilities nearest to `plain` (n, 7) whose answers use a share of the class prior (7,)."""
    kept = plain / prior ** (1 - share)
    return calibrate(kept / kept.sum(axis=1, keepdims=True), 1.0, (1 - share) * np.log(prior))


def _figures(cases: Sequence[Case], probabilities: Floats) -> dict[str, float]:
    found = scores(sample(from_cases(cases, probabilities)), np.ones((1, len(cases)))).overall
    return {name: float(found[name][0]) for name in ("balanced_accuracy", "macro_f1")}
