"""Tables as Markdown."""

from __future__ import annotations

from dataclasses import replace

from small_study import TABLE

from lesionlab.report.markdown import page_markdown, table_markdown


def test_a_table() -> None:
    assert table_markdown(TABLE).splitlines() == [
        "| model | paper | ours | difference |",
        "|---|---:|---:|---:|",
        "| A \\| B | 0.87 | not run: no <weights> |  |",
        "|  | 0.75 |  |  |",
        "| C | 0.80 | 0.823 [0.800, 0.840] | **+0.023** |",
        "",
        "A caption.",
    ]


def test_a_page() -> None:
    page = page_markdown("Study", ["This was found."], [TABLE, replace(TABLE, title="Other")])
    assert page.startswith("# Study\n\n- This was found.\n\n## Small\n\n|")
    assert [line for line in page.splitlines() if line.startswith("#")] == ["# Study", "## Small", "## Other"]
