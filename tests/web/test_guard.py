"""Who may ask, what every answer carries, and what is written down of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from lesionlab.models.bundle import Bundle
from lesionlab.web.app import make_app
from lesionlab.web.guard import HEADERS
from lesionlab.web.settings import Settings

Make = Callable[..., Any]
TOKEN = "a-token-of-some-length"


def test_every_answer_carries_the_headers(client: TestClient, photograph: Make, upload: Make) -> None:
    answers = [
        client.get("/"),
        client.get("/static/app.js"),
        client.get("/v1/model"),
        client.get("/metrics"),
        client.get("/nothing"),
        client.put("/v1/predict"),
        client.get("/", headers={"Host": "evil.example"}),
        client.post("/v1/predict", content=b"x"),
        client.post("/v1/predict", **upload(photograph())),
    ]
    assert [one.status_code for one in answers] == [200, 200, 200, 200, 404, 405, 400, 415, 200]
    for one in answers:
        assert {name: one.headers[name] for name in HEADERS} == HEADERS
        assert "unsafe" not in one.headers["content-security-policy"] and "server" not in one.headers
        if one.status_code >= 400:
            assert one.json()["request_id"] == one.headers["x-request-id"]
    assert len({one.headers["x-request-id"] for one in answers}) == len(answers)
    assert answers[5].headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8765", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:8765", 200),
        ("evil.example", 400),
        ("localhost.evil.example:8765", 400),
        ("localhost@evil.example", 400),
        ("evil.example@localhost", 400),
        ("127.0.0.1.nip.io", 400),
        ("[::1", 400),
        ("", 400),
    ],
)
def test_only_its_own_names_are_answered(client: TestClient, host: str, status: int) -> None:
    for path in ("/", "/v1/model", "/health"):
        assert client.get(path, headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        ("http://localhost:8765", 200),
        ("https://localhost:8765", 200),
        ("http://localhost:3000", 403),
        ("http://localhost", 403),
        ("http://127.0.0.1:8765", 403),
        ("http://evil.example", 403),
        ("file://", 403),
        ("null", 403),
    ],
)
def test_pages_of_other_origins_are_refused(
    origin: str | None, status: int, client: TestClient, photograph: Make, upload: Make
) -> None:
    headers = {"Host": "localhost:8765", **({} if origin is None else {"Origin": origin})}
    found = client.post("/v1/predict", headers=headers, **upload(photograph()))
    assert found.status_code == status
    assert "access-control-allow-origin" not in found.headers


def test_a_token_guards_everything_but_the_page(model: Bundle, settings: Settings) -> None:
    with TestClient(make_app(model, replace(settings, token=TOKEN), threads=1), base_url="http://localhost") as client:
        for path in ("/", "/static/app.css", "/health"):
            assert client.get(path).status_code == 200
        for path in ("/v1/model", "/metrics", "/openapi.json", "/nothing", "/healthy", "/v1/predict"):
            found = client.get(path, headers={"Authorization": f"Bearer {TOKEN}x"})
            assert found.status_code == 401 and found.headers["www-authenticate"] == "Bearer", path
            assert TOKEN not in found.text
        assert client.post("/v1/predict", content=b"x").status_code == 401
        for given in (f"Basic {TOKEN}", TOKEN, "Bearer", f"Bearer  {TOKEN}", "Bearer é"):
            assert client.get("/v1/model", headers={"Authorization": given.encode()}).status_code == 401
        assert client.get("/v1/model", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_the_log_has_a_line_a_request_and_nothing_of_the_client(
    client: TestClient, photograph: Make, upload: Make, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "lesionlab.web"):
        found = client.post("/v1/predict?name=Jane", headers={"X-Request-ID": "Jane"}, **upload(photograph()))
        client.get("/static/Jane.jpg")
        client.get("/Jane")
        client.request("JANE", "/")
    lines = [record.getMessage() for record in caplog.records if record.name == "lesionlab.web"]
    assert [line.split()[1:4] for line in lines] == [
        ["POST", "/v1/predict", "200"], ["GET", "/static/{name}", "404"], ["GET", "none", "404"], ["other", "/", "405"],
    ]  # fmt: skip
    assert lines[0].startswith(found.headers["x-request-id"])
    assert "jane" not in "".join(lines).lower() and "patient" not in "".join(lines)


def test_metrics_count_requests_and_images(client: TestClient, photograph: Make, upload: Make) -> None:
    def value(line: str) -> float:
        found = [text.split()[-1] for text in client.get("/metrics").text.splitlines() if text.startswith(line)]
        return float(found[0]) if found else 0.0

    names = (
        'lesionlab_requests_total{route="/v1/predict",status="200"}',
        'lesionlab_request_seconds_count{route="/v1/predict"}',
        'lesionlab_images_total{outcome="answered"}',
        'lesionlab_images_total{outcome="refused"}',
    )
    before = [value(name) for name in names]
    client.post("/v1/predict", **upload(photograph(), photograph(), b"x"))
    assert [value(name) - old for name, old in zip(names, before, strict=True)] == [1, 1, 2, 1]
    assert value("lesionlab_queue_images") == 0
