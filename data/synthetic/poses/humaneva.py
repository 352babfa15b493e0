"""Synthetic HumanEva-I: procedural motion with its subjects, actions, camera poses, streams and 60 Hz, pieces with gaps
between."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...formats.poses.humaneva import FPS, HEIGHT, SUBJECTS, WIDTH, rigs
from ...poses.geometry import normalize_intrinsics
from ...poses.poseset import Array, Camera, PoseSet, Sequence
from ...poses.skeleton import HUMANEVA_15
from .detector import detections
from .modes import Mode
from .motion import GRID, motion
from .recording import PIXEL_GRID, lost_in_bursts, on_grid, pixels_of, resampled
from .signals import FPS as MADE_FPS
from .signals import Signal

NAME = "synthetic_humaneva15"
JOINTS = (0, 8, 11, 12, 13, 14, 15, 16, 4, 5, 6, 1, 2, 3, 10)  # of H36M_17, in the order of HUMANEVA_15
ACTIONS: dict[str, tuple[Mode, ...]] = {
    "Walking 1": ("gait",),
    "Jog 1": ("gait",),
    "ThrowCatch 1": ("reach",),
    "Gestures 1": ("reach", "free"),
    "Box 1": ("free",),
}
# Frames [start, end) of the training part in the published streams, by action; validation is frame 5 to its start.
TRAIN_FRAMES = {
    "S1": ((590, 1203), (367, 740), (473, 945), (395, 801), (385, 789)),
    "S2": ((438, 876), (398, 795), (550, 1128), (500, 901), (382, 734)),
    "S3": ((448, 939), (401, 842), (493, 1027), (533, 1102), (512, 1021)),
}
FIRST_FRAME = 5
MARGIN = 4  # frames made beyond a stream, for the interpolation; FIRST_FRAME is margin enough before it
FOCAL_PX, CENTER_PX = 520.0, (320.0, 240.0)
PERSON = 100  # added to a subject's number: not the persons, nor the streams, of the Human3.6M set
GAP_STREAM = 4  # of the random streams of a clip; see motion.py and h36m.py
MOST_GAPS, GAP_FRAMES = 3, (10, 40)  # in a stream; least and most frames lost in each, on average


def synthetic_humaneva(seed: int, *, keypoints: Literal["gt", "det"] = "gt") -> PoseSet:
    """Generates pieces of 15 streams of 3 subjects, 13,768 frames less the gaps, with 15 joints seen by three cameras.

    keypoints as in synthetic_h36m. Cameras have the pinhole lens of the set, which its files do not store."""
    assert keypoints in ("gt", "det"), keypoints
    lens = normalize_intrinsics((FOCAL_PX, FOCAL_PX), CENTER_PX, (0, 0, 0), (0, 0), WIDTH, HEIGHT).numpy()
    cameras = {
        subject: tuple(dataclasses.replace(camera, intrinsics=lens.astype(np.float32)) for camera in rig)
        for subject, rig in rigs().items()
    }
    pieces = [
        _piece(f"{part}/{subject}", action, poses, cameras, keypoints)
        for part in ("Train", "Validate")
        for subject in SUBJECTS
        for action, poses in _takes(seed, subject, part)
    ]
    return PoseSet(name=NAME, keypoints=keypoints, skeleton=HUMANEVA_15, fps=FPS, sequences=tuple(pieces))


def _takes(seed: int, subject: str, part: str) -> Iterator[tuple[str, Array]]:
    """Yields action keys and poses [n, 17, 3] of one part of a subject's streams."""
    person = PERSON + int(subject[1:])
    for number, (action, modes) in enumerate(ACTIONS.items()):
        start, end = TRAIN_FRAMES[subject][number]
        at = np.divide(np.arange(end) * MADE_FPS, FPS)
        # Both parts make the whole stream: 2 ms each, and neither depends on the other.
        made = motion(seed, person, number, int(at[-1]) + MARGIN, modes=modes)
        poses = on_grid(resampled(made.astype(np.float64), at), GRID)
        rng = np.random.default_rng([seed, person, number, GAP_STREAM])
        gaps = int(rng.integers(MOST_GAPS + 1))
        lost = int(rng.integers(*GAP_FRAMES, gaps).sum())
        tracked = lost_in_bursts(rng, end - lost, lost, gaps)
        window = slice(start, end) if part == "Train" else slice(FIRST_FRAME, start)
        yield from ((f"{action} chunk{k}", poses[window][rows]) for k, rows in _pieces(tracked[window]))


def _pieces(tracked: NDArray[np.bool_]) -> Iterator[tuple[int, slice]]:
    """Yields number and frames of every stretch with motion capture; those without count too."""
    edges = np.flatnonzero(np.diff(tracked)) + 1
    for k, (first, end) in enumerate(zip((0, *edges), (*edges, len(tracked)), strict=True)):
        if tracked[first]:
            yield k, slice(int(first), int(end))


def _piece(subject: str, action: str, poses: Array, cameras: dict[str, tuple[Camera, ...]], keypoints: str) -> Sequence:
    views: list[Signal] = [pixels_of(poses, camera) for camera in cameras[subject]]
    if keypoints == "det":
        views = [
            detections(view, subject, action, camera.name) for view, camera in zip(views, cameras[subject], strict=True)
        ]
    return Sequence(
        subject=subject,
        action=action,
        pose3d=np.ascontiguousarray(poses[:, JOINTS]),
        pose2d=tuple(on_grid(view[:, JOINTS], PIXEL_GRID) for view in views),
        cameras=cameras[subject],
    )
