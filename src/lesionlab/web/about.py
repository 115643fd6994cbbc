"""What the API says of its model."""

from __future__ import annotations

import re

from lesionlab.data.images import MAX_PIXELS
from lesionlab.diagnoses import DIAGNOSES
from lesionlab.models.bundle import README, Bundle
from lesionlab.models.card import model_card
from lesionlab.models.composite import Composite
from lesionlab.models.decisions import Decisions
from lesionlab.prediction.judging import Verdict
from lesionlab.web import schemas
from lesionlab.web.settings import Limits


def about(model: Bundle | Composite, views: int | None, maps: bool, limits: Limits) -> schemas.Model:
    """Return the description of a model; `maps` tells whether heat maps can be made, `views` is as in `Predictor`."""
    decisions = model.decisions
    fit, sets = (decisions.fitted_on, decisions.conformal) if decisions else (None, None)
    return schemas.Model(
        title=model.title,
        architecture=architecture(model),
        created=model.created,
        lesionlab=model.lesionlab,
        licence=model.licence,
        classes=[schemas.Diagnosis(code=one.code, name=one.name, malignant=one.malignant) for one in DIAGNOSES],
        operating=_operating(decisions),
        abstain_below=decisions.abstain_below if decisions else None,
        coverage=sets.coverage if sets else None,
        fitted_on=schemas.FittedOn(part=fit.part, images=fit.images, lesions=fit.lesions) if fit else None,
        views=views or max(one.views for one in _networks(model)),
        maps=maps,
        card=card(model),
        limits=schemas.UploadLimits(
            files=limits.files,
            file_bytes=limits.file_bytes,
            request_bytes=limits.request_bytes,
            pixels=MAX_PIXELS,
        ),
        notice=schemas.NOTICE,
    )


def architecture(model: Bundle | Composite) -> str:
    """Return the name of the network, or those of all members."""
    return ", ".join(one.architecture for one in _networks(model))


def _networks(model: Bundle | Composite) -> list[Bundle]:
    return [model] if isinstance(model, Bundle) else list(model.bundles.values())


def card(model: Bundle | Composite) -> str:
    """Return the model card without the head that model hubs read."""
    if isinstance(model, Bundle) and README in model.files:
        text = model.read(README).decode("utf-8", "replace")
    else:
        text = model_card(model, {})
    return re.sub(r"\A---\n.*?\n---\n+", "", text, flags=re.DOTALL)


def _operating(decisions: Decisions | None) -> list[schemas.OperatingPoint]:
    if decisions is None:
        return []
    default = ("malignant", decisions.default_point)
    return [
        schemas.OperatingPoint(**point.model_dump(), default=(point.target, point.aim) == default)
        for point in decisions.operating
    ]


def told(verdict: Verdict) -> schemas.Verdict:
    """Return a verdict as the API tells it; probabilities have eight decimals."""
    codes = (one.code for one in DIAGNOSES)
    return schemas.Verdict(
        diagnosis=verdict.diagnosis,
        name=verdict.name,
        probabilities={code: round(p, 8) for code, p in zip(codes, verdict.probabilities, strict=True)},
        malignant=verdict.malignant,
        malignant_probability=round(verdict.malignant_probability, 8),
        prediction_set=None if verdict.prediction_set is None else list(verdict.prediction_set),
        abstained=verdict.abstained,
        reason=verdict.reason,
        outlier=verdict.outlier,
    )
