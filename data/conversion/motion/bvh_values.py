"""Parser of the MOTION section of Biovision files: frame rate, and the values of all channels in every frame."""

from __future__ import annotations

import re
from pathlib import Path

from ...errors import DataError
from .recording import PROBLEMS_PER_FILE, number_table, numbers
from .rotations import Signal

HEADS = {"frames": re.compile(r"\s*frames\s*:(.*)", re.I), "time": re.compile(r"\s*frame\s*time\s*:(.*)", re.I)}

# Of a frame: no camera is faster, and where one is slower the number means milliseconds, or frames a second.
SHORTEST_S, LONGEST_S = 0.0001, 1.0


def read_values(path: Path, lines: list[str], start: int, width: int) -> tuple[Signal, float, tuple[str, ...]]:
    """Parses lines from `start` to values [n, width], the frames per second, and notes on harmless faults. DataError
    lists the first faults."""
    heads: dict[str, list[float] | None] = {}
    while start < len(lines) and (head := _head(lines[start])) is not None:
        if head[0]:
            heads[head[0]] = numbers(head[1].split())
        start += 1
    rows = [(number, line) for number, line in enumerate(lines[start:], start=start + 1) if _is_row(line)]
    if len(heads.get("frames") or ()) == 1:
        rows = _joined(rows, width, int((heads["frames"] or [0])[0]))
    values = number_table([line for _, line in rows], width) if rows else None
    problems = _row_problems(rows, width) if values is None else []
    if len(problems) >= PROBLEMS_PER_FILE:
        raise DataError(str(path), problems)
    seconds, announced = heads.get("time"), heads.get("frames")
    if not seconds or seconds[0] <= 0:
        problems.append("MOTION has no 'Frame Time:' with seconds above 0")
    elif not SHORTEST_S <= seconds[0] <= LONGEST_S:
        told = f"'Frame Time:' is {seconds[0]:g}; expected the seconds from frame to frame"
        problems.append(f"{told}, {SHORTEST_S:g} to {LONGEST_S:g}: put the right ones there, 0.0083333 for 120 Hz")
    notes: list[str] = []
    if not rows:
        problems.append("MOTION has no frames")
    elif announced is None or len(announced) != 1:
        problems.append(f"MOTION has no 'Frames:' with a number; it has {len(rows)} frames")
    elif announced[0] > len(rows):
        problems.append(
            f"MOTION announces {announced[0]:g} frames and has {len(rows)}; the file is cut off, get it again"
        )
    elif announced[0] < len(rows):
        notes.append(f"MOTION announces {announced[0]:g} frames and has {len(rows)}; all of them are taken")
    if problems or not seconds or values is None:
        raise DataError(str(path), problems)
    # Frame times are written with few digits: .0083333 is 120 Hz.
    return values, round(1 / seconds[0], 2), tuple(notes)


def _head(line: str) -> tuple[str, str] | None:
    """Returns which of HEADS a line is ('' for an empty line) and the text behind the colon; None for a frame."""
    for name, pattern in HEADS.items():
        if found := pattern.fullmatch(line):
            return name, found.group(1)
    return None if line.strip() else ("", "")


def _is_row(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _joined(rows: list[tuple[int, str]], width: int, announced: int) -> list[tuple[int, str]]:
    """Returns one row a frame where a writer has broken long lines; other rows unchanged."""
    if not rows or len(rows) <= announced:
        return rows
    words = " ".join(line for _, line in rows).split()
    if len(words) != announced * width:
        return rows
    return [(rows[0][0], " ".join(words[at : at + width])) for at in range(0, len(words), width)]


def _row_problems(rows: list[tuple[int, str]], width: int) -> list[str]:
    """Returns the first faults of the frames."""
    problems: list[str] = []
    for frame, (number, line) in enumerate(rows, start=1):
        words = line.split()
        values = numbers(words)
        if values is None or len(values) != width:
            found = f"{len(words)} values" if values is not None else "a value that is no finite number"
            place = f"line {number}, frame {frame}"
            problems.append(f"{place}: has {found}, the hierarchy has {width} channels; drop or repair the file")
        if len(problems) >= PROBLEMS_PER_FILE:
            break
    return problems
