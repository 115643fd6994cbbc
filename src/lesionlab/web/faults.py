"""What is answered instead of a result: a status, what is wrong and what to do about it, always as the same JSON."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

REMEDIES: dict[int, str] = {404: "see /openapi.json for what there is", 405: "see /openapi.json for the method"}
BUSY_SECONDS = 2
"""How long a client that was turned away because of the load should wait."""


class FaultError(Exception):
    """A request that is refused: status, message, remedy, and further headers."""

    def __init__(self, status: int, message: str, remedy: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.remedy = status, message, remedy
        self.headers = dict(headers or {})


class ClientGoneError(Exception):
    """The client left before its answer was ready."""


def busy(message: str) -> FaultError:
    """Return the fault of a server that has no room now."""
    return FaultError(503, message, "try again later", {"Retry-After": str(BUSY_SECONDS)})


def content(message: str, remedy: str, request_id: str) -> dict[str, object]:
    """Return the content of every error."""
    return {"error": {"message": message, "remedy": remedy}, "request_id": request_id}


def answer(fault: FaultError, request_id: str) -> JSONResponse:
    """Return a fault as a response."""
    return JSONResponse(content(fault.message, fault.remedy, request_id), fault.status, fault.headers)


def answer_fault(request: Request, fault: Exception) -> JSONResponse:
    """Return a `FaultError` that a route raised as a response."""
    assert isinstance(fault, FaultError)
    return answer(fault, request.state.request_id)


def answer_http(request: Request, error: Exception) -> JSONResponse:
    """Return what the router raises, no such path or method, as a response."""
    assert isinstance(error, HTTPException)
    words = HTTPStatus(error.status_code).phrase.lower()
    fault = FaultError(error.status_code, words, REMEDIES.get(error.status_code, ""), error.headers)
    return answer(fault, request.state.request_id)
