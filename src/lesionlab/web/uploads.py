"""Uploads, read in memory within fixed bounds: nothing reaches the disk, and file names are dropped unread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from lesionlab.web.faults import ClientGoneError, FaultError, busy
from lesionlab.web.settings import MIB, Limits

FILES = "files"
"""The form field that holds photographs."""

logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # its warnings quote what a client sent


@dataclass
class Form:
    """An upload: the files' contents in their order, and the fields by name."""

    files: list[bytes] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)


class Held:
    """The bytes of all uploads that are not answered yet."""

    def __init__(self, most: int) -> None:
        self.most, self.now = most, 0

    @contextmanager
    def account(self) -> Iterator[Account]:
        """Yield an account of one upload, which is settled when the block ends."""
        account = Account(self)
        try:
            yield account
        finally:
            self.now -= account.bytes


class Account:
    """The bytes of one upload, a part of those held."""

    def __init__(self, held: Held) -> None:
        self._held, self.bytes = held, 0

    def add(self, size: int) -> None:
        """Count bytes; raises a `FaultError` (503) where all uploads together would hold too many."""
        if self._held.now + size > self._held.most:
            raise busy("too many uploads at once")
        self._held.now += size
        self.bytes += size


async def read_form(request: Request, limits: Limits, names: Collection[str], account: Account) -> Form:
    """Return the upload that a request brings.

    `names` are the fields that it may have beside `files`. Raises a `FaultError`: 400 for what is no form, 408 for one
    that comes too slowly, 413 for one that is too large, 415 for another type, 422 for too many parts or other fields;
    and `ClientGoneError`.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        raise FaultError(415, "not a multipart/form-data upload", f"send images as multipart field {FILES}")
    if not options.get(b"boundary"):
        raise FaultError(400, "the upload names no boundary", "let the HTTP library write Content-Type")
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limits.request_bytes:
        raise _too_large(limits)
    try:
        parts = _Parts(options[b"boundary"], limits, names)
        async for chunk in _chunks(request, limits):
            account.add(len(chunk))
            parts.parser.write(chunk)
    except FormParserError:
        raise FaultError(400, "the upload is damaged", "send it again") from None
    if not parts.complete:
        raise FaultError(400, "the upload is cut short", "send it again")
    return parts.form


async def _chunks(request: Request, limits: Limits) -> AsyncIterator[bytes]:
    """Yield a body as it comes; raises a `FaultError` where it comes too slowly or is too large."""
    clock = asyncio.get_running_loop().time
    began, received, more = clock(), 0, True
    while more:
        allowed = min(limits.upload_seconds, limits.silence + received / limits.slowest) - (clock() - began)
        try:
            async with asyncio.timeout(min(limits.silence, allowed)):
                message = await request.receive()
        except TimeoutError:
            raise FaultError(408, "the upload came too slowly", "send it again", {"Connection": "close"}) from None
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        body, more = message.get("body", b""), message.get("more_body", False)
        received += len(body)
        if received > limits.request_bytes:
            raise _too_large(limits)
        yield body


def _too_large(limits: Limits) -> FaultError:
    return FaultError(413, f"more than {limits.request_bytes // MIB} MiB in one request", "send fewer images at a time")


class _Parts:
    """The parts of an upload as the parser finds them. A file's name is seen here only to be dropped."""

    def __init__(self, boundary: bytes, limits: Limits, names: Collection[str]) -> None:
        self.form, self.complete = Form(), False
        self._limits, self._names = limits, names
        self._header, self._value, self._disposition = b"", b"", b""
        self._field, self._data = "", bytearray()
        self._count = 0
        self.parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._name_part,
                "on_part_data": self._add,
                "on_part_end": self._end,
                "on_end": self._finish,
            },
        )

    def _begin(self) -> None:
        self._disposition, self._data = b"", bytearray()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header, self._value = b"", b""

    def _name_part(self) -> None:
        options = parse_options_header(self._disposition)[1]
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if name != FILES and name not in self._names:
            known = ", ".join((FILES, *self._names))
            raise FaultError(422, "the upload has a field that is not known here", f"known are {known}")
        if name == FILES and b"filename" not in options:
            raise FaultError(422, f"a part {FILES} that is no file", "send images as files, with any file name")
        self._field = name
        self._count += name != FILES
        if name == FILES and len(self.form.files) == self._limits.files:
            raise FaultError(422, f"more files than {self._limits.files} in one request", "send fewer at a time")
        if self._count > self._limits.fields:
            raise FaultError(422, f"more than {self._limits.fields} form fields", "send each field once")

    def _add(self, data: bytes, start: int, end: int) -> None:
        size, limits = len(self._data) + end - start, self._limits
        if self._field == FILES and size > limits.file_bytes:
            reason = f"file {len(self.form.files)}: larger than {limits.file_bytes // MIB} MiB"
            raise FaultError(413, reason, "leave it out, or make it smaller")
        if self._field != FILES and size > limits.field_bytes:
            raise FaultError(413, f"a form field of more than {limits.field_bytes} bytes", "leave it out")
        self._data += data[start:end]

    def _end(self) -> None:
        if self._field == FILES:
            self.form.files.append(bytes(self._data))
        else:
            self.form.fields[self._field] = self._data.decode("utf-8", "replace")
        self._data = bytearray()

    def _finish(self) -> None:
        self.complete = True
