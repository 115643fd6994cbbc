"""Tables as Markdown, for a README or a page of documentation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lesionlab.report.table import Cell, Table


def table_markdown(table: Table) -> str:
    """Return a table as GitHub's Markdown with its caption below; the text of a spanning cell stands once."""
    rules = ("---:" if right else "---" for right in table.flush_right)
    lines = [_line(table.columns), "|" + "|".join(rules) + "|"]
    lines += [_line(_shown(cell) for cell in line) for line in table.grid()]
    return "\n".join(lines) + f"\n\n{table.caption}\n"


def page_markdown(title: str, findings: Sequence[str], tables: Iterable[Table]) -> str:
    """Return a page of the findings and of tables, each under its title."""
    told = [f"# {title}\n", *(f"- {finding}" for finding in findings), *([""] if findings else [])]
    return "\n".join([*told, *(f"## {table.title}\n\n{table_markdown(table)}" for table in tables)])


def _shown(cell: Cell | None) -> str:
    if cell is None:
        return ""
    text = f"{cell.text} {cell.note}" if cell.note else cell.text
    return f"**{text}**" if cell.kind == "outside" else text


def _line(texts: Iterable[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|").replace("\n", " ") for text in texts) + " |"
