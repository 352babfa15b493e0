"""Reader of the text files that Ultralytics' `save_txt` writes: one a frame, one line a person."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..layouts import LAYOUTS
from .detected import Detected, Person, detected
from .frames import IS_SHARE
from .numbers import Points, id_text

HEAD = 5  # class, and middle, width and height of the box
COUNTS = (17, *sorted({count for counts in LAYOUTS.values() for count in counts} - {17}))


def read_files(path: Path, files: Mapping[int, Path]) -> Detected:
    """Reads the files of frames by number. Nobody was found in a frame that has none. DataError with all problems."""
    lines: list[tuple[int, Points]] = []
    problems: list[str] = []
    for number, file in sorted(files.items()):
        try:
            text = file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{file.name}: cannot be read ({error})")
            continue
        for place, line in enumerate(text.splitlines(), 1):
            if not line.strip():
                continue
            try:
                lines.append((number, np.array([float(word) for word in line.split()])))
            except ValueError:
                problems.append(f"{file.name}, line {place}: is no line of numbers")
    people, faults = _people(lines)
    return detected(path, people, facts={IS_SHARE: True, "usual": "coco"}, problems=problems + faults)


def _people(lines: list[tuple[int, Points]]) -> tuple[list[Person], list[str]]:
    """Returns the people of lines, and problems. Behind the joints stand the confidence of the box and the track id,
    both, one of them or none."""
    widths = {len(numbers) for _, numbers in lines}
    fitting = [(count, columns) for count in COUNTS for columns in (3, 2)
               if all(0 <= width - HEAD - columns * count <= 2 for width in widths)]  # fmt: skip
    if lines and not fitting:
        told = ", ".join(map(str, sorted(widths)))
        wanted = "class, box, and x, y or x, y, confidence of each joint, 56 for COCO, and at most two more"
        return [], [f"lines have {told} numbers; expected {wanted}"]
    people = []
    count, columns = fitting[0] if fitting else (0, 0)
    end = HEAD + columns * count
    # A lone number behind is an id where all are whole, for a confidence is below 1.
    lone = [numbers[end] for _, numbers in lines if len(numbers) == end + 1]
    is_id = bool(lone) and all(number.is_integer() for number in lone)
    for number, numbers in lines:
        behind = numbers[end:]
        score = 0.0 if not len(behind) or (is_id and len(behind) == 1) else float(behind[0])
        own = behind[-1] if len(behind) == 2 or (is_id and len(behind) == 1) else None
        rows = numbers[HEAD:end].reshape(count, columns)
        people.append(Person(number, rows, None if own is None else id_text(float(own)), score))
    return people, []
