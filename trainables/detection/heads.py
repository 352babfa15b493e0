"""Outputs of networks for 2D poses, decoded to pixels of their input. Numpy alone.

Networks on crops give one person an image: [n, K, 3], x, y and a score from 0 to 1 of K joints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float32]
Size = tuple[int, int]  # height and width of the network's input, pixels

LEAST = 1e-6  # of a value whose logarithm is taken
KEPT = 0.25  # score of a person; the default of Ultralytics
OVERLAP = 0.7  # of two boxes of one person, intersection over union; the default of Ultralytics


@dataclass(frozen=True, slots=True)
class People:
    """People in one image, in pixels of the network's input: boxes [m, 4] (left, top, right, bottom), score [m], and
    keypoints [m, K, 3], None of a network that finds boxes alone."""

    boxes: Numbers
    score: Numbers
    keypoints: Numbers | None


def simcc(outputs: Sequence[Numbers], size: Size) -> Numbers:
    """Decodes scores of bins along x [n, K, Bx] and along y [n, K, By] (SimCC, Li et al. 2022; RTMPose). The score of a
    joint is the smaller one of both."""
    across, down = outputs[:2]
    if across.shape[-1] * size[0] != down.shape[-1] * size[1]:
        across, down = down, across
    (x, score_x), (y, score_y) = _peaks(across), _peaks(down)
    x, y = x * size[1] / across.shape[-1], y * size[0] / down.shape[-1]
    return np.stack((x, y, np.minimum(score_x, score_y).clip(0, 1)), -1)


def heatmaps(outputs: Sequence[Numbers], size: Size) -> Numbers:
    """Decodes a heatmap for each joint [n, K, Y, X]; the peak is that of a Gaussian through it and its neighbours (as
    DARK, Zhang et al. 2020, along either axis)."""
    maps = outputs[0]
    height, width = maps.shape[2:]
    row, column = np.divmod(maps.reshape(*maps.shape[:2], -1).argmax(-1), width)
    through_row = np.take_along_axis(maps, row[..., None, None], 2)[:, :, 0]
    through_column = np.take_along_axis(maps, column[..., None, None], 3)[..., 0]
    (x, score), (y, _) = _peaks(through_row), _peaks(through_column)
    return np.stack((x * size[1] / width, y * size[0] / height, score.clip(0, 1)), -1)


def shares(outputs: Sequence[Numbers], size: Size) -> Numbers:
    """Decodes y, x and score [n, 1, K, 3] as shares of the image (MoveNet)."""
    y, x, score = np.moveaxis(outputs[0][:, 0], -1, 0)
    return np.stack((x * size[1], y * size[0], score.clip(0, 1)), -1)


def yolo(rows: Numbers, *, joints: int, columns: int, person: int, classes: int) -> list[People]:
    """Decodes every anchor [n, 4 + classes + columns * joints, A] of Ultralytics: middle and sides of the box, a score
    for each class, and x, y and, with three columns, a score of each joint. Overlapping boxes are one person."""
    found = []
    for one in rows.transpose(0, 2, 1):
        one = one[one[:, 4 + person] > KEPT]
        middle, half = one[:, :2], one[:, 2:4] / 2
        boxes = np.concatenate((middle - half, middle + half), 1)
        kept = _apart(boxes, one[:, 4 + person])
        score = one[kept, 4 + person]
        found.append(People(boxes[kept], score, _joints(one[kept, 4 + classes :], score, joints, columns)))
    return found


def yolo_end_to_end(rows: Numbers, *, joints: int, columns: int, person: int) -> list[People]:
    """Decodes the people [n, m, 6 + columns * joints] of Ultralytics without overlaps: corners of the box, score, class
    and joints."""
    found = []
    for one in rows:
        one = one[(one[:, 4] > KEPT) & (np.rint(one[:, 5]) == person)]
        found.append(People(one[:, :4], one[:, 4], _joints(one[:, 6:], one[:, 4], joints, columns)))
    return found


def boxes_with(dets: Numbers, other: Numbers, *, is_labels: bool) -> list[People]:
    """Decodes boxes with scores [n, m, 5] of MMDeploy, without overlaps, beside their classes [n, m], of which 0 is a
    person, or the keypoints [n, m, K, 3] of people (RTMO)."""
    found = []
    for one, beside in zip(dets, other, strict=True):
        kept = one[:, 4] > KEPT
        if is_labels:
            kept &= np.rint(beside) == 0
        points = None if is_labels else np.concatenate((beside[..., :2], beside[..., 2:].clip(0, 1)), -1)[kept]
        found.append(People(one[kept, :4], one[kept, 4], points))
    return found


def _joints(numbers: Numbers, score: Numbers, joints: int, columns: int) -> Numbers | None:
    """Returns keypoints [m, K, 3]; where a joint has no score of its own it is that of its person [m]."""
    if not joints:
        return None
    points = numbers.reshape(len(numbers), joints, columns)
    if columns == 2:
        points = np.concatenate((points, np.broadcast_to(score[:, None, None], (*points.shape[:2], 1))), -1)
    return np.concatenate((points[..., :2], points[..., 2:].clip(0, 1)), -1)


def _peaks(lines: Numbers) -> tuple[Numbers, Numbers]:
    """Returns place and value of the peaks of lines [..., N], between the samples: the top of the parabola through the
    logarithms around the largest one, which is exact for a Gaussian."""
    last = lines.shape[-1] - 1
    at = lines.argmax(-1)
    around = np.stack([(at + step).clip(0, last) for step in (-1, 0, 1)], -1)
    values = np.take_along_axis(lines, around, -1)
    below, top, above = np.moveaxis(np.log(np.maximum(values, LEAST)), -1, 0)
    bend = 2 * top - below - above
    is_inside = (at > 0) & (at < last) & (bend > LEAST)
    shift = np.where(is_inside, (above - below) / (2 * np.where(is_inside, bend, 1)), 0).clip(-0.5, 0.5)
    return (at + shift).astype(np.float32), values[..., 1]


def _apart(boxes: Numbers, score: Numbers) -> NDArray[np.int64]:
    """Returns the rows of boxes [m, 4] that overlap no better one, best first."""
    left = np.argsort(-score, kind="stable")
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        low, high = np.maximum(boxes[best, :2], boxes[left, :2]), np.minimum(boxes[best, 2:], boxes[left, 2:])
        shared = (high - low).clip(0).prod(1)
        left = left[shared <= OVERLAP * (area[best] + area[left] - shared)]
    return np.array(kept, np.int64)
