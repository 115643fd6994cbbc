"""What a server may be started with."""

from __future__ import annotations

from pathlib import Path

import pytest

from lesionlab.errors import DataError, UsageError
from lesionlab.web.settings import Settings, read_token, settings

TOKEN = "a-token-of-some-length"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_this_machine_needs_no_token(host: str) -> None:
    assert settings(host).hosts == {"127.0.0.1", "localhost", "::1"}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "lab.example", "127.0.0.1.nip.io"])
def test_other_machines_need_a_token(host: str) -> None:
    with pytest.raises(UsageError, match="token"):
        settings(host)
    assert settings(host, TOKEN, ["Lab.Example.org"]).hosts > {host, "lab.example.org"}


@pytest.mark.parametrize("token", ["short", "with a space in the middle", "é" * 20, "line\nline-line-line-line"])
def test_a_token_must_be_hard_to_guess_and_fit_a_header(token: str) -> None:
    with pytest.raises(UsageError, match="token"):
        settings("127.0.0.1", token)


def test_the_queue_must_hold_one_request() -> None:
    with pytest.raises(UsageError, match="--queue 63"):
        settings("127.0.0.1", queue=63)
    assert Settings(queue=64).queue == 64


def test_the_token_is_the_files_or_the_environments(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert (read_token(file, "other"), read_token(None, " other "), read_token(None, "")) == (TOKEN, "other", "")
    file.write_text("\n")
    for bad in (file, tmp_path / "none"):
        with pytest.raises(DataError):
            read_token(bad, "other")
