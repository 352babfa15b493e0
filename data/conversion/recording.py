"""Recording: joint positions of a motion capture file, in its own units and axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError
from .rotations import Signal

PROBLEMS_PER_FILE = 5  # a file with one fault in every frame says so five times, not ten thousand


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """Joint positions. `points`: lower-case name -> positions [n, 3] float64 in units of the file, in its axes.
    metres_per_unit: None where the format does not state it."""

    points: Mapping[str, Signal]
    fps: float
    metres_per_unit: float | None


def read_lines(path: Path) -> list[str]:
    """Reads the lines of a text file of motion capture software, which is ASCII with comments in any encoding."""
    try:
        return path.read_text(encoding="latin-1").splitlines()
    except OSError as error:
        raise DataError(str(path), [f"cannot be read: {error.strerror}"]) from None


def numbers(words: list[str]) -> list[float] | None:
    """Parses words to finite numbers; None when one is not."""
    try:
        values = [float(word) for word in words]
    except ValueError:
        return None
    # nan and infinity are the only numbers that are not below infinity in size.
    return values if all(abs(value) < float("inf") for value in values) else None
