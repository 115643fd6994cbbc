"""Texts that may be passed on."""

from __future__ import annotations

import pytest

from lesionlab.report.passing import without_paths


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("/home/me/ham10000/x.jpg: cannot be read", "x.jpg: cannot be read"),
        ("lesionlab train --data /data --out=/tmp/a/b/", "lesionlab train --data data --out=b"),
        ("no such file: '/srv/in put'", "no such file: 'in put'"),
        ("(/a/b.csv, /c/d.csv)", "(b.csv, d.csv)"),
        ("melanoma/nevus, mel / nv, 3/4, paper/rows/xception", "melanoma/nevus, mel / nv, 3/4, paper/rows/xception"),
        ("https://example.org/a/b and ~/x and ./y", "https://example.org/a/b and ~/x and ./y"),
    ],
)
def test_absolute_paths_are_cut_to_their_last_name(text: str, wanted: str) -> None:
    assert without_paths({"key": [text, 1, None]}) == {"key": [wanted, 1, None]}
