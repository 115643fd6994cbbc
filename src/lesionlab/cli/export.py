"""`lesionlab export`: a trained model made ready for others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lesionlab.cli import options
from lesionlab.cli.screen import Screen, note, print_json, say
from lesionlab.errors import UsageError

if TYPE_CHECKING:
    from lesionlab.training.exporting import Exported


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, or folder of a combined model.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR|FILE.lesion", help="Folder or single file to write.")],
    data: Annotated[
        Path | None, typer.Option("--data", metavar="SOURCE", help="Compare on real images: those it was trained with.")
    ] = None,
    half: Annotated[bool, typer.Option("--half", help="Weights in 16 bits: half the size, as quick.")] = False,
    int8: Annotated[bool, typer.Option("--int8", help="Nearly all in 8 bits: a quarter of the size, quicker.")] = False,
    source: options.Kind = None,
    split_file: options.SplitFile = None,
    cache: options.Cache = None,
    skip_bad: options.SkipBad = False,
    push: Annotated[
        str | None, typer.Option("--push", metavar="ORG/NAME", help="Upload it to this repository of huggingface.co.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Write a model for others, with a model card, once it agrees with torch on 200 images.

    A model of less precision must keep its balanced accuracy on validation images (at most 0.003 less).
    Example: lesionlab export runs/first --out first.lesion --data ham10000
    """
    from lesionlab.report.parts import Images
    from lesionlab.training.exporting import export_model

    if half and int8:
        raise UsageError("--half and --int8 exclude each other", "choose one")
    precision = "fp16" if half else "int8" if int8 else "fp32"
    with Screen() as screen:
        images = Images(data, source, cache, skip_bad, screen.counted) if data else None
        found = export_model(run, out, precision, images, split_file, screen.counted)
    address = _push(found, push) if push else None
    if json:
        print_json(
            {
                "model": str(out),
                "bytes": found.size,
                "precision": precision,
                "compared_images": found.images,
                "difference": found.difference,
                "balanced_accuracy": found.accuracy and dict(zip(("fp32", precision), found.accuracy, strict=True)),
                "address": address,
            }
        )
        return
    if found.accuracy:
        say(f"balanced accuracy on validation: {found.accuracy[0]:.4f} in fp32, {found.accuracy[1]:.4f} in {precision}")
        say(f"largest difference on {found.images} images: {found.difference:.1e} of the logits")
    else:
        say(f"agrees with torch on {found.images} images: largest difference {found.difference:.1e} of the logits")
    say(f"written to {out} ({found.size / 1e6:.1f} MB)")
    if address:
        say(f"others use it with --model {address}")


def _push(found: Exported, repository: str) -> str:
    """Upload what was written, after saying what, and return its address."""
    from lesionlab.models.hub import upload
    from lesionlab.models.writing import files_of

    contents = files_of(found.model)
    note(f"uploading to huggingface.co/{repository} (private unless it is there already):")
    for name, content in contents.items():
        note(f"  {name} ({len(content):,} bytes)")
    return upload(contents, repository)
