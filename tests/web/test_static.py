"""The page's files: nothing inline, nothing from elsewhere, no way for text to become markup, and light."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import lesionlab

STATIC = Path(lesionlab.__file__).parent / "web" / "static"
FILES = sorted(STATIC.iterdir())
SCRIPTS = [path for path in FILES if path.suffix == ".js"]
NAMESPACE = "http://www.w3.org/2000/svg"
WEIGHT = 80_000
"""Bytes of the whole page, uncompressed."""


class Elements(HTMLParser):
    """Collects the elements of a page, and what stands inside scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inline = ""
        self._in_script = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._in_script = tag == "script"

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        self.inline += data.strip() if self._in_script else ""


def page() -> Elements:
    return Elements((STATIC / "index.html").read_text(encoding="utf-8"))


def test_nothing_is_inline() -> None:
    found = page()
    assert not found.inline
    for tag, attributes in found.found:
        assert tag != "style"
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        assert tag != "script" or attributes.keys() == {"type", "src"}


def test_everything_comes_from_this_server_and_is_there() -> None:
    for tag, attributes in page().found:
        for name in {"src", "href"} & attributes.keys():
            address = attributes[name] or ""
            assert re.fullmatch(r"/static/[a-z]+\.(js|css|svg)|#reading", address), (tag, address)
            assert address.startswith("#") or (STATIC / address.removeprefix("/static/")).is_file()


def test_no_file_names_another_address() -> None:
    for path in FILES:
        text = path.read_text(encoding="utf-8").replace(NAMESPACE, "")
        assert not re.search(r"(https?|wss?)://|[\"'(]//", text), path.name
        assert not re.search(r"url\(|@import|@font-face", text), path.name


def test_text_never_becomes_markup_or_code_and_nothing_is_stored() -> None:
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|srcdoc"
        r"|\beval\b|new Function|Storage\b|indexedDB|\.cookie|caches\b|sendBeacon|WebSocket"
    )
    for path in SCRIPTS:
        assert not re.search(forbidden, path.read_text(encoding="utf-8")), path.name


def test_scripts_find_what_they_ask_for() -> None:
    known = {attributes["id"] for _, attributes in page().found if "id" in attributes}
    for path in SCRIPTS:
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r'part\("([^"]+)"\)', text)) <= known, path.name
        for name in re.findall(r'from "\./([^"]+)"', text):
            assert (STATIC / name).is_file(), f"{path.name}: {name}"


def test_every_file_is_used() -> None:
    texts = "".join(path.read_text(encoding="utf-8") for path in FILES)
    for path in FILES:
        assert path.name == "index.html" or f"/{path.name}" in texts


def test_the_page_says_what_it_is_not_and_in_which_language() -> None:
    text = (STATIC / "index.html").read_text(encoding="utf-8")
    assert "Research use, not a medical device" in text
    assert ("html", {"lang": "en"}) in page().found


def test_the_page_is_light() -> None:
    assert sum(path.stat().st_size for path in FILES) < WEIGHT
