"""Processing of recordings into clips: resampling to 50 Hz, cuts, centring, and four simulated Human3.6M cameras."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..formats.poses.h36m import FPS, h36m_cameras
from ..poses.poseset import Array, Camera
from .motion.rotations import Signal

WIDEST = 3.2  # metres that the path of the hip may be wide in a clip; four cameras at 5 m see that much
DIRECTIONS = np.radians(np.arange(0, 180, 22.5))  # in which a path is measured
FEWEST_FRAMES = 30  # of a clip, at 50 Hz
FASTEST = 18.0  # m/s; what is faster is a fault of the recording, or the rest pose in front of it
# Azimuths, distance and height of the cameras of Human3.6M, and how far a subject's ring may be from them.
AZIMUTHS, TURN = (70.0, -70.0, 110.0, -110.0), 5.0  # degrees
DISTANCE, HEIGHT_OVER_HIP = (5.0, 5.6), (0.6, 0.75)  # metres


def at_50_hz(poses: Signal, fps: float) -> Signal:
    """Resamples positions [n, J, 3] to 50 Hz by linear interpolation between the two nearest frames.

    Bones are shortened by that, at 120 Hz and 1000 degrees a second by 0.3 %."""
    count = int((len(poses) - 1) * FPS / fps + 1e-6) + 1
    at = np.minimum(np.arange(count) * (fps / FPS), len(poses) - 1)
    first = np.minimum(at.astype(np.int64), max(len(poses) - 2, 0))
    share = (at - first)[:, None, None]
    between: Signal = (1 - share) * poses[first] + share * poses[np.minimum(first + 1, len(poses) - 1)]
    return between


def steady(poses: Signal, fps: float) -> Iterator[tuple[int, int]]:
    """Yields stretches [first, end) of poses [n, J, 3] in metres without a jump, and without frames that have nan."""
    seen: NDArray[np.bool_] = np.asarray(np.isfinite(poses).all((1, 2)))
    jumps = np.linalg.norm(np.diff(poses, axis=0), axis=-1).max(-1, initial=0) * fps > FASTEST
    breaks = jumps | (np.diff(seen.astype(np.int8)) != 0)
    for first, end in pairwise([0, *(np.flatnonzero(breaks) + 1).tolist(), len(poses)]):
        if seen[first:end].all():
            yield first, end


def in_one_place(poses: Signal) -> Iterator[tuple[int, int]]:
    """Yields stretches [first, end) of poses [n, 17, 3] whose hip path is no wider than the limit, each as long as it
    can be."""
    first, path = 0, poses[:, 0, :2] @ np.stack((np.cos(DIRECTIONS), np.sin(DIRECTIONS)))
    while first < len(path):
        rest = path[first:]
        width = np.maximum.accumulate(rest) - np.minimum.accumulate(rest)
        outside = np.flatnonzero(width.max(-1) > WIDEST)
        end = first + int(outside[0]) if len(outside) else len(path)
        yield first, end
        first = end


def centred(poses: Signal) -> Signal:
    """Moves the clip [n, 17, 3] so that the middle of the hip's path is above the origin; heights stay."""
    path = poses[:, 0, :2]
    middle = (path.max(0) + path.min(0)) / 2
    moved: Signal = poses - np.append(middle, 0.0)
    return moved


def ring(subject: str, hip_height: float) -> tuple[Camera, ...]:
    """Returns four cameras with the lenses of Human3.6M that look at the hip above the origin; the name is the seed."""
    rng = np.random.default_rng(zlib.crc32(subject.encode()))
    turn = rng.uniform(-TURN, TURN)
    lenses = next(iter(h36m_cameras().values()))
    cameras = []
    for lens, azimuth in zip(lenses, AZIMUTHS, strict=True):
        angle = np.radians(azimuth + turn)
        distance, above = rng.uniform(*DISTANCE), rng.uniform(*HEIGHT_OVER_HIP)
        place = np.array((distance * np.cos(angle), distance * np.sin(angle), hip_height + above))
        cameras.append(
            Camera(
                name=lens.name,
                orientation=looking(np.array((0, 0, hip_height)) - place).astype(np.float32),
                translation=place.astype(np.float32),
                intrinsics=lens.intrinsics,
                width=lens.width,
                height=lens.height,
            )
        )
    return tuple(cameras)


def looking(direction: Signal) -> Signal:
    """Returns the quaternion w, x, y, z, camera to world, of a level camera with this line of sight [3], which is not
    upright.

    The camera's z is rotated from world z down to the slope of the sight, then around to its azimuth."""
    azimuth = np.arctan2(direction[1], direction[0]) - np.pi / 2
    fall = np.arccos(direction[2] / np.linalg.norm(direction))
    # About z by the azimuth, after about x by minus the fall: y, forward at level sight, comes to lie under z.
    (c, s), (p, q) = (np.cos(azimuth / 2), np.sin(azimuth / 2)), (np.cos(-fall / 2), np.sin(-fall / 2))
    return np.array((c * p, c * q, s * q, s * p))


def share_inside(pixels: Array, camera: Camera) -> float:
    """Returns the share of the points [n, J, 2] that lie in the image."""
    inside = (pixels >= 0) & (pixels < np.array((camera.width, camera.height)))
    return float(inside.all(-1).mean())
