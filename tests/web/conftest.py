"""The application in this process, asked without a network, and on a real socket with short patience."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from lesionlab.models.bundle import Bundle, read_bundle
from lesionlab.web.app import make_app
from lesionlab.web.running import listen, make_server
from lesionlab.web.settings import Limits, Settings

SMALL = Limits(files=4, file_bytes=20_000, request_bytes=60_000, held_bytes=120_000, silence=0.3, upload_seconds=2.0)


@pytest.fixture(scope="session")
def model(deciding: Path) -> Bundle:
    """A tiny model with decisions."""
    return read_bundle(deciding)


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Small limits, and a page of a few words."""
    page = tmp_path_factory.mktemp("page")
    for name in ("index.html", "app.css", "app.js", "icon.svg", "notes.txt"):
        (page / name).write_text(f"this is {name}")
    (page / "inner").mkdir()
    (page / "inner" / "deep.js").write_text("deep")
    return Settings(queue=8, limits=SMALL, static=page)


@pytest.fixture(scope="session")
def client(model: Bundle, settings: Settings) -> Iterator[TestClient]:
    """Asks the application; raises nothing that a server would answer with 500."""
    app = make_app(model, settings, threads=1)
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as asking:
        yield asking


@pytest.fixture
def live() -> Callable[[Any], AbstractContextManager[int]]:
    """A function that serves an application on a real socket while a with block lasts; yields the port."""

    @contextlib.contextmanager
    def run(app: Any) -> Iterator[int]:
        listening, server = listen("127.0.0.1", 0), make_server(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        port = listening.getsockname()[1]
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield port
        server.should_exit = True
        thread.join()

    return run


@pytest.fixture
def upload() -> Callable[..., dict[str, Any]]:
    """A function that makes the arguments of a POST: (*contents of files, **fields)."""

    def make(*contents: bytes, **fields: str) -> dict[str, Any]:
        return {"files": [("files", (f"patient{n}.jpg", one)) for n, one in enumerate(contents)], "data": fields}

    return make
