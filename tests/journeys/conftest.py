"""The reading room for tests in a browser: a server with the shipped model, Chromium, and drawn lesions."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def serving(**environment: str) -> Iterator[str]:
    """Run `lesionlab serve` on a free port and give its address."""
    command = [sys.executable, "-m", "lesionlab", "serve", "--port", "0"]
    server = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, **environment}
    )
    try:
        assert server.stdout
        told = server.stdout.readline()
        yield told.split("reading room: ")[1].split("#")[0].strip()
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="session")
def room() -> Iterator[str]:
    """The address of a reading room."""
    pytest.importorskip("fastapi", reason="the reading room needs the extra: pip install 'lesionlab[web]'")
    with serving() as address:
        yield address


@pytest.fixture
def locked_room() -> Iterator[tuple[str, str]]:
    """The address of a reading room that wants a token, and the token."""
    pytest.importorskip("fastapi", reason="the reading room needs the extra: pip install 'lesionlab[web]'")
    token = "a-token-for-this-test-alone"
    with serving(LESIONLAB_TOKEN=token) as address:
        yield address, token


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright; no longer than need be, as its event loop is in everybody's way."""
    reason = "walking through the page needs: pip install playwright"
    driver = pytest.importorskip("playwright.sync_api", reason=reason)
    if not CHROMIUM:
        pytest.skip("walking through the page needs chromium: apt install chromium")
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass(frozen=True)
class Lesions:
    """Drawn photographs by what the shipped model says of them: certain, not certain, turned away."""

    certain: list[Path]
    doubtful: list[Path]
    strange: list[Path]


@pytest.fixture(scope="session")
def lesions(tmp_path_factory: pytest.TempPathFactory) -> Lesions:
    """Synthetic lesions, sorted by the shipped model's own doubts."""
    import lesionlab
    from lesionlab.data.sources.synthetic import generate

    source = generate(tmp_path_factory.mktemp("drawn") / "source", lesions=7, seed=7, size=(240, 180))
    found = Lesions([], [], [])
    model = lesionlab.load()
    for path in sorted((source / "images").glob("*.jpg")):
        verdict = model.predict(path)
        kind = found.strange if verdict.outlier else found.doubtful if verdict.abstained else found.certain
        kind.append(path)
    assert len(found.certain) >= 3 and found.doubtful and found.strange
    return found


@pytest.fixture
def trace() -> dict[str, list[str]]:
    """What a page did behind the scenes: its requests, and errors that nobody should see."""
    return {"requests": [], "errors": []}


@pytest.fixture
def page(chromium: Any, room: str, trace: dict[str, list[str]]) -> Iterator[Any]:
    """The reading room in a browser; afterwards, no error was logged and nothing was asked of another server."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.on("request", lambda request: trace["requests"].append(request.url))
    page.on("pageerror", lambda error: trace["errors"].append(str(error)))
    page.on("console", lambda line: trace["errors"].append(line.text) if line.type in ("error", "warning") else None)
    page.goto(room)
    page.locator("#about").wait_for()
    yield page
    context.close()
    assert not [url for url in trace["requests"] if not url.startswith((room, "data:", f"blob:{room}"))]
    assert not [error for error in trace["errors"] if not error.startswith("Failed to load resource")]
