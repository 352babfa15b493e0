"""Numbers of frames, as files give them: whole numbers, or digits in names of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...errors import DataError
from ..frame_names import frame_numbers
from .numbers import odd

NUMBERS = ("frame", "frame_id", "frame_number", "frame_idx", "frame_index", "frame_no", "image_id", "image_name")


def number_in(entry: Any) -> Any:
    """Returns the number or name of the frame that an entry gives; None without."""
    return (
        next((entry[key] for key in NUMBERS if entry.get(key) is not None), None) if isinstance(entry, dict) else None
    )


def numbered(path: Path, frames: Sequence[Any]) -> list[int] | None:
    """Returns the number of each frame of a list that is not null; None where the frames give none. DataError where
    some do, or where their names are those of no video."""
    given = [number_in(frame) for frame in frames if frame is not None]
    if all(value is None for value in given):
        return None
    numbers, problems = frames_of(given, "frame")
    if problems:
        raise DataError(str(path), problems)
    return [number for number in numbers if number is not None]


def frames_of(given: Sequence[Any], what: str) -> tuple[list[int | None], list[str]]:
    """Returns the frame number that each value gives, and problems: whole numbers as they are, names by the digits that
    vary. what: of the entries, for messages."""
    names = {value for value in given if isinstance(value, str)}
    known = frame_numbers(_ordered(given)) if names else {}
    problems = [known] if isinstance(known, str) else []
    numbers: list[int | None] = []
    for place, value in enumerate(given):
        if isinstance(value, str) and not isinstance(known, str):
            numbers.append(known[value])
        elif (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and 0 <= value < 2**63
            and value == int(value)
        ):
            numbers.append(int(value))
            if names and not problems:
                problems.append(f"{what} {place}: frame {odd(value)} is a number, others have names; give all one kind")
        else:
            numbers.append(None)
            if not isinstance(value, str):
                problems.append(f"{what} {place}: frame {odd(value)} is no frame number; give `frame` or `image_id`")
    return numbers, problems


def _ordered(given: Sequence[Any]) -> list[str]:
    """Returns the names, each once, as they come."""
    return list(dict.fromkeys(value for value in given if isinstance(value, str)))
