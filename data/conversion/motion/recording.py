"""Recording: joint positions of a motion capture file, in its own units and axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...errors import DataError
from .rotations import Signal

PROBLEMS_PER_FILE = 5  # a file with one fault in every frame says so five times, not ten thousand
MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}  # byte order marks


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """Joint positions. `points`: lower-case name -> positions [n, 3] float64 in units of the file, in its axes.
    metres_per_unit: None where the format does not state it. parents: name -> parent ('' for the root), rest: name ->
    position [3] in the rest pose, turns: name -> world rotation [n, 3, 3], each empty where the format has none.
    notes: harmless faults of the file."""

    points: Mapping[str, Signal]
    fps: float
    metres_per_unit: float | None
    parents: Mapping[str, str] = field(default_factory=dict)
    rest: Mapping[str, Signal] = field(default_factory=dict)
    turns: Mapping[str, Signal] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_lines(path: Path) -> list[str]:
    """Reads the lines of a text file of motion capture software, which is ASCII with comments in any encoding; a byte
    order mark names another."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(str(path), [f"cannot be read: {error.strerror}"]) from None
    encoding = next((name for mark, name in MARKS.items() if content.startswith(mark)), "latin-1")
    return content.decode(encoding, errors="replace").splitlines()


def numbers(words: list[str]) -> list[float] | None:
    """Parses words to finite numbers; None when one is not."""
    try:
        values = [float(word) for word in words]
    except ValueError:
        return None
    # nan and infinity are the only numbers that are not below infinity in size.
    return values if all(abs(value) < float("inf") for value in values) else None


def number_table(lines: list[str], width: int) -> Signal | None:
    """Parses lines of numbers to a table [n, width] at once; None where a line has another count or no finite
    number."""
    try:
        table = np.loadtxt(lines, dtype=np.float64, comments=None, ndmin=2)
    except ValueError:
        return None
    return table if table.shape[1] == width and np.isfinite(table).all() else None


def mixed(points: Mapping[str, Signal], parts: Mapping[str, float], step: int = 1) -> Signal:
    """Returns the weighted sum of points, every `step`-th frame of them."""
    return np.asarray(sum(share * points[name][::step] for name, share in parts.items()), np.float64)
