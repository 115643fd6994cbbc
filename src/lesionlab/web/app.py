"""The reading room's application: the page, the API, and what stands around them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.exceptions import HTTPException

from lesionlab import __version__
from lesionlab.models.bundle import Bundle
from lesionlab.models.composite import Composite
from lesionlab.web import faults
from lesionlab.web.guard import Guard
from lesionlab.web.page import make_page
from lesionlab.web.room import Room
from lesionlab.web.routes import make_routes
from lesionlab.web.schemas import NOTICE
from lesionlab.web.settings import Settings


def make_app(model: Bundle | Composite, settings: Settings | None = None, threads: int | None = None) -> FastAPI:
    """Return the application that answers with a model.

    `threads` : see `Batcher`. Raises `ModelError` for a model that cannot be loaded.
    """
    settings = settings or Settings()
    room = Room(model, settings, threads)

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        room.batcher.start()
        yield
        room.batcher.stop()

    app = FastAPI(
        title="lesionlab",
        version=__version__,
        description=NOTICE,
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        lifespan=running,
    )
    app.state.room = room
    app.include_router(make_routes(room))
    app.include_router(make_page(settings.static))
    app.add_exception_handler(faults.FaultError, faults.answer_fault)
    app.add_exception_handler(HTTPException, faults.answer_http)
    app.add_middleware(Guard, settings=settings, metrics=room.metrics)
    return app
