"""What follows training: temperature, operating points, prediction sets, abstaining and outliers, into the model.

All is fitted on the validation images, which also chose the epoch and the share of the class prior: the figures that
are kept are a little too good, and prediction sets a little too small. The outlier rule rests on
training images too. Test images are never seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lesionlab.data.cases import Case, pick
from lesionlab.data.packs import Pack
from lesionlab.errors import DataError
from lesionlab.evaluation.calibration import calibrated, describe_fit, fit_calibration
from lesionlab.evaluation.conformal import fit_conformal
from lesionlab.evaluation.operating import DEFAULT, fit_abstaining, fit_points
from lesionlab.evaluation.outliers import fit_outliers
from lesionlab.evaluation.predictions import Floats, Predictions
from lesionlab.models.appearance import statistics
from lesionlab.models.bundle import Bundle
from lesionlab.models.composite import Composite, read_model
from lesionlab.models.decisions import Decisions
from lesionlab.models.writing import write_decisions
from lesionlab.prediction.predictor import Predictor
from lesionlab.report.asking import predict_cases
from lesionlab.report.parts import Counted, Images, Learnt, learnt_images, run_folder
from lesionlab.report.reliability import draw_reliability
from lesionlab.training.choosing import validation_figures
from lesionlab.training.material import Material

PART = "val"
PICTURE = "reliability.png"
RESAMPLES = 1000
REFERENCES = 2000
"""Most training images that the outlier rule is fitted on."""


@dataclass(frozen=True)
class Decided:
    """A model with its new decisions, what it says of the validation images before and after calibrating, a picture."""

    model: Bundle | Composite
    decisions: Decisions
    before: Predictions
    after: Predictions
    picture: Path | None = None


def calibrate_model(path: Path, images: Images, split_file: Path | None = None, resamples: int = RESAMPLES) -> Decided:
    """Fit the decisions of a trained model anew, write them into its folder, and return them.

    path : run folder, or the folder of a combined model; a model elsewhere needs `split_file`. In a run folder the
    reliability diagram goes to `PICTURE`. The other parameters, and the faults, are those of `evaluate_model`.
    """
    model = read_model(path)
    learnt = learnt_images(model, path, images, split_file)
    return decide(model, learnt, run_folder(path), resamples, images.progress)


def decide(
    model: Bundle | Composite,
    learnt: Learnt,
    folder: Path | None = None,
    resamples: int = RESAMPLES,
    progress: Counted | None = None,
    before: Predictions | None = None,
) -> Decided:
    """Fit a model's decisions on validation cases of a pack, outliers on training cases too, and write them into it.

    folder : where the reliability diagram goes; nowhere where None. before : what the model says of the labelled
    validation cases without decisions, where that is known already. Cases without a diagnosis are left out. Raises
    `DataError` when none is left, and `ModelError` for a model that is one file.
    """
    known = [case for case in learnt.validate if case.dx]
    if not known:
        raise DataError("no validation image has a diagnosis", "decisions are fitted on labelled images")
    if before is None:
        bare = Predictor(model.model_copy(update={"decisions": None}))
        before = predict_cases(bare, learnt.pack, known, progress)
    temperature, bias = fit_calibration(before)
    after = calibrated(before, temperature, bias)
    points = fit_points(after)
    decisions = Decisions(
        temperature=temperature,
        bias=bias.tolist(),
        fitted_on=describe_fit(before, after, PART, resamples),
        operating=points,
        default_point=DEFAULT if any(point.target == "malignant" for point in points) else "",
        conformal=fit_conformal(after),
        abstain_below=fit_abstaining(after),
        outlier=fit_outliers(*(_looks(learnt.pack, cases) for cases in (pick(learnt.train, REFERENCES), known))),
    )
    if isinstance(model, Bundle):
        figures = {"validation": validation_figures(after.truth, after.probabilities)}
        model = model.model_copy(update={"metrics": model.metrics | figures})
    picture = folder / PICTURE if folder else None
    if picture:
        draw_reliability({"as trained": before, "calibrated": after}, picture)
    return Decided(write_decisions(model, decisions), decisions, before, after, picture)


def decide_run(bundle: Bundle, material: Material, folder: Path, progress: Counted | None = None) -> dict[str, float]:
    """Write the decisions of a model that was trained on `material`, and return its figures on validation."""
    cases = material.pack.cases
    validate, train = ([cases[row] for row in rows] for rows in (material.validate, material.train))
    decided = decide(bundle, Learnt(material.pack, validate, train), folder, progress=progress)
    figures: dict[str, float] = decided.model.metrics["validation"]
    return figures


def _looks(packed: Pack, cases: Sequence[Case]) -> Floats:
    """Return the appearance (n, 9) of those cases that could be read."""
    return statistics(packed.pixels[row] for row in packed.rows({case.image_id for case in cases}))
