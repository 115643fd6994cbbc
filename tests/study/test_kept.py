"""Files are made again only when what they were made of has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

import lesionlab
from lesionlab.study.kept import kept


def test_once_until_something_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def make(*names: str) -> list[Path]:
        calls.append(len(calls))
        for name in names:
            (tmp_path / name).write_text(f"{len(calls)}")
        return [tmp_path / name for name in names]

    both = [tmp_path / "a.png", tmp_path / "b.png"]
    for _ in range(2):
        assert kept(tmp_path, "pages", {"model": "1"}, lambda: make("a.png", "b.png")) == both
    assert len(calls) == 1
    both[1].unlink()
    kept(tmp_path, "pages", {"model": "1"}, lambda: make("a.png", "b.png"))
    assert len(calls) == 2 and both[1].is_file()
    assert kept(tmp_path, "pages", {"model": "2"}, lambda: make("a.png")) == both[:1]
    assert both[0].read_text() == "3" and not both[1].exists()
    kept(tmp_path, "others", {"model": "2"}, lambda: make("c.png"))
    assert both[0].is_file() and len(calls) == 4
    monkeypatch.setattr(lesionlab, "__version__", "another")
    kept(tmp_path, "pages", {"model": "2"}, lambda: make("a.png"))
    assert len(calls) == 5


def test_what_fails_is_made_again(tmp_path: Path) -> None:
    def fail() -> list[Path]:
        raise OSError

    for _ in range(2):
        with pytest.raises(OSError):
            kept(tmp_path, "pages", 1, fail)
