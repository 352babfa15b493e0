"""Parsing of detected people: keypoints as numbers, scores, track ids, and the choice among people of an image."""

from __future__ import annotations

import math
import sys
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from spaces.errors import shown

Points = NDArray[np.float64]
Frame = TypeVar("Frame", bound=Hashable)

SCORES = ("score", "bbox_score", "confidence", "conf")  # of a person, by detector
IDS = ("idx", "track_id", "person_id", "instance_id", "id_")


def joint_rows(frame: Any) -> Points | None:
    """Parses a frame to numbers [J, 2 to 4]; null joints are nan. None when it is something else."""
    if not isinstance(frame, list):
        return None
    width = next((len(joint) for joint in frame if isinstance(joint, list)), 2)
    if any(isinstance(value, bool | str) for joint in frame if isinstance(joint, list) for value in joint):
        return None
    try:
        rows = np.array([[math.nan] * width if joint is None else joint for joint in frame], np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    return rows if rows.ndim == 2 and rows.shape[1] in (2, 3, 4) else None


def flat_rows(entry: Any) -> Points | None:
    """Parses the keypoints [J, 3] of a COCO result, x, y, score of one joint after the other; None when they are not
    that."""
    numbers = entry.get("keypoints") if isinstance(entry, dict) else None
    return triples(numbers) if isinstance(numbers, list) else None


def triples(numbers: list[Any]) -> Points | None:
    """Parses x, y, score of one joint after the other to [J, 3]; None when the numbers are not that."""
    if not numbers or len(numbers) % 3 or any(type(value) not in (int, float, type(None)) for value in numbers):
        return None
    try:
        return np.array(numbers, np.float64).reshape(-1, 3)
    except (TypeError, ValueError, OverflowError):
        return None


def number_of(value: Any) -> float | None:
    """Returns a finite number within the range of floats; None for anything else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    return float(value) if is_number else None


def score_of(entry: Mapping[str, Any]) -> float:
    """Returns a detector's confidence in a person; 0 where there is none, or no finite number."""
    value = next((entry[name] for name in SCORES if name in entry), 0.0)
    return number_of(value) or 0.0


def id_of(entry: Mapping[str, Any]) -> str | None:
    """Returns the track id of a person as text, whole numbers as such; None where there is none."""
    value = next((entry[name] for name in IDS if entry.get(name) is not None), None)
    return id_text(value)


def id_text(value: Any) -> str | None:
    """Returns an id as text: a number, a name, or a list of one of them; None for -1 and anything else."""
    while isinstance(value, list) and len(value) == 1:
        (value,) = value
    if isinstance(value, str):
        return value or None
    number = number_of(value)
    if number is None or number < 0:
        return None
    return str(int(number)) if number.is_integer() else str(number)


def best_people(people: Iterable[tuple[Frame, float, Points]]) -> tuple[dict[Frame, Points], set[Frame]]:
    """Picks the keypoints with the highest score in every image out of (image, score, keypoints); also returns the
    images with several people."""
    best: dict[Frame, tuple[float, Points]] = {}
    crowded = set()
    for frame, score, rows in people:
        if frame in best:
            crowded.add(frame)
        if frame not in best or score > best[frame][0]:
            best[frame] = score, rows
    return {frame: rows for frame, (_, rows) in best.items()}, crowded


def landmark_rows(landmarks: Any) -> tuple[Points, tuple[str, ...] | None] | None:
    """Parses a list, or a dictionary by name, of {x, y, visibility or score} to numbers [J, 2 or 3] and the names of
    the joints, None without; null landmarks are nan. None when it is something else.

    The z of a landmark is left out: it is no coordinate of the image."""
    if isinstance(landmarks, dict):
        named = [
            (name, one) for name, one in landmarks.items() if one is None or (isinstance(one, dict) and "x" in one)
        ]
    elif isinstance(landmarks, list):
        named = [(one.get("name") if isinstance(one, dict) else None, one) for one in landmarks]
    else:
        return None
    entries = [one for _, one in named]
    if not any(isinstance(one, dict) and "x" in one and "y" in one for one in entries):
        return None
    score = next((key for key in LANDMARK_SCORES if any(isinstance(one, dict) and key in one for one in entries)), None)
    keys = ("x", "y") if score is None else ("x", "y", score)
    rows = []
    for one in entries:
        values = (
            [None] * len(keys) if one is None else [one.get(key) for key in keys] if isinstance(one, dict) else None
        )
        if values is None or any(type(value) not in (int, float, type(None)) for value in values):
            return None
        rows.append([math.nan if value is None else value for value in values])
    names = [name for name, _ in named if isinstance(name, str) and name]
    try:
        return np.array(rows, np.float64), tuple(names) if len(names) == len(named) else None
    except OverflowError:
        return None


LANDMARK_SCORES = ("visibility", "score", "presence", "confidence")


def odd(value: Any) -> str:
    """Returns a value for a message, and its type where that tells more."""
    return shown(value) if isinstance(value, str | int | float) or value is None else f"a {type(value).__name__}"
