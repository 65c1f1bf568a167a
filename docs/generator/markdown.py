"""Markdown as the reference writes it: tables, code, and text that must not be read as markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown in one line."""
    lines = [list(head), ["---"] * len(head), *map(list, rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def code(text: str) -> str:
    """Text in the type of code."""
    return f"`{text}`"


def one_line(text: str) -> str:
    """A docstring or message as one line."""
    return " ".join(text.split())
