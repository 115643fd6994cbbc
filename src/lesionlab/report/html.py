"""Pages of HTML that need nothing else: templates of this folder and of the study, pictures as data in the page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

PHOTOGRAPH_WIDTH = 1400
"""Most pixels of a picture of photographs in the page, of which the file beside it has all."""


@dataclass(frozen=True)
class Picture:
    """A PNG of a report.

    text : what it shows, in words. wide : whether it needs the page's width. photographic : whether it shows
    photographs.
    """

    path: Path
    caption: str
    text: str
    wide: bool = False
    photographic: bool = False


def render(template: str, **names: Any) -> str:
    """Return the page that `template` makes of `names`; what it names must be there. Needs jinja2.

    Templates extend page.html.j2, which shows `title`, and take tables and pictures from macros.html.j2.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader("lesionlab", folder) for folder in ("report", "study")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data_uri"] = data_uri
    return environment.get_template(template).render(**names)


def data_uri(picture: Picture) -> str:
    """Return a picture as a WebP data URI: charts to the pixel, photographs at a twentieth of their size."""
    content = io.BytesIO()
    with Image.open(picture.path) as opened:
        pixels = opened.convert("RGB")
    if picture.photographic:
        pixels.thumbnail((PHOTOGRAPH_WIDTH, pixels.height))
    pixels.save(content, "WEBP", lossless=not picture.photographic, quality=80)
    return "data:image/webp;base64," + base64.b64encode(content.getvalue()).decode("ascii")
