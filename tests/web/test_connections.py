"""Connections are closed in time: slow heads, slow bodies, and answers that nobody takes."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from fastapi import FastAPI, Response

from lesionlab.models.bundle import Bundle
from lesionlab.web import connections
from lesionlab.web.app import make_app
from lesionlab.web.connections import Connection
from lesionlab.web.guard import HEADERS
from lesionlab.web.settings import Settings

Live = Callable[[Any], AbstractContextManager[int]]
Asking = Callable[..., AbstractContextManager[socket.socket]]
HEAD = b"Host: localhost\r\n"
FORM = b"Content-Type: multipart/form-data; boundary=line\r\n"


@pytest.fixture
def port(live: Live, model: Bundle, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The application behind connections that wait for .4 s."""
    monkeypatch.setattr(Connection, "HEAD_SECONDS", 0.4)
    with live(make_app(model, settings, threads=1)) as port:
        yield port


def ask(port: int, *pieces: bytes, pause: float = 0.0) -> tuple[bytes, float]:
    """Send pieces, and return all that comes meanwhile and until the server closes, and the seconds it took."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:

        def send() -> None:
            with contextlib.suppress(OSError):
                for piece in pieces:
                    client.sendall(piece)
                    time.sleep(pause)

        sending, found = threading.Thread(target=send), b""
        sending.start()
        with contextlib.suppress(ConnectionError):
            while piece := client.recv(65536):
                found += piece
        took = time.monotonic() - began
    sending.join()
    return found, took


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


def test_a_slow_head_is_told_and_closed(port: int) -> None:
    answer, took = ask(port, b"GET /health HTTP/1.1\r\n", *[b"X: y\r\n"] * 100, pause=0.03)
    assert status(answer) == 408 and took < 4
    head, _, body = answer.partition(b"\r\n\r\n")
    assert set(json.loads(body)) == {"error", "request_id"}
    assert all(f"{name}: {value}".encode() in head for name, value in HEADERS.items())


def test_a_silent_connection_is_closed(port: int) -> None:
    answer, took = ask(port)
    assert (answer, 0.3 < took < 3) == (b"", True)


def test_an_idle_connection_is_closed_after_an_answer(port: int) -> None:
    answer, took = ask(port, b"GET /health HTTP/1.1\r\n" + HEAD + b"\r\n")
    assert status(answer) == 200 and took < 3


def test_several_requests_on_one_connection_are_answered(port: int) -> None:
    request = b"GET /health HTTP/1.1\r\n" + HEAD + b"\r\n"
    assert ask(port, request * 3, request, pause=0.1)[0].count(b"HTTP/1.1 200") == 4


@pytest.mark.parametrize("head", [b"X: " + b"y" * 1_000_000, b"X: y\r\n" * 100_000, b"\x00\x01" * 1000, b"X\r\n\r\n"])
def test_what_is_no_request_is_told(port: int, head: bytes) -> None:
    answer, took = ask(port, b"GET / HTTP/1.1\r\n" + head + b"\r\n\r\n")
    assert status(answer) == 400 and took < 4
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["remedy"]


def test_a_damaged_body_is_told(port: int, caplog: pytest.LogCaptureFixture) -> None:
    head = b"POST /v1/predict HTTP/1.1\r\n" + HEAD + FORM + b"Transfer-Encoding: chunked\r\n\r\n"
    answer, took = ask(port, head + b"5\r\n--lin\r\n", b"no number\r\n" * 9, pause=0.05)
    assert status(answer) == 400 and answer.count(b"HTTP/1.1") == 1 and took < 4
    answer, _ = ask(port, b"POST /nowhere" + head[16:], b"no number\r\n" * 9, pause=0.05)
    assert status(answer) == 404 and answer.count(b"HTTP/1.1") == 1
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_body_that_stops_is_told(port: int) -> None:
    request = b"POST /v1/predict HTTP/1.1\r\n" + HEAD + FORM + b"Content-Length: 5000\r\n\r\n--line\r\n"
    answer, took = ask(port, request)
    assert status(answer) == 408 and took < 3


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_told_while_it_comes(port: int, chunked: bool) -> None:
    length = b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"Content-Length: 300000\r\n\r\n"
    piece = b"2710\r\n" + b"x" * 10_000 + b"\r\n" if chunked else b"x" * 10_000
    body = [b"--line\r\nContent-Disposition: form-data; name=files; filename=x\r\n\r\n"]
    if chunked:
        body[0] = f"{len(body[0]):x}\r\n".encode() + body[0] + b"\r\n"
    answer, took = ask(port, b"POST /v1/predict HTTP/1.1\r\n" + HEAD + FORM + length, *body, *[piece] * 30)
    assert status(answer) == 413 and took < 4


def test_a_refused_body_cannot_go_on_for_ever(port: int) -> None:
    request = b"POST /health HTTP/1.1\r\n" + HEAD + b"Content-Length: 100000\r\n\r\n"
    answer, took = ask(port, request, *[b"x"] * 200, pause=0.02)
    assert status(answer) == 405 and took < 4


@pytest.fixture
def asking(live: Live, monkeypatch: pytest.MonkeyPatch) -> Asking:
    """Asks a server of little patience for an answer of so many bytes; yields the socket on which it comes."""
    monkeypatch.setattr(Connection, "HEAD_SECONDS", 0.3)

    @contextlib.contextmanager
    def asked(size: int, headers: bytes = b"") -> Iterator[socket.socket]:
        app = FastAPI()
        app.get("/")(lambda: Response(b"x" * size))
        with live(app) as port, socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(b"GET / HTTP/1.1\r\n" + HEAD + headers + b"\r\n")
            yield client

    return asked


def test_an_answer_that_nobody_takes_is_dropped(asking: Asking) -> None:
    with asking(30_000_000) as client:
        time.sleep(2)
        found = 0
        with pytest.raises(ConnectionError):
            while True:
                piece = client.recv(2**20)
                if not piece:
                    raise ConnectionResetError
                found += len(piece)
        assert found < 30_000_000


def test_a_slow_reader_gets_all(asking: Asking) -> None:
    with asking(20_000_000, b"Connection: close\r\n") as client:
        found = 0
        while piece := client.recv(200_000):
            found += len(piece)
            time.sleep(0.005)
        assert found > 20_000_000


def test_too_many_connections_are_told_to_come_again(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST", 2)
    with socket.create_connection(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
        answer, _ = ask(port, b"GET /health HTTP/1.1\r\n" + HEAD + b"\r\n")
        assert status(answer) == 503 and b"Retry-After: 2" in answer
    time.sleep(0.2)
    assert status(ask(port, b"GET /health HTTP/1.1\r\n" + HEAD + b"\r\n")[0]) == 200
