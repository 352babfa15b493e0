"""Motion: predicted poses in the axes of animation software, as the writers of motion files take them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.poses.skeleton import Skeleton

from ..input import Lifted

Numbers = NDArray[np.float64]

MM = 1000.0  # in a metre; C3D and TRC files count in millimetres
# x right, y down, z forward of the camera, and x, y of the ground, z up of a studio, both to y up: rotations, so that
# left stays left. Who faces the camera faces z, his left at x.
UPWARD = {"camera": np.diag((1.0, -1.0, -1.0)), "world": np.array(((1.0, 0, 0), (0, 0, 1), (0, -1, 0)))}


@dataclass(frozen=True, kw_only=True, slots=True)
class Motion:
    """Poses of n frames: points [n, J, 3] metres, y up, the root joint above the origin; is_missing [n]: frames without
    a detection, whose poses are interpolated; fps of the frames."""

    points: Numbers
    is_missing: NDArray[np.bool_]
    skeleton: Skeleton
    fps: float


def motion_of(lifted: Lifted, axes: str) -> Motion:
    """Converts predictions in `axes` of the targets, `camera` or `world`.

    Networks predict no place, so the root stays above the origin, at one height for all frames: that at which the
    lowest joint of the median frame is on the ground. A height of each frame's own would move every joint with the
    noise of the lowest one."""
    points = lifted.found["pose3d"].astype(np.float64) @ UPWARD[axes].T
    filled: NDArray[np.bool_] = np.asarray(lifted.beside.get("is_joint_filled", np.zeros(points.shape[:2], np.bool_)))
    is_missing = np.asarray(filled.reshape(-1, *points.shape[:2]).all((0, 2)))
    points[..., 1] -= np.median(points[..., 1].min(1))
    return Motion(points=points, is_missing=is_missing, skeleton=lifted.skeleton, fps=float(lifted.beside["fps"]))
