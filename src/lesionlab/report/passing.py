"""What may be passed on: texts that do not tell where things lie on the machine they were made on."""

from __future__ import annotations

import re
from typing import Any

ABSOLUTE = re.compile(r"(?<![\w.~/])/(?:[^\s/'\"`<>|:,;()\[\]]+/)*([^\s/'\"`<>|:,;()\[\]]+)/?")
"""A path from the root; what is between two words (mel/nv) or of an address (https://...) is none."""


def without_paths(value: Any) -> Any:
    """Return JSON content in which every absolute path is cut down to its last name."""
    if isinstance(value, str):
        return ABSOLUTE.sub(r"\1", value)
    if isinstance(value, list):
        return [without_paths(item) for item in value]
    if isinstance(value, dict):
        return {key: without_paths(item) for key, item in value.items()}
    return value
