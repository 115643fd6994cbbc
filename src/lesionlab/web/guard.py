"""The outermost layer: who may ask, the headers of every answer, a request's number, its line in the log."""

from __future__ import annotations

import hmac
import time
import traceback
import uuid
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lesionlab.web.faults import ClientGoneError, FaultError, answer
from lesionlab.web.monitoring import LOG, Metrics
from lesionlab.web.settings import Settings

HEADERS: dict[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}
"""What every answer carries."""

HEAD_BYTES = 16 * 1024
"""Longest head of a request."""

OPEN = ("/", "/health")
"""Paths that need no token, beside those of the page's files, which a browser fetches without one."""


def new_id() -> str:
    """Return the number of a request."""
    return uuid.uuid4().hex[:16]


class Guard:
    """Wraps the application; `metrics` counts what it sees."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, began, status = new_id(), time.perf_counter(), "gone"
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
                MutableHeaders(scope=message).update({**HEADERS, "X-Request-ID": request_id})
            await send(message)

        try:
            _check(scope, self._settings)
            await self._app(scope, receive, send_guarded)
        except ClientGoneError:
            pass
        except FaultError as fault:
            await answer(fault, request_id)(scope, receive, send_guarded)
        except Exception as error:
            LOG.error("%s %s", request_id, _told(error))
            if status != "gone":
                raise  # half an answer is out: the connection must be cut
            ours = FaultError(500, "a fault of this server", "please report it with the lines of its log")
            await answer(ours, request_id)(scope, receive, send_guarded)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            seconds = time.perf_counter() - began
            self._metrics.request(route, status, seconds)
            LOG.info("%s %s %s %s %.3fs", request_id, _method(scope), route, status, seconds)


def _check(scope: Scope, settings: Settings) -> None:
    """Raise a `FaultError` for a request too long, for another server, from another page, or without the token."""
    headers = Headers(scope=scope)
    if sum(len(name) + len(value) for name, value in headers.raw) > HEAD_BYTES:
        raise FaultError(400, "the request's head is too large", "send less in headers")
    authority = headers.get("host", "").lower()
    if len(headers.getlist("host")) != 1 or _hostname(authority) not in settings.hosts:
        raise FaultError(400, "this server has another name", "for a name of yours start it with --allow-host NAME")
    origin = headers.get("origin")
    if origin is not None and origin.lower() not in (f"http://{authority}", f"https://{authority}"):
        raise FaultError(403, "the request comes from a page of another origin", "ask from the server's own page")
    is_open = scope["path"] in OPEN or scope["path"].startswith("/static/")
    if settings.token and not is_open:
        given = headers.get("authorization", "").encode("latin-1")
        if not hmac.compare_digest(given, f"Bearer {settings.token}".encode("latin-1")):
            raise FaultError(401, "the token is missing or wrong", "send it: Authorization: Bearer TOKEN",
                        {"WWW-Authenticate": "Bearer"})  # fmt: skip


def _hostname(authority: str) -> str:
    """Return the name in a Host header, without port; "" for one that is none."""
    try:
        return urlsplit(f"//{authority}").hostname or "" if "@" not in authority else ""
    except ValueError:
        return ""


def _method(scope: Scope) -> str:
    """Return the method, if it is one of HTTP's: others are a client's own words."""
    method: str = scope["method"]
    return method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else "other"


def _told(error: Exception) -> str:
    """Return an error's kind and where it arose; its message may quote what a client sent."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return f"{type(error).__name__} at " + " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))
