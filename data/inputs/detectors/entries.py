"""Parsing of one detected person in JSON, in the forms of COCO, AlphaPose, MMPose, Ultralytics and MediaPipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .numbers import Points, flat_rows, id_of, joint_rows, landmark_rows, score_of

LANDMARKS = ("landmarks", "pose_landmarks", "poseLandmarks", "keypoints")  # keys of MediaPipe's and its wrappers
WANTED = (
    "expected `keypoints` as x, y, score of each joint one after the other, as [x, y] or [x, y, score] for each joint "
    "with or without `keypoint_scores`, as {x, y, visible} lists, or as {x, y, visibility} for each joint"
)


class Entry(NamedTuple):
    """One person: numbers [J, 2 or 3], id and score; joints: names that the entry gives; is_landmarks: whether x and y
    may be shares of the image's width and height."""

    rows: Points
    id: str | None = None
    score: float = 0.0
    joints: tuple[str, ...] | None = None
    is_landmarks: bool = False


def entry_of(content: Any) -> Entry | None:
    """Parses one person; None when it is something else."""
    if isinstance(content, list):
        rows = joint_rows(content)
        if rows is not None:
            return None if rows.shape[1] == 4 else Entry(rows)
        landmarks = landmark_rows(content)
        return None if landmarks is None else Entry(landmarks[0], joints=landmarks[1], is_landmarks=True)
    if not isinstance(content, dict):
        return None
    for key in LANDMARKS:
        if key in content and (found := _rows(content, content[key])) is not None:
            rows, joints, is_landmarks = found
            return Entry(rows, id_of(content), score_of(content), joints, is_landmarks)
    landmarks = landmark_rows(content)
    return None if landmarks is None else Entry(landmarks[0], joints=landmarks[1], is_landmarks=True)


def _rows(content: Mapping[str, Any], keypoints: Any) -> tuple[Points, tuple[str, ...] | None, bool] | None:
    """Parses the value of `keypoints`: numbers, names, and whether they may be shares."""
    if isinstance(keypoints, dict) and isinstance(keypoints.get("x"), list):
        columns = _columns([keypoints[key] for key in ("x", "y", "visible") if keypoints.get(key) is not None])
        return None if columns is None else (columns, None, True)
    if (landmarks := landmark_rows(keypoints)) is not None:
        return *landmarks, True
    rows = flat_rows({"keypoints": keypoints})
    if rows is None:
        rows = joint_rows(keypoints)
    if rows is None or rows.shape[1] == 4:
        return None
    scores = content.get("keypoint_scores", content.get("keypoints_scores"))
    if scores is None or rows.shape[1] == 3:
        return rows, None, False
    column = _columns([scores])
    return None if column is None or len(column) != len(rows) else (np.hstack((rows, column)), None, False)


def _columns(columns: list[Any]) -> Points | None:
    """Parses lists of numbers, one for each column, to [J, columns]."""
    if any(not isinstance(column, list) for column in columns):
        return None
    if any(type(value) not in (int, float, type(None)) for column in columns for value in column):
        return None
    try:
        found = np.array(columns, np.float64)
    except (ValueError, OverflowError):
        return None
    return found.T if found.ndim == 2 else None
