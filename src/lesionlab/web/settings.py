"""What the server is started with: whom it answers, how much it takes, and how long it waits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from lesionlab.errors import DataError, UsageError
from lesionlab.files import read_text

MIB = 2**20
LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))
"""Names under which a server is reached from its own machine alone."""

STATIC = Path(__file__).parent / "static"
SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class Limits:
    """How much one client may send, in bytes and seconds.

    files, file_bytes, request_bytes : of one request. held_bytes : of all uploads together that wait for an answer.
    fields, field_bytes : form fields beside the files. silence : between two pieces of a body. upload_seconds : for a
    whole body. slowest : bytes a second that a body must come at after its first `silence` seconds.
    """

    files: int = 64
    file_bytes: int = 20 * MIB
    request_bytes: int = 100 * MIB
    held_bytes: int = 400 * MIB
    fields: int = 8
    field_bytes: int = 200
    silence: float = 7.0
    upload_seconds: float = 300.0
    slowest: float = 16 * 1024.0


@dataclass(frozen=True)
class Settings:
    """How a server is started.

    hosts : names that a request may call it by. token : what a request must carry, "" for none. queue : most images
    that wait or are looked at together. views : as in `Predictor`. static : folder of the page.
    """

    hosts: frozenset[str] = LOOPBACK
    token: str = ""
    queue: int = 256
    views: int | None = None
    limits: Limits = field(default_factory=Limits)
    static: Path = STATIC

    def __post_init__(self) -> None:
        if self.queue < self.limits.files:
            raise UsageError(
                f"--queue {self.queue}: one request may bring {self.limits.files} images", "choose at least as many"
            )


def settings(
    host: str, token: str = "", allowed: Iterable[str] = (), queue: int = 256, views: int | None = None
) -> Settings:
    """Return the settings of a server that listens on `host`.

    `allowed` are further names that it is reached by; the others are as in `Settings`. Raises `UsageError` where other
    machines could reach it and there is no token, for a token that is too short, and for a queue that one request could
    not enter.
    """
    if host not in LOOPBACK and not token:
        raise UsageError(
            f"--host {host}: other machines could reach it, which needs a token",
            "set LESIONLAB_TOKEN or give --token-file, or leave --host out",
        )
    if token and (len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token):
        raise UsageError(
            f"the token needs at least {SHORTEST_TOKEN} printable ASCII characters without spaces",
            "make one: python -c 'import secrets; print(secrets.token_urlsafe())'",
        )
    return Settings(LOOPBACK | {name.lower() for name in (host, *allowed)}, token, queue, views)


def read_token(file: Path | None, environment: str) -> str:
    """Return the token in a file, or else that of the environment; "" where there is neither.

    Raises `DataError` for a file that cannot be read or holds nothing.
    """
    if file is None:
        return environment.strip()
    token = read_text(file).strip()
    if not token:
        raise DataError(f"{file}: holds no token", "write one into it")
    return token
