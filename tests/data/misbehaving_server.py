"""An HTTP server on this machine that misbehaves as told, to test downloads against."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Script:
    """What the server does.

    `truncate`, `stall` and `drop` end or hold an answer after that many bytes; `times` says for how
    many answers, after which the server behaves; `refuse` is an HTTP status sent instead.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    length: bool = True
    truncate: int | None = None
    stall: int | None = None
    refuse: int | None = None
    claim_more: int = 0
    wrong_bytes: bool = False
    wrong_range: bool = False
    times: int = 10**9
    requests: list[tuple[str, str]] = field(default_factory=list)
    sent: int = 0
    release: threading.Event = field(default_factory=threading.Event)


class _Answer(BaseHTTPRequestHandler):
    script: Script

    def do_GET(self) -> None:
        script = self.script
        script.requests.append((self.path, self.headers.get("Range", "")))
        bad = len(script.requests) <= script.times
        body = script.files.get(self.path)
        if body is None or (bad and script.refuse):
            self.send_error(script.refuse if body is not None and script.refuse else 404)
            return
        if bad and script.wrong_bytes:
            body = bytes(255 - value for value in body)
        self._send(body, bad)

    def _send(self, body: bytes, bad: bool) -> None:
        script, start = self.script, 0
        asked = re.match(r"bytes=(\d+)-$", self.headers.get("Range", ""))
        if asked and script.ranges:
            start = int(asked[1])
            if start >= len(body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            told = start + 1 if bad and script.wrong_range else start
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {told}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        rest = body[start:]
        if script.length:
            self.send_header("Content-Length", str(len(rest) + (script.claim_more if bad else 0)))
        self.end_headers()
        limit = next((n for n in (script.truncate, script.stall) if bad and n is not None), len(rest))
        self.wfile.write(rest[:limit])
        self.wfile.flush()
        script.sent += len(rest[:limit])
        if bad and script.stall is not None:
            script.release.wait(20)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def serve(script: Script) -> Iterator[str]:
    """Serve until the block ends; yields the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Answer", (_Answer,), {"script": script}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        script.release.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
