"""The page is a fixed list of files; no other can be reached."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from lesionlab.models.bundle import Bundle
from lesionlab.web.app import make_app
from lesionlab.web.settings import STATIC, Settings


@pytest.mark.parametrize(
    ("path", "name", "kind"),
    [
        ("/", "index.html", "text/html; charset=utf-8"),
        ("/static/app.css", "app.css", "text/css; charset=utf-8"),
        ("/static/app.js", "app.js", "text/javascript; charset=utf-8"),
        ("/static/icon.svg", "icon.svg", "image/svg+xml"),
    ],
)
def test_the_pages_files(client: TestClient, path: str, name: str, kind: str) -> None:
    found = client.get(path)
    assert (found.status_code, found.text, found.headers["content-type"]) == (200, f"this is {name}", kind)


@pytest.mark.parametrize(
    "path",
    [
        "/static/notes.txt",
        "/static/index.html",
        "/static/",
        "/static",
        "/static/inner/deep.js",
        "/static/inner%2Fdeep.js",
        "/static/../app.js",
        "/static/%2e%2e/app.js",
        "/static/..%2f..%2f..%2fetc%2fpasswd",
        "/static//etc/passwd",
        "/static/app.js%00",
        "/docs",
        "/redoc",
    ],
)
def test_nothing_else_can_be_reached(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_without_a_page_the_api_still_answers(model: Bundle, settings: Settings, tmp_path: Path) -> None:
    with TestClient(
        make_app(model, replace(settings, static=tmp_path / "none")), base_url="http://localhost"
    ) as client:
        assert (client.get("/").status_code, client.get("/v1/model").status_code) == (404, 200)


def test_the_page_that_comes_with_the_package_is_light() -> None:
    if not STATIC.is_dir():
        pytest.skip("no page in this checkout")
    assert sum(path.stat().st_size for path in STATIC.iterdir()) < 300_000
