"""Listening: a socket, uvicorn on it, and a clean end on SIGTERM and SIGINT."""

from __future__ import annotations

import errno
import socket

import uvicorn
from fastapi import FastAPI

from lesionlab.errors import UsageError
from lesionlab.web.connections import Connection
from lesionlab.web.guard import HEAD_BYTES

STOP_SECONDS = 10
"""How long requests may still take once the server is told to stop."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 takes any free one. Raises `UsageError` where that is impossible."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server((str(address[0]), port), family=family, backlog=1024)
    except (OSError, OverflowError, UnicodeError) as error:
        told = getattr(error, "strerror", None) or str(error)
        hint = "another program has it: choose another --port" if _in_use(error) else "check --host and --port"
        raise UsageError(f"cannot listen on {host}, port {port}: {told}", hint) from None


def _in_use(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno == errno.EADDRINUSE


def address(host: str, listening: socket.socket) -> str:
    """Return the address of the page."""
    name = "localhost" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    return f"http://{name}:{listening.getsockname()[1]}/"


def make_server(app: FastAPI) -> uvicorn.Server:
    """Return a server that ends on SIGTERM and SIGINT; requests then have `STOP_SECONDS` left to be answered."""
    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan="on",
        loop="asyncio",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        h11_max_incomplete_event_size=HEAD_BYTES,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    return uvicorn.Server(config)
