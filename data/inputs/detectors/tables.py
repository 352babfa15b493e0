"""Reader of landmarks in CSV, as scripts around MediaPipe write them: a row a frame, or a row a landmark."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from .detected import Detected, Person, detected
from .frame_numbers import NUMBERS, frames_of
from .frames import IS_SHARE, ONLY, OWN_JOINTS
from .numbers import Points, odd

AXES = {
    **{"x": "x", "y": "y", "z": "z", "v": "score", "vis": "score", "visibility": "score", "score": "score"},
    **{"conf": "score", "confidence": "score", "p": "score", "presence": "", "likelihood": "score"},
}
NAMED = ("landmark", "landmark_id", "landmark_index", "landmark_name", "joint", "keypoint", "name", "index", "id")
FRAMES = (*NUMBERS, "framenumber", "frameid", "image", "time_frame")
NOTHING = ("", "nan", "none", "null", "na", "n/a", "-", "inf", "-inf")  # cells of what was not found
WANTED = "expected a column `frame` and x1, y1, z1, v1, ... or nose_x, nose_y, nose_z, nose_visibility, ..."


def read_table(path: Path, text: str) -> Detected:
    """Reads a table with a head. DataError with all problems.

    Columns that are no landmark and no frame are left out; a frame that has no row, or an empty one, has nobody."""
    lines = text.splitlines()
    delimiter = max(",;\t", key=lines[0].count) if lines else ","
    try:
        table = [row for row in csv.reader(lines, delimiter=delimiter) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise DataError(str(path), [f"is no table ({error})"]) from None
    head = [cell.strip().lower() for cell in table[0]] if table else []
    frame = next((head.index(name) for name in FRAMES if name in head), None)
    rows = table[1:]
    short = [at for at, row in enumerate(rows, 2) if len(row) != len(head)]
    if short:
        raise DataError(
            str(path),
            [f"{len(short)} lines have not the {len(head)} columns of the head, the first one line {short[0]}"],
        )
    given = [_cell(row[frame]) for row in rows] if frame is not None else list(range(len(rows)))
    numbers, problems = frames_of(given, "row")
    if problems:
        raise DataError(str(path), problems)
    known = [number or 0 for number in numbers]
    is_long = {"x", "y"} <= set(head) and any(name in head for name in NAMED) and frame is not None
    return (_long if is_long else _wide)(path, head, rows, known, frame is not None)


def _wide(
    path: Path, head: Sequence[str], rows: Sequence[Sequence[str]], numbers: list[int], is_numbered: bool
) -> Detected:
    joints: dict[str, dict[str, int]] = {}
    for at, column in enumerate(head):
        if (found := _column(column)) is not None:
            joints.setdefault(found[0], {})[found[1]] = at
    joints = {name: axes for name, axes in joints.items() if {"x", "y"} <= axes.keys()}
    if not joints:
        raise DataError(str(path), [f"has no columns of landmarks among {', '.join(head[:8]) or 'none'}; {WANTED}"])
    has_score = all("score" in axes for axes in joints.values())
    keys = ("x", "y", "score") if has_score else ("x", "y")
    columns = [[axes[key] for key in keys] for axes in joints.values()]
    people, words = [], _Words()
    for line, (number, row) in enumerate(zip(numbers, rows, strict=True), 2):
        values = np.array([[_number(row[at]) for at in axes] for axes in columns])
        if np.isnan(values).any():
            words.look(line, [row[at] for axes in columns for at in axes])
        if not np.isnan(values[:, :2]).all():
            people.append(Person(number, values, ONLY))
    words.refuse(path)
    if len(set(numbers)) < len(numbers):
        raise DataError(str(path), ["lists a frame twice; give one row a frame, or one row a landmark"])
    return _detected(path, people, tuple(joints), numbers, is_numbered)


def _long(
    path: Path, head: Sequence[str], rows: Sequence[Sequence[str]], numbers: list[int], is_numbered: bool
) -> Detected:
    name = next(head.index(name) for name in NAMED if name in head)
    score = next((at for at, column in enumerate(head) if AXES.get(column) == "score"), None)
    columns = [head.index("x"), head.index("y"), *(() if score is None else (score,))]
    joints = list(dict.fromkeys(row[name].strip() for row in rows))
    if all(joint.isdigit() for joint in joints):
        joints.sort(key=int)
    found: dict[int, Points] = {}
    filled: set[tuple[int, str]] = set()
    words = _Words()
    for line, (number, row) in enumerate(zip(numbers, rows, strict=True), 2):
        joint = row[name].strip()
        if (number, joint) in filled:
            raise DataError(str(path), [f"lists landmark {odd(joint)} of frame {number} twice; give one person"])
        filled.add((number, joint))
        pose = found.setdefault(number, np.full((len(joints), len(columns)), math.nan))
        pose[joints.index(joint)] = [_number(row[at]) for at in columns]
        words.look(line, [row[at] for at in columns])
    words.refuse(path)
    people = [Person(number, pose, ONLY) for number, pose in found.items() if not np.isnan(pose[:, :2]).all()]
    return _detected(path, people, tuple(joints), sorted(found), is_numbered)


class _Words:
    """Cells of coordinates and scores that are neither numbers nor empty."""

    def __init__(self) -> None:
        self._count, self._first = 0, ""

    def look(self, line: int, cells: Sequence[str]) -> None:
        """Looks for them in a line."""
        for cell in cells:
            if cell.strip().lower() not in NOTHING and math.isnan(_number(cell)):
                self._first = self._first or f"'{cell.strip()[:20]}' in line {line}"
                self._count += 1

    def refuse(self, path: Path) -> None:
        """Raises DataError where there are some."""
        if self._count:
            told = f"{self._count} cells are no numbers, the first one {self._first}"
            raise DataError(str(path), [f"{told}; write numbers, with a point for decimals, or leave the cell empty"])


def _detected(
    path: Path, people: list[Person], joints: tuple[str, ...], listed: list[int], is_numbered: bool
) -> Detected:
    facts: dict[str, Any] = {IS_SHARE: True}
    if not all(re.fullmatch(r"\D*\d+", joint) for joint in joints):
        facts[OWN_JOINTS] = joints
    return detected(path, people, listed=listed, is_numbered=is_numbered, has_all=False, facts=facts)


def _column(name: str) -> tuple[str, str] | None:
    """Splits the name of a column into landmark and axis: x1, x_1, 1_x, nose_x, x_nose, left_eye_visibility."""
    for pattern in (
        r"(?P<axis>[a-z]+)_?(?P<joint>\d+)",
        r"(?P<joint>.+)[_. ](?P<axis>[a-z]+)",
        r"(?P<axis>[a-z]+)[_. ](?P<joint>.+)",
    ):
        found = re.fullmatch(pattern, name)
        if found and AXES.get(found["axis"]):
            return found["joint"], AXES[found["axis"]]
    return None


def _cell(text: str) -> Any:
    value = _number(text)
    return int(value) if value == value and value == int(value) else text.strip() or None


def _number(text: str) -> float:
    """Returns the number in a cell; nan for an empty one or text."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan
