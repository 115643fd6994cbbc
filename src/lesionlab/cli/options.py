"""Options that several commands share, so that one thing has one name and one help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def shipped_model() -> Path:
    """Return the model that comes with the package; imported here, so that `--help` stays quick."""
    from lesionlab.models import shipped

    return shipped.shipped_model()


Source = Annotated[
    Path, typer.Argument(metavar="SOURCE", help="Folder with the images and what tells their diagnosis.")
]
Data = Annotated[Path, typer.Option("--data", metavar="SOURCE", help="Folder with the images and their diagnoses.")]
Kind = Annotated[
    str | None,
    typer.Option("--source", metavar="KIND", help="Kind: ham10000, isic, isic2017, folder, table, synthetic."),
]
Model = Annotated[
    Path,
    typer.Option(
        "--model",
        metavar="MODEL",
        default_factory=shipped_model,
        show_default=False,
        help="Run folder, model folder or .lesion file [default: the model that comes with lesionlab].",
    ),
]
Images = Annotated[
    list[str], typer.Argument(metavar="PATH...", help="Images, folders, patterns, or - for a list on standard input.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Part = Annotated[
    str, typer.Option("--split", metavar="test|val|train|kept_out|all", help="Which part of the model's split.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")]
Cache = Annotated[
    Path | None, typer.Option("--cache", metavar="DIR", help="Folder for packed pixels [default: $LESIONLAB_CACHE].")
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave out images that are missing or unreadable.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting; may be repeated.")
]
SplitFile = Annotated[
    Path | None, typer.Option("--split-file", metavar="FILE", help="The split, for a model without run folder.")
]
Masks = Annotated[
    Path | None, typer.Option("--masks", metavar="DIR", help="Lesion masks, ID_segmentation.png [default: SOURCE].")
]
Weights = Annotated[str, typer.Option("--weights", metavar="imagenet|none|FILE", help="What the network starts from.")]
Resamples = Annotated[int, typer.Option("--resamples", min=0, help="Bootstrap resamples of the lesions.")]
Views = Annotated[int | None, typer.Option("--views", metavar="1|2|4|8", help="Flipped and turned views to average.")]
Duplicates = Annotated[
    Path | None,
    typer.Option(
        "--duplicates", metavar="CHECK.json", help="What `data check --out` wrote: keeps duplicates together."
    ),
]
