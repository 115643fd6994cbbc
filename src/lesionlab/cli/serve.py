"""`lesionlab serve`: the reading room, a page and an API on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from lesionlab.cli import options
from lesionlab.cli.screen import say

TOKEN = "LESIONLAB_TOKEN"


def serve(
    model: options.Model,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Where to listen; another than this machine needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 8765,
    token_file: Annotated[
        Path | None, typer.Option("--token-file", metavar="FILE", help=f"Holds the token [default: ${TOKEN}].")
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="A further name of this server; may be repeated."),
    ] = None,
    views: options.Views = None,
    queue: Annotated[int, typer.Option("--queue", min=1, help="Most images that wait at a time.")] = 256,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Open the reading room: a page and an API that answer on this machine. Ctrl-C ends it.

    Example: lesionlab serve --open
    """
    from lesionlab.models.composite import read_model
    from lesionlab.web.app import make_app
    from lesionlab.web.monitoring import log_to_stderr
    from lesionlab.web.running import address, listen, make_server
    from lesionlab.web.schemas import NOTICE
    from lesionlab.web.settings import read_token, settings

    token = read_token(token_file, os.environ.get(TOKEN, ""))
    chosen = settings(host, token, allow_host or (), queue, views)
    app = make_app(read_model(model), chosen)
    listening = listen(host, port)
    log_to_stderr()
    page = address(host, listening)
    say(f"reading room: {page}" + ("#token=TOKEN, with the token" if token else ""))
    say(NOTICE)
    sys.stdout.flush()
    if open_page:
        typer.launch(page)
    make_server(app).run(sockets=[listening])
