"""One client's connection, as uvicorn keeps it, with bounds of time: for request heads, and for leaving."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from lesionlab.web.faults import BUSY_SECONDS, content
from lesionlab.web.guard import HEADERS, new_id

MOST = 512
"""Most connections at a time; further ones are told to come again."""


class Connection(H11Protocol):
    """An HTTP/1.1 connection that is closed unless it sends a whole request head within `HEAD_SECONDS`.

    The same time is given, after an answer, for the rest of a body that was refused, and for taking the answer: a
    client that takes nothing of it for so long is cut off. What is no request is answered and, so that the answer
    arrives, listened to for `LINGER_SECONDS` more.
    """

    HEAD_SECONDS = 7.0
    LINGER_SECONDS = 1.0

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._deadline: asyncio.TimerHandle | None = None
        self._unsent = 0
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST:
            self._refuse(503, "Service Unavailable", "too many connections", "try again later")
        else:
            self._wait()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        if self._refused:
            self.transport.close()
        else:
            super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or a head that is too large; after an answer there is nothing more to say."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._refuse(400, "Bad Request", "no valid HTTP request, or its head is too large", "send less in headers")
        else:
            self.transport.close()

    def _wait(self, seconds: float | None = None) -> None:
        """Come back to the connection after so long, `HEAD_SECONDS` where None."""
        self._stop_waiting()
        self._unsent = self.transport.get_write_buffer_size()
        self._deadline = self.loop.call_later(seconds or self.HEAD_SECONDS, self._expire)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        """Close the connection; one that still takes its answer, and has taken some since, gets as long again."""
        unsent = self.transport.get_write_buffer_size()
        if 0 < unsent < self._unsent:
            self._wait()
        elif unsent or self.transport.is_closing():
            self.transport.abort()
        elif self.conn.their_state is h11.IDLE and self.conn.trailing_data[0] and not self._refused:
            self._refuse(408, "Request Timeout", "the request's head came too slowly", "send it again")
        else:
            self.transport.close()

    def _refuse(self, status: int, phrase: str, message: str, remedy: str) -> None:
        """Write an answer to what is no request.

        Only this side is closed: to close the other, while something is still coming in, would destroy the answer.
        """
        request_id = new_id()
        body = json.dumps(content(message, remedy, request_id)).encode()
        lines = {**HEADERS, "X-Request-ID": request_id, "Content-Type": "application/json", "Connection": "close"}
        if status == 503:
            lines["Retry-After"] = str(BUSY_SECONDS)
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.transport.write(f"HTTP/1.1 {status} {phrase}\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        self.transport.write_eof()
        self._refused = True
        if self.cycle is not None and not self.cycle.response_complete:  # its body is damaged
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._wait(self.LINGER_SECONDS)
