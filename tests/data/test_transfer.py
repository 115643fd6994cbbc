"""One file over a line that breaks, stalls and lies."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest
from misbehaving_server import Script, serve

from lesionlab.data import transfer
from lesionlab.data.transfer import Patience, Remote, fetch, partial_path
from lesionlab.errors import DataError

BODY = os.urandom(3000)
QUICK = Patience(timeout=0.3, attempts=3, pause=0.0)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


def remote(base: str, size: int | None = len(BODY), body: bytes = BODY) -> Remote:
    return Remote("a.bin", f"{base}/a", hashlib.md5(body).hexdigest(), size)


def script(**faults: object) -> Script:
    return Script(files={"/a": BODY}, **faults)  # type: ignore[arg-type]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("size", [len(BODY), None])
def test_fetches_and_reports_progress(tmp_path: Path, size: int | None) -> None:
    seen: list[tuple[str, int, int | None]] = []
    with serve(script()) as base:
        path = fetch(remote(base, size), tmp_path / "new", lambda *args: seen.append(args), QUICK)
    assert path.read_bytes() == BODY
    assert seen[-1] == ("a.bin", 3000, 3000)
    assert names(tmp_path / "new") == ["a.bin"]


def test_keeps_what_is_whole(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(BODY)
    rules = script()
    with serve(rules) as base:
        fetch(remote(base), tmp_path, None, QUICK)
        assert rules.requests == []
        (tmp_path / "a.bin").write_bytes(BODY[:-1] + b"?")
        assert fetch(remote(base), tmp_path, None, QUICK).read_bytes() == BODY


@pytest.mark.parametrize("size", [len(BODY), None])
@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("fault", ["truncate", "stall"])
def test_goes_on_after_a_break(tmp_path: Path, fault: str, ranges: bool, size: int | None) -> None:
    rules = script(ranges=ranges, times=2, **{fault: 1000})
    with serve(rules) as base:
        assert fetch(remote(base, size), tmp_path, None, QUICK).read_bytes() == BODY
    assert [asked for _, asked in rules.requests] == ["", "bytes=1000-", "bytes=2000-" if ranges else "bytes=1000-"]
    assert rules.sent == (3000 if ranges else 5000)
    assert names(tmp_path) == ["a.bin"]


def test_headway_renews_the_patience(tmp_path: Path) -> None:
    rules = script(truncate=100)
    with serve(rules) as base:
        assert fetch(remote(base), tmp_path, None, QUICK).read_bytes() == BODY
    assert len(rules.requests) == 30


@pytest.mark.parametrize(("faults", "reason"), [({"truncate": 0}, "0 of 3,000"), ({"stall": 0}, "no answer in time")])
def test_gives_up_without_headway(tmp_path: Path, faults: dict[str, int], reason: str) -> None:
    rules = script(**faults)
    with serve(rules) as base, pytest.raises(DataError, match=reason) as caught:
        fetch(remote(base), tmp_path, None, QUICK)
    assert base in caught.value.message
    assert "goes on where it stopped" in caught.value.hint
    assert len(rules.requests) == 3
    assert not (tmp_path / "a.bin").exists()


def test_a_server_that_never_gets_past_one_place_keeps_the_part(tmp_path: Path) -> None:
    rules = script(ranges=False, truncate=1000)
    with serve(rules) as base:
        with pytest.raises(DataError, match="1,000 of 3,000"):
            fetch(remote(base), tmp_path, None, QUICK)
        assert names(tmp_path) == ["a.bin.partial"]
        rules.ranges, rules.truncate = True, None
        assert fetch(remote(base), tmp_path, None, QUICK).read_bytes() == BODY
    assert rules.requests[-1] == ("/a", "bytes=1000-")


def test_later_call_resumes(tmp_path: Path) -> None:
    partial_path(tmp_path, "a.bin").write_bytes(BODY[:2500])
    rules = script()
    with serve(rules) as base:
        assert fetch(remote(base), tmp_path, None, QUICK).read_bytes() == BODY
    assert rules.sent == 500


@pytest.mark.parametrize("size", [len(BODY), None])
def test_partial_file_that_is_already_whole(tmp_path: Path, size: int | None) -> None:
    partial_path(tmp_path, "a.bin").write_bytes(BODY)
    rules = script()
    with serve(rules) as base:
        assert fetch(remote(base, size), tmp_path, None, QUICK).read_bytes() == BODY
    assert rules.sent == 0


@pytest.mark.parametrize("size", [len(BODY), None])
@pytest.mark.parametrize("part", [bytes(2000), bytes(3000), bytes(4000)])
def test_partial_file_of_other_content_is_replaced(tmp_path: Path, part: bytes, size: int | None) -> None:
    partial_path(tmp_path, "a.bin").write_bytes(part)
    with serve(script()) as base:
        assert fetch(remote(base, size), tmp_path, None, QUICK).read_bytes() == BODY


def test_wrong_bytes_are_refused_and_not_kept(tmp_path: Path) -> None:
    rules = script(wrong_bytes=True)
    with serve(rules) as base, pytest.raises(DataError, match="its MD5 is not"):
        fetch(remote(base), tmp_path, None, QUICK)
    assert len(rules.requests) == 2
    assert names(tmp_path) == []


def test_wrong_bytes_once_are_fetched_again(tmp_path: Path) -> None:
    with serve(script(wrong_bytes=True, times=1)) as base:
        assert fetch(remote(base), tmp_path, None, QUICK).read_bytes() == BODY


def test_another_length_is_refused_at_once(tmp_path: Path) -> None:
    rules = script()
    with serve(rules) as base, pytest.raises(DataError, match=r"3,000 bytes are offered where a\.bin has 2,999"):
        fetch(remote(base, 2999), tmp_path, None, QUICK)
    assert len(rules.requests) == 1


def test_a_length_that_lies_is_refused(tmp_path: Path) -> None:
    with serve(script(claim_more=10)) as base, pytest.raises(DataError, match="3,010 bytes are offered"):
        fetch(remote(base), tmp_path, None, QUICK)
    unsized = script(claim_more=10, ranges=False)
    with serve(unsized) as base, pytest.raises(DataError, match="3,000 of 3,010"):
        fetch(remote(base, None), tmp_path / "b", None, QUICK)


def test_more_than_expected_without_a_length_is_refused(tmp_path: Path) -> None:
    with serve(script(length=False)) as base, pytest.raises(DataError, match="sends more than 2,000 bytes"):
        fetch(remote(base, 2000), tmp_path, None, QUICK)
    with serve(script(length=False)) as base:
        assert fetch(remote(base), tmp_path / "b", None, QUICK).read_bytes() == BODY


def test_range_that_starts_elsewhere_is_not_appended(tmp_path: Path) -> None:
    partial_path(tmp_path, "a.bin").write_bytes(BODY[:1000])
    with serve(script(wrong_range=True, times=1)) as base:
        assert fetch(remote(base), tmp_path, None, QUICK).read_bytes() == BODY


@pytest.mark.parametrize(("status", "tries"), [(503, 3), (429, 3), (404, 1), (403, 1)])
def test_refusals(tmp_path: Path, status: int, tries: int) -> None:
    rules = script(refuse=status)
    with serve(rules) as base, pytest.raises(DataError, match=str(status)):
        fetch(remote(base), tmp_path, None, QUICK)
    assert len(rules.requests) == tries


def test_nobody_answers(tmp_path: Path) -> None:
    with serve(script()) as base:
        pass
    with pytest.raises(DataError, match="cannot be fetched") as caught:
        fetch(remote(base), tmp_path, None, QUICK)
    assert "check the network" in caught.value.hint


def test_full_disk_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(transfer, "_receive", full)
    with serve(script()) as base, pytest.raises(DataError, match="No space left") as caught:
        fetch(remote(base), tmp_path, None, QUICK)
    assert "free some space" in caught.value.hint
