"""Text tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from .console import visible

GAP = 2  # blanks between columns


def text_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Formats a table with columns two spaces apart: numbers right-aligned, floats with one decimal, lists
    space-separated, None and [] as '-'."""
    lines_of_cells = _cells(header, rows)
    widths = _widths(lines_of_cells)
    is_number = [any(isinstance(row[i], int | float) for row in rows) for i in range(len(header))]
    lines = []
    for line in lines_of_cells:
        joined = (
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, is_number, strict=True)
        )
        lines.append((" " * GAP).join(joined).rstrip())
    return "\n".join(lines)


def fitted_table(
    header: Sequence[str], rows: Sequence[Sequence[object]], ranks: Sequence[int], width: int | None
) -> tuple[str, list[str]]:
    """Formats a table as `text_table`, with the columns that fit in `width` characters (None: all of them). Returns it
    with the names of those left out. `ranks`: importance of each column; those of rank 0 always stay, of the others the
    lower rank goes first, of equals the left one."""
    widths = _widths(_cells(header, rows))
    shown, used = set(), -GAP
    for column in sorted(range(len(header)), key=lambda column: ranks[column]):
        if width is None or ranks[column] == 0 or used + GAP + widths[column] <= width:
            shown.add(column)
            used += GAP + widths[column]
    kept = sorted(shown)
    text = text_table([header[column] for column in kept], [[row[column] for column in kept] for row in rows])
    return text, [name for column, name in enumerate(header) if column not in shown]


def _cells(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[list[str]]:
    return [[visible(_cell(value)) for value in row] for row in (header, *rows)]


def _widths(lines_of_cells: list[list[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*lines_of_cells, strict=True)]


def _cell(value: object) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return f"{value:.1f}" if isinstance(value, float) else str(value)
