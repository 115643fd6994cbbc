"""Where a server listens, and how it ends."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from lesionlab.errors import UsageError
from lesionlab.models.bundle import Bundle
from lesionlab.web.app import make_app
from lesionlab.web.running import address, listen
from lesionlab.web.settings import Settings


def test_a_free_port_of_this_machine_alone() -> None:
    with listen("127.0.0.1", 0) as listening:
        host, port = listening.getsockname()
        assert host == "127.0.0.1" and port > 0
        assert address("127.0.0.1", listening) == f"http://127.0.0.1:{port}/"
        assert address("0.0.0.0", listening) == f"http://localhost:{port}/"
        assert address("::1", listening) == f"http://[::1]:{port}/"


def test_what_cannot_be_listened_on_is_told() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(UsageError, match="cannot listen") as found:
        listen("127.0.0.1", taken.getsockname()[1])
    assert "--port" in found.value.hint
    for host, port in (("nowhere.invalid", 0), ("203.0.113.7", 0), ("127.0.0.1", 70_000), ("x" * 300, 0)):
        with pytest.raises(UsageError, match="cannot listen"):
            listen(host, port)


def test_a_request_under_way_is_answered_before_the_end(
    live: Callable[[Any], AbstractContextManager[int]], model: Bundle, settings: Settings
) -> None:
    with live(make_app(model, settings, threads=1)) as port:
        client = socket.create_connection(("127.0.0.1", port), timeout=20)
        client.sendall(
            b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=line\r\n"
            b"Content-Length: 99\r\n\r\n--line\r\nContent-Disposition: form-data; name=files; filename=x\r\n\r\n"
        )
        time.sleep(0.1)
    # the server was told to stop, waited for the body in vain, and answered
    assert client.recv(1000).startswith(b"HTTP/1.1 408")
    client.close()
