"""Where figures come from, in words for captions: protocol, part, images, split, epochs, seed and budget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from lesionlab.study.results import Results, Row

PARTS: dict[str, str] = {"val": "validation images", "test": "test images"}


def study_caption(of: Results, designs: Sequence[Row] = (), protocols: Sequence[str] = ()) -> str:
    """Return the caption of what shows several rows: what they share, and what single ones differ in.

    `designs` are the rows that are shown, none for what tells of the whole study; `protocols` those that are shown,
    none for all.
    """
    ids, trained = {row["id"] for row in designs}, _parts(of, designs)
    shown = {name: [row for row in of.rows(name) if row["id"] in ids] for name in protocols or of.protocols}
    told = [
        *(_protocol(of, protocol, rows) for protocol, rows in shown.items()),
        _seeds(trained or of.designs()),
        *(_fitted(protocol, rows) for protocol, rows in shown.items()),
        _budget(of, of.state["note"]),
        _other_epochs(of, trained),
    ]
    return " ".join(sentence for sentence in told if sentence)


def row_caption(of: Results, protocol: str, row: Row, images: bool = True) -> str:
    """Return the caption of what shows one row: its own images, epochs and size.

    `images` False leaves out how many images judge it, for what shows something else of it.
    """
    about, recipe = of.state["protocols"][protocol], row["recipe"]
    made = how_trained(recipe)
    told = f"Protocol {protocol}"
    if images and row["figures"]:
        told += f": {row['figures']['images']:,} {PARTS.get(about['part'], about['part'])}{_narrowed(recipe)}"
    trained = _parts(of, [row])
    epochs = "" if made else _other_epochs(of, trained)
    sentences = (f"{told}, split {about['split']}.", _seeds(trained), _budget(of, made or of.state["note"]), epochs)
    return " ".join(sentence for sentence in sentences if sentence)


def _parts(of: Results, designs: Sequence[Row]) -> list[Row]:
    """Return the rows themselves and those they are made of."""
    parts = {name for row in designs for name in made_of(row)}
    return [row for row in of.designs() if row["id"] in parts]


def _budget(of: Results, note: str) -> str:
    note = note.rstrip(".")
    return f"Budget {of.state['budget']}{f' ({note})' if note else ''}."


def how_trained(recipe: Mapping[str, Any]) -> str:
    """Return "xception, 4 epochs at 128 to 160 px" of the recipe of a trained row, "" of a combined one's."""
    if "epochs" not in recipe:
        return ""
    sizes = sorted({recipe["size"], *recipe.get("train_sizes", ())})
    told = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    return f"{recipe['architecture']}, {_epochs(recipe['epochs'])} at {told} px"


def made_of(row: Row) -> tuple[str, ...]:
    """Return the ids of a row and of those it is made of."""
    recipe = row["recipe"]
    parts = (*recipe.get("members", ()), *recipe.get("specialists", ()))
    return (row["id"], *([recipe["base"]] if "base" in recipe else []), *parts)


def _protocol(of: Results, protocol: str, shown: Sequence[Row]) -> str:
    """Return in words which images judge, and which of the rows shown are judged by fewer of them."""
    about = of.state["protocols"][protocol]
    whole = about["images"].get(about["part"])
    fewer = [
        f"{row['label']}: {row['figures']['images']:,}" for row in shown if row["figures"] and _narrowed(row["recipe"])
    ]
    count = "" if whole is None else f"{whole:,} "
    but = f" ({'; '.join(fewer)})" if fewer else ""
    return f"Protocol {protocol}: {count}{PARTS.get(about['part'], about['part'])}{but}, split {about['split']}."


def _fitted(protocol: str, shown: Sequence[Row]) -> str:
    """Return in words which of the rows shown are judged by the very images they were fitted on."""
    fitted = ", ".join(row["label"] for row in shown if row.get("fitted"))
    if not fitted:
        return ""
    return (
        f"Fitted on the images that judge under protocol {protocol}: {fitted}; there they answer by cross-fitting, "
        "each lesion by what was fitted on others."
    )


def _narrowed(recipe: dict[str, Any]) -> str:
    """Return to which images a row's recipe keeps, in words; "" where it takes all."""
    if recipe.get("classes"):
        return f" of {' and '.join(recipe['classes'])}"
    return f" of {recipe['site']}" if recipe.get("site") else ""


def _seeds(rows: Sequence[Row]) -> str:
    seeds = sorted({row["recipe"]["seed"] for row in rows if "seed" in row["recipe"]})
    return f"Seed {', '.join(map(str, seeds))}." if seeds else ""


def _other_epochs(of: Results, shown: Sequence[Row]) -> str:
    """Return which of the rows shown were trained for another number of epochs than most rows of the study."""
    epochs = Counter(row["recipe"]["epochs"] for row in of.designs("row") if "epochs" in row["recipe"])
    usual = epochs.most_common(1)[0][0] if epochs else None
    others = [(row["label"], row["recipe"].get("epochs", usual)) for row in shown]
    told = [f"{label}: {_epochs(count)}" for label, count in others if count != usual]
    return f"Other numbers of epochs: {'; '.join(told)}." if told else ""


def _epochs(count: int) -> str:
    return "1 epoch" if count == 1 else f"{count} epochs"
