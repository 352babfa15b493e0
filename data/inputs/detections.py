"""Parsing of detected people in JSON: keypoints as numbers, and the choice among several people in a frame."""

from __future__ import annotations

import math
import sys
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Frame = TypeVar("Frame", bound=Hashable)


def joint_rows(frame: Any) -> Points | None:
    """Parses a frame to numbers [J, 2 or 3]; null joints are nan. None when it is something else."""
    if not isinstance(frame, list):
        return None
    width = next((len(joint) for joint in frame if isinstance(joint, list)), 2)
    if any(isinstance(value, bool | str) for joint in frame if isinstance(joint, list) for value in joint):
        return None
    try:
        rows = np.array([[math.nan] * width if joint is None else joint for joint in frame], np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    return rows if rows.ndim == 2 and rows.shape[1] in (2, 3) else None


def flat_rows(entry: Any) -> Points | None:
    """Parses the keypoints [J, 3] of a COCO result, x, y, score of one joint after the other; None when they are not
    that."""
    numbers = entry.get("keypoints") if isinstance(entry, dict) else None
    if not isinstance(numbers, list) or not numbers or len(numbers) % 3:
        return None
    return joint_rows([numbers[at : at + 3] for at in range(0, len(numbers), 3)])


def score_of(entry: Mapping[str, Any]) -> float:
    """Returns a detector's confidence in a person; 0 where there is none, or no finite number."""
    score = entry.get("score", 0.0)
    # A whole number may be beyond floats; nan would win against nobody and lose to nobody.
    is_number = isinstance(score, int | float) and abs(score) <= sys.float_info.max
    return float(score) if is_number else 0.0


def best_people(people: Iterable[tuple[Frame, float, Points]]) -> tuple[dict[Frame, Points], set[Frame]]:
    """Picks the keypoints with the highest score in every frame out of (frame, score, keypoints); also returns the
    frames with several people."""
    best: dict[Frame, tuple[float, Points]] = {}
    crowded = set()
    for frame, score, rows in people:
        if frame in best:
            crowded.add(frame)
        if frame not in best or score > best[frame][0]:
            best[frame] = score, rows
    return {frame: rows for frame, (_, rows) in best.items()}, crowded
