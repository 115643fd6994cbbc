"""The command line's front: the commands, and how each fault ends."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from lesionlab import __version__
from lesionlab.cli import (
    calibrate,
    combine,
    compare,
    data,
    demo,
    doubts,
    evaluate,
    explain,
    export,
    faithfulness,
    info,
    leakage,
    predict,
    report,
    serve,
    shortcuts,
    stress,
    study,
    subgroups,
    train,
)
from lesionlab.cli.screen import accept_any_terminal, note, print_json
from lesionlab.errors import EXIT_BUG, EXIT_OK, EXIT_USAGE, UserError
from lesionlab.training.signals import RunStoppedError

EXTRAS: dict[str, str] = {
    **dict.fromkeys(
        ("accelerate", "captum", "jinja2", "matplotlib", "onnx", "scipy", "sklearn", "timm", "torch", "torchvision"),
        "train",
    ),
    "huggingface_hub": "hub",
    **dict.fromkeys(("fastapi", "prometheus_client", "python_multipart", "starlette", "uvicorn"), "web"),
    "pyarrow": "bulk",
    "ray": "ray",
}
"""Module -> the optional part of the package that brings it."""

app = typer.Typer(
    name="lesionlab",
    help="Classify dermoscopic images of skin lesions by transfer learning. Research use, not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data.app, name="data")
app.add_typer(study.app, name="study")
app.command("train")(train.train)
app.command("ensemble")(combine.ensemble)
app.command("mix")(combine.mix)
app.command("calibrate")(calibrate.calibrate)
app.command("evaluate")(evaluate.evaluate)
app.command("compare")(compare.compare)
app.command("shortcuts")(shortcuts.shortcuts)
app.command("stress")(stress.stress)
app.command("subgroups")(subgroups.subgroups)
app.command("faithfulness")(faithfulness.faithfulness)
app.command("leakage")(leakage.leakage)
app.command("doubts")(doubts.doubts)
app.command("report")(report.report)
app.command("predict")(predict.predict)
app.command("explain")(explain.explain)
app.command("serve")(serve.serve)
app.command("export")(export.export)
app.command("models")(info.models)
app.command("doctor")(info.doctor)
app.command("demo")(demo.demo)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"lesionlab {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Classify dermoscopic images of skin lesions by transfer learning. Research use, not a medical device."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    0 fine, 1 our bug, 2 usage, 3 data, 4 model; 130 and 143 when a signal stopped it. A user's mistake is told in
    a line or two on stderr, as `{"error": ..., "hint": ...}` on stdout too where `--json` was asked for.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    accept_any_terminal()
    try:
        app(args=given, prog_name="lesionlab")
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else EXIT_OK if leaving.code is None else EXIT_BUG
    except UserError as error:
        return _refuse(error.message, error.hint, error.exit_code, given)
    except RunStoppedError as stopped:
        note("stopped: the checkpoint is saved; the same command with --resume continues")
        return stopped.exit_code
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        module = (error.name or "").split(".")[0]
        if module not in EXTRAS:
            return _bug(error)
        remedy = f"pip install 'lesionlab[{EXTRAS[module]}]'"
        return _refuse(f"this command needs {module}, which is not installed", remedy, EXIT_USAGE, given)
    except Exception as error:
        return _bug(error)
    return EXIT_OK


def _refuse(message: str, hint: str, code: int, arguments: Sequence[str]) -> int:
    """Tell a user's mistake."""
    note(f"error: {message}")
    if hint:
        note(f"hint: {hint}")
    if "--json" in arguments:
        print_json({"error": message, "hint": hint})
    return code


def _bug(error: Exception) -> int:
    """Tell a fault of ours with the innermost calls, which is what a report needs."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    note(f"error: this is a fault of lesionlab {__version__}: {type(error).__name__}: {error}")
    note("".join(traceback.format_list(frames)).rstrip())
    note("hint: please report it with these lines and the command")
    return EXIT_BUG
