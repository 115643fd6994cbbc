"""`lesionlab data ...`: getting images, looking them over, splitting them, packing them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from lesionlab.cli import options
from lesionlab.cli.screen import Screen, note, print_json, print_table, say
from lesionlab.cli.tables import leak_rows, part_counts
from lesionlab.diagnoses import CODES
from lesionlab.errors import UsageError
from lesionlab.files import write_json

app = typer.Typer(help="Get, check, split and look at images.", no_args_is_help=True, rich_markup_mode=None)

LISTED = 20
"""Problems that `check` prints one by one; the rest stand in its file."""

OutFile = Annotated[Path, typer.Option("--out", metavar="FILE", help="Where to write.")]


@app.command()
def check(
    source: options.Source,
    kind: options.Kind = None,
    near: Annotated[bool, typer.Option(help="Also look for turned, flipped, re-encoded and cropped copies.")] = True,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the findings as JSON too.")] = None,
    json: options.Json = False,
) -> None:
    """Look over every image and row: unreadable, missing, duplicate, contradicting.

    Example: lesionlab data check ham10000 --out check.json
    """
    from lesionlab.data.audit import audit
    from lesionlab.data.sources import load_source

    with Screen() as screen:
        found = audit(load_source(source, kind), near=near, progress=screen.counted)
    if out:
        write_json(out, found.to_json())
    if json:
        print_json(found.to_json())
    else:
        print_table(("found", "count", "in words"), found.rows())
        for problem in found.problems[:LISTED]:
            say(f"{problem.kind}: {problem.image_id}: {problem.detail}")
        if len(found.problems) > LISTED:
            say(f"... and {len(found.problems) - LISTED} more problems (all of them: --out FILE or --json)")
        if out:
            say(f"written to {out}")


@app.command()
def split(
    source: options.Source,
    protocol: Annotated[Literal["paper", "grouped", "kfold", "external"], typer.Option(help="How to split.")],
    out: OutFile,
    kind: options.Kind = None,
    seed: options.Seed = 0,
    folds: Annotated[int, typer.Option("--folds", help="Number of folds of kfold.")] = 5,
    test_source: Annotated[
        str | None, typer.Option("--test-source", metavar="NAME", help="For external: whose images test.")
    ] = None,
    also: Annotated[
        list[Path] | None,
        typer.Option("--also", metavar="SOURCE", help="A further source, as `train --also` takes; may be repeated."),
    ] = None,
    duplicates: options.Duplicates = None,
    json: options.Json = False,
) -> None:
    """Divide images into training, validation and test parts, and write the split with its fingerprint.

    Example: lesionlab data split ham10000 --protocol grouped --out split.csv
    """
    from lesionlab.data import splits
    from lesionlab.data.audit import read_clusters
    from lesionlab.data.cases import informative, labelled
    from lesionlab.data.sources import load_source

    if (protocol == "external") != (test_source is not None):
        raise UsageError("--protocol external and --test-source NAME go together", "give both or neither")
    cases = labelled(load_source(source, kind).cases, str(source))
    clusters = read_clusters(duplicates) if duplicates else ()
    made = {
        "paper": lambda: splits.paper(cases, seed),
        "grouped": lambda: splits.grouped(cases, seed, clusters),
        "kfold": lambda: splits.kfold(cases, folds, seed, clusters),
        "external": lambda: splits.external(cases, test_source or "", seed, clusters),
    }[protocol]()
    further = [informative(load_source(folder).cases, str(folder)) for folder in also or ()]
    made = splits.joined(made, further)
    splits.write_split(out, made)
    counts = part_counts([case for each in (cases, *further) for case in each], made)
    leak = splits.siblings_across(cases, made) if protocol == "paper" else {}
    if json:
        print_json({"split": str(out), "fingerprint": made.fingerprint, "parts": counts, "leak": leak})
        return
    print_table(("part", "images", "lesions", *CODES), [(part, *row.values()) for part, row in counts.items()])
    if leak:
        print_table(("dx", "validation images", "lesion also in train", "share"), leak_rows(leak))
    say(f"split {made.fingerprint} written to {out}")


@app.command()
def download(
    dataset: Annotated[str, typer.Argument(metavar="ham10000|isic2018-test", help="What to fetch.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to fetch it into.")],
    mirror: Annotated[
        str | None, typer.Option("--mirror", metavar="URL", help="Address that takes the place of Dataverse's.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Fetch a public data set, check it, unpack it, and write its licence beside it. A second call continues.

    Example: lesionlab data download ham10000 ham10000
    """
    from lesionlab.data import download as fetching

    with Screen() as screen:
        folder = fetching.download(dataset, out, base_url=mirror, progress=screen.transferred, announce=note)
    if json:
        print_json({"folder": str(folder)})
    else:
        say(f"written to {folder}")


@app.command()
def synth(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to make; one made before is replaced.")],
    lesions: Annotated[int, typer.Option("--lesions", help="How many lesions to draw.")] = 210,
    seed: options.Seed = 0,
    width: Annotated[
        int, typer.Option("--width", help="Width of the images in pixels; the height is 3/4 of it.")
    ] = 300,
    json: options.Json = False,
) -> None:
    """Draw dermoscopy-like images of all seven diagnoses, for tests and for trying things out.

    Example: lesionlab data synth drawn --lesions 210
    """
    from lesionlab.data.sources import load_source, synthetic

    with Screen() as screen:
        size = (width, round(width * 3 / 4))
        folder = synthetic.generate(out, lesions, seed, size, progress=screen.counter("drawing lesions"))
    images = len(load_source(folder).cases)
    if json:
        print_json({"folder": str(folder), "lesions": lesions, "images": images})
    else:
        say(f"{images:,} images of {lesions:,} drawn lesions written to {folder}")


@app.command("augment-preview")
def augment_preview(
    source: options.Source,
    out: Annotated[Path, typer.Option("--out", metavar="PNG", help="Picture to write.")],
    image: Annotated[
        str | None, typer.Option("--image", metavar="ID", help="Which image [default: the first].")
    ] = None,
    augmentation: Annotated[
        str, typer.Option("--augmentation", metavar="none|paper|mild|strong|travel", help="How to augment.")
    ] = "paper",
    count: Annotated[int, typer.Option("--count", help="How many versions to draw.")] = 12,
    colour_jitter: Annotated[
        float, typer.Option("--colour-jitter", min=0, max=1, help="Jitter of each colour channel on top.")
    ] = 0.0,
    kind: options.Kind = None,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Draw one image augmented many ways, as training would see it.

    Example: lesionlab data augment-preview ham10000 --out preview.png --augmentation strong
    """
    from lesionlab.data.sources import load_source
    from lesionlab.report import augment_preview as preview

    cases = load_source(source, kind).cases
    case = preview.augment_preview(cases, out, image, augmentation, count, seed=seed, colour_jitter=colour_jitter)
    if json:
        print_json({"picture": str(out), "image_id": case.image_id})
    else:
        say(f"{case.image_id} written to {out}")


@app.command()
def pack(
    source: options.Source,
    size: Annotated[int, typer.Option("--size", min=32, max=1024, help="Side of the packed images in pixels.")] = 224,
    kind: options.Kind = None,
    cache: options.Cache = None,
    skip_bad: options.SkipBad = False,
    json: options.Json = False,
) -> None:
    """Decode all labelled images once into one file, which training at this size then finds.

    Example: lesionlab data pack ham10000 --size 224
    """
    from lesionlab.data import packs
    from lesionlab.data.cases import labelled
    from lesionlab.data.sources import load_source

    cases = labelled(load_source(source, kind).cases, str(source))
    with Screen() as screen:
        made = packs.pack(cases, size, cache, skip_bad, screen.counter("packing images"))
    folder = (cache or packs.default_cache()) / "packs"
    if json:
        print_json({"images": len(made.cases), "fingerprint": made.fingerprint, "cache": str(folder)})
    else:
        say(f"{len(made.cases):,} images packed as {made.fingerprint} in {folder}")
