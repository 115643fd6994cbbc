"""What a reader must know of the images that a model was asked about."""

from __future__ import annotations

from collections.abc import Sequence

from lesionlab.cli.screen import note, say


def note_images(left_out: Sequence[str], trained_on: int | None) -> None:
    """Say which images could not be read, and warn of those that the model was trained on."""
    if left_out:
        note(f"left out: {len(left_out)} unreadable images: {', '.join(left_out[:5])}")
    if trained_on:
        note(f"warning: the model was trained on {trained_on:,} of these images; the figures are too good")


def say_looks(part: str, looks: int | None) -> None:
    """Say how often test images have been looked at, where the part holds any."""
    if looks and part in ("test", "all"):
        say(f"looks at the test images so far: {looks}")
