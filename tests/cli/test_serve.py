"""`lesionlab serve`: what it prints, how it ends, and what it refuses to start with."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from lesionlab.cli.main import main

Serve = Callable[..., AbstractContextManager[Any]]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 130)])
def test_it_answers_until_a_signal_ends_it(serve: Serve, number: int, code: int) -> None:
    with serve() as serving:
        with urllib.request.urlopen(f"{serving.address}/health", timeout=10) as answer:
            assert json.load(answer)["status"] == "ok"
        assert "not a medical device" in serving.output().readline()
        serving.running.send_signal(number)
        assert serving.running.wait(15) == code
    assert "GET /health 200" in serving.log and "Traceback" not in serving.log


def test_it_listens_on_this_machine_alone(serve: Serve) -> None:
    with serve() as serving:
        table = subprocess.run(["cat", f"/proc/{serving.running.pid}/net/tcp"], capture_output=True, text=True).stdout
        listening = [line.split()[1] for line in table.splitlines()[1:] if line.split()[3] == "0A"]
        assert f"0100007F:{serving.port:04X}" in listening and f"00000000:{serving.port:04X}" not in listening


def test_elsewhere_it_demands_the_token(serve: Serve) -> None:
    token = "a-token-of-some-length"
    with serve("--host", "0.0.0.0", "--allow-host", "lab.example", LESIONLAB_TOKEN=token) as serving:
        asked = {"Host": "lab.example", "Authorization": f"Bearer {token}"}
        request = urllib.request.Request(f"{serving.address}/v1/model", headers=asked)
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200
        assert token not in serving.log


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--host", "0.0.0.0"], "token"),
        (["--token-file", "none"], "none"),
        (["--queue", "3"], "--queue 3"),
        (["--views", "3"], "3 views"),
        (["--model", "nowhere"], "nowhere"),
        (["--host", "nowhere.invalid", "--token-file", "token"], "cannot listen"),
    ],
)
def test_mistakes_are_told(
    options: list[str], word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("token").write_text("a-token-of-some-length")
    assert main(["serve", "--port", "0", *options]) in (2, 3, 4)
    shown = capsys.readouterr()
    assert word in shown.err and "hint: " in shown.err and not shown.out


def test_a_port_that_is_taken_is_told(capsys: pytest.CaptureFixture[str], deciding: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["serve", "--model", str(deciding), "--port", str(taken.getsockname()[1])]) == 2
    assert "choose another --port" in capsys.readouterr().err


def test_without_the_extra_it_names_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("lesionlab.web")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert main(["serve"]) == 2
    assert "pip install 'lesionlab[web]'" in capsys.readouterr().err
