"""Text tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from .console import visible


def text_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Formats a table with columns two spaces apart: numbers right-aligned, floats with one decimal, lists
    space-separated, None and [] as '-'."""
    lines_of_cells = [[visible(_cell(value)) for value in row] for row in (header, *rows)]
    widths = [max(len(line[i]) for line in lines_of_cells) for i in range(len(header))]
    is_number = [any(isinstance(row[i], int | float) for row in rows) for i in range(len(header))]
    lines = []
    for line in lines_of_cells:
        joined = (
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, is_number, strict=True)
        )
        lines.append("  ".join(joined).rstrip())
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return f"{value:.1f}" if isinstance(value, float) else str(value)
