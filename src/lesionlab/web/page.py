"""The page: a fixed list of files, read once, so that no path that a client sends ever reaches the disk."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Response
from starlette.exceptions import HTTPException

TYPES: dict[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Suffix of what the page is made of -> media type."""


def make_page(folder: Path) -> APIRouter:
    """Return the routes of index.html, at /, and of what it loads, at /static/NAME."""
    files = {path.name: path.read_bytes() for path in folder.glob("*") if path.suffix in TYPES and path.is_file()}
    index = folder / "index.html"
    content = index.read_bytes() if index.is_file() else None
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")
    async def page() -> Response:
        if content is None:
            raise HTTPException(404)
        return Response(content, media_type="text/html; charset=utf-8")

    @routes.get("/static/{name}")
    async def part(name: str) -> Response:
        if name not in files:
            raise HTTPException(404)
        return Response(files[name], media_type=TYPES[Path(name).suffix])

    return routes
