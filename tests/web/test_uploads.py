"""Uploads are read within bounds, in memory, and never by their files' names."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from starlette.requests import Request

from lesionlab.web.faults import ClientGoneError, FaultError
from lesionlab.web.settings import Limits
from lesionlab.web.uploads import Form, Held, read_form

LIMITS = Limits(
    files=2, file_bytes=1000, request_bytes=2500, held_bytes=3000, fields=2, field_bytes=20, silence=0.05,
    upload_seconds=0.4, slowest=10_000.0,
)  # fmt: skip
KIND = "multipart/form-data; boundary=line"


def part(name: str, content: bytes, filename: str | None = "Jane Doe.jpg") -> bytes:
    told = f'; filename="{filename}"' if filename is not None else ""
    return f'--line\r\nContent-Disposition: form-data; name="{name}"{told}\r\n\r\n'.encode() + content + b"\r\n"


END = b"--line--\r\n"


def read(
    chunks: Iterable[bytes], kind: str = KIND, wait: float = 0.0, held: Held | None = None, **headers: str
) -> Form:
    """Return what is read of a body that comes in these chunks, `wait` seconds before each."""
    coming = list(chunks)

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(wait)
        if not coming:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": coming.pop(0), "more_body": bool(coming)}

    given = {"content-type": kind, **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = [(name.encode(), value.encode()) for name, value in given.items()]

    async def run() -> Form:
        with (held or Held(LIMITS.held_bytes)).account() as account:
            return await read_form(Request({"type": "http", "headers": lines}, receive), LIMITS, ("point",), account)

    return asyncio.run(run())


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_files_and_fields_come_through_whole(size: int) -> None:
    tricky = b"\r\n--lin\r\n--line\r-" + bytes(range(256))
    body = part("files", tricky) + part("point", b"sensitivity 0.95", None) + part("files", b"") + END
    form = read(body[start : start + size] for start in range(0, len(body), size))
    assert form == Form([tricky, b""], {"point": "sensitivity 0.95"})
    assert "Jane" not in repr(form)


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        (part("files", b"x" * 1001) + END, 413, "file 0: larger"),
        (part("files", b"x") + part("files", b"x" * 1001) + END, 413, "file 1: larger"),
        (part("files", b"x") * 3 + END, 422, "more files than 2"),
        (part("point", b"x", None) * 3 + END, 422, "more than 2 form fields"),
        (part("point", b"x" * 21, None) + END, 413, "20 bytes"),
        (part("Jane", b"x", None) + END, 422, "not known"),
        (part("files", b"x", None) + END, 422, "no file"),
        (b'--line\r\nContent-Disposition: form-data\r\n\r\nx\r\n' + END, 422, "not known"),
        (b"--line\r\n" + b"X: y\r\n" * 300 + b"\r\n", 400, "damaged"),
        (b"no form at all", 400, "damaged"),
        (b"", 400, "cut short"),
        (part("files", b"x"), 400, "cut short"),
    ],
)  # fmt: skip
def test_bad_bodies_are_refused(body: bytes, status: int, word: str) -> None:
    with pytest.raises(FaultError) as found:
        read([body])
    assert found.value.status == status and word in found.value.message
    assert found.value.remedy and "Jane" not in str(found.value)


@pytest.mark.parametrize(
    ("kind", "status"), [("application/json", 415), ("", 415), ("multipart/form-data", 400), (KIND + "x" * 300, 400)]
)
def test_other_types_are_refused(kind: str, status: int) -> None:
    with pytest.raises(FaultError) as found:
        read([part("files", b"x") + END], kind)
    assert found.value.status == status


def test_the_total_is_bounded_before_and_while_it_comes() -> None:
    with pytest.raises(FaultError) as found:
        read([], content_length="2501")
    assert found.value.status == 413
    with pytest.raises(FaultError) as found:
        read([part("files", b"x" * 900), part("files", b"x" * 900), b"x" * 900])
    assert found.value.status == 413


def test_all_uploads_together_are_bounded() -> None:
    held = Held(100)
    with pytest.raises(FaultError) as found:
        read([part("files", b"x" * 50) + END], held=held)
    assert (found.value.status, found.value.headers["Retry-After"]) == (503, "2")
    assert held.now == 0
    assert read([part("files", b"x") + END], held=held).files == [b"x"] and held.now == 0


def test_slow_uploads_are_refused() -> None:
    for chunks, wait in (([b"x"], 0.2), ([b"\r"] * 1000, 0.02)):  # silence, and dripping
        with pytest.raises(FaultError) as found:
            read(chunks, wait=wait)
        assert found.value.status == 408
    body = part("files", b"x" * 900) + END
    assert read([body[at : at + 120] for at in range(0, len(body), 120)], wait=0.01).files == [b"x" * 900]


def test_a_client_that_leaves_is_no_fault() -> None:
    with pytest.raises(ClientGoneError):
        read([])
