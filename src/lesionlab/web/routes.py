"""The routes of the API, and what /openapi.json says of them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from lesionlab import __version__
from lesionlab.web import schemas
from lesionlab.web.room import Room

TURNED_AWAY = (400, 401, 403)
REFUSED = (*TURNED_AWAY, 408, 413, 415, 422, 503)


def make_routes(room: Room) -> APIRouter:
    """Return the routes of /v1, /health and /metrics."""
    routes = APIRouter()
    _add_figures(routes, room)

    @routes.get("/v1/model", responses=schemas.problems(*TURNED_AWAY), summary="The model that answers")
    async def model() -> schemas.Model:
        return room.model

    @routes.post(
        "/v1/predict",
        response_model_exclude_unset=True,
        responses=schemas.problems(*REFUSED),
        openapi_extra=schemas.upload(room.predict_choices, room.limits.files),
        summary="What the model says of images",
    )
    async def predict(request: Request) -> schemas.Prediction:
        return await room.predict(request)

    @routes.post(
        "/v1/explain",
        responses=schemas.problems(*REFUSED),
        openapi_extra=schemas.upload(room.explain_choices, 1),
        summary="Which parts of an image speak for a diagnosis",
    )
    async def explain(request: Request) -> schemas.Explanation:
        return await room.explain(request)

    return routes


def _add_figures(routes: APIRouter, room: Room) -> None:
    """Add what watches a server asks for."""
    text: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}

    @routes.get("/health", responses=schemas.problems(400, 403), summary="Whether the server answers")
    async def health() -> schemas.Health:
        return schemas.Health(
            status="ok", version=__version__, waiting=room.batcher.waiting, queue=room.batcher.capacity
        )

    @routes.get(
        "/metrics",
        response_class=Response,
        responses=text | schemas.problems(*TURNED_AWAY),
        summary="Figures for Prometheus",
    )
    async def metrics() -> Response:
        return Response(room.metrics.text(), media_type=CONTENT_TYPE_LATEST)
