"""The JSON of the API, as it is answered and as /openapi.json describes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

NOTICE = "Research use, not a medical device: it does not replace a physician."
"""Comes with every answer and stands on the page."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Diagnosis(_Part):
    """One of the diagnoses that a model tells apart."""

    code: str
    name: str
    malignant: bool


class OperatingPoint(_Part):
    """A threshold on a probability, and what it reached on validation images."""

    target: Literal["melanoma", "malignant"]
    aim: str = Field(description="What the threshold was chosen for, as in `sensitivity 0.90`.")
    threshold: float
    sensitivity: float
    specificity: float
    default: bool = Field(description="Whether it decides where a request names none.")


class FittedOn(_Part):
    """The images that thresholds and calibration rest on."""

    part: str
    images: int
    lesions: int


class UploadLimits(_Part):
    """The most that one request may bring."""

    files: int
    file_bytes: int
    request_bytes: int
    pixels: int


class Model(_Part):
    """The model that answers."""

    title: str
    architecture: str
    created: str
    lesionlab: str
    licence: str
    classes: list[Diagnosis] = Field(description="In the order of probabilities.")
    operating: list[OperatingPoint]
    abstain_below: float | None = Field(description="The model abstains where its largest probability is less.")
    coverage: float | None = Field(description="The share of prediction sets that should hold the diagnosis.")
    fitted_on: FittedOn | None
    views: int = Field(description="How many flipped and turned views of an image an answer averages.")
    maps: bool = Field(description="Whether /v1/explain works here.")
    card: str = Field(description="The model card, Markdown.")
    limits: UploadLimits
    notice: str


class Verdict(_Part):
    """What the model says of one image, or of one lesion. What it has no decision for is null."""

    diagnosis: str = Field(description="Code of the likeliest diagnosis.")
    name: str
    probabilities: dict[str, float]
    malignant: bool | None = Field(description="Whether the chance of a malignant one reaches the operating point.")
    malignant_probability: float
    prediction_set: list[str] | None = Field(description="Codes, the likeliest first.")
    abstained: bool | None
    reason: str = Field(description="Why the model abstains; empty where it does not.")
    outlier: bool | None = Field(description="Whether the image is no dermoscopy to the model.")


class Answer(_Part):
    """What the model says of one file of the request."""

    index: int = Field(description="The file's place in the request, from 0.")
    verdict: Verdict
    picture: str | SkipJsonSchema[None] = Field(default=None, description="The upright image as JPEG, a data: URL.")


class Refusal(_Part):
    """A file of the request that could not be read, and why."""

    index: int
    refused: str


class Prediction(_Part):
    """The answer to /v1/predict."""

    model: str
    answers: list[Answer | Refusal] = Field(description="In the order of the files.")
    lesion: Verdict | None = Field(description="One answer for all files together, where it was asked for.")
    notice: str


class Explanation(_Part):
    """The answer to /v1/explain."""

    index: int
    verdict: Verdict
    explained: str = Field(description="Code of the diagnosis that was asked for, or of the answer.")
    picture: str = Field(description="What the model looked at, as JPEG, a data: URL.")
    maps: dict[str, str] = Field(description="A transparent PNG of the picture's size for each code: data: URLs.")
    notice: str


class Health(_Part):
    """Whether the server answers, and how many images wait."""

    status: Literal["ok"]
    version: str
    waiting: int
    queue: int


class Fault(_Part):
    """What is wrong and what to do about it."""

    message: str
    remedy: str


class Problem(_Part):
    """The answer to a request that is refused."""

    error: Fault
    request_id: str


WORDS: dict[int, str] = {
    400: "The request is damaged, or calls the server by a name that it does not have.",
    401: "The token is missing or wrong.",
    403: "The request comes from a page of another origin.",
    408: "The upload came too slowly.",
    413: "The upload is too large.",
    415: "The upload is no multipart form.",
    422: "A field is missing or wrong, there are too many, or the one file cannot be read.",
    503: "Too many images are waiting.",
}
"""Status -> what it means here."""


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI is told of the errors with these statuses."""
    wait = {"headers": {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}}
    return {
        status: {"model": Problem, "description": WORDS[status], **(wait if status == 503 else {})}
        for status in statuses
    }


def upload(choices: Mapping[str, Sequence[str]], most: int) -> dict[str, Any]:
    """Return what OpenAPI is told of an upload of at most so many files, with optional fields of fixed values."""
    files = {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1, "maxItems": most}
    fields = {name: {"type": "string", "enum": list(values)} for name, values in choices.items() if values}
    schema = {
        "type": "object",
        "properties": {"files": files, **fields},
        "required": ["files"],
        "additionalProperties": False,
    }
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}
