"""Synthetic default set: procedural motion as subjects and actions of Human3.6M, seen by its real cameras."""

from __future__ import annotations

import zlib
from typing import Literal

import numpy as np

from ...formats.poses.h36m import FPS, h36m_cameras
from ...poses.poseset import Array, PoseSet, Sequence
from ...poses.skeleton import H36M_17, H36M_32, kept_joints
from .detector import detections
from .modes import Mode
from .motion import GRID, motion
from .recording import PIXEL_GRID, on_grid, pixels_of

NAME = "synthetic"
SUBJECTS = ("S1", "S5", "S6", "S7", "S8", "S9", "S11")
ACTIONS: dict[str, tuple[Mode, ...]] = {
    "Directions": ("reach",),
    "Discussion": ("free",),
    "Eating": ("sit",),
    "Greeting": ("gait", "reach"),
    "Phoning": ("sit",),
    "Photo": ("reach",),
    "Posing": ("free",),
    "Purchases": ("gait", "reach"),
    "Sitting": ("sit",),
    "SittingDown": ("free", "sit"),
    "Smoking": ("sit",),
    "Waiting": ("free",),
    "WalkDog": ("gait",),
    "WalkTogether": ("gait",),
    "Walking": ("gait",),
}
MISSING = (("S11", "Directions"),)  # in the recordings, a broken video
LENGTH_STREAM = 3  # of the random streams of a clip; see motion.py
MEAN_FRAMES = 240  # of a clip: 209 clips have about 50,000 frames
HAND, TOE_BASE, TOE_END = 0.06, 0.15, 0.075  # metres beyond wrist and ankle
TOES_DOWN = 0.4  # sine; toes 6 cm below an ankle 8 cm above the floor


def synthetic_h36m(seed: int, *, keypoints: Literal["gt", "det"] = "gt", mean_frames: int = MEAN_FRAMES) -> PoseSet:
    """Generates 209 clips of 7 subjects with 32 joints in 3D and 17 in the 2D of four cameras.

    Clips are 3/4 to 5/4 of mean_frames long. keypoints: true projections, or simulated detections, whose errors depend
    on the names of subject, action and camera but not on the seed."""
    assert keypoints in ("gt", "det"), keypoints
    rigs = h36m_cameras()
    sequences = []
    for subject in SUBJECTS:
        for number, (action, modes) in enumerate(_takes()):
            if (subject, action) in MISSING:
                continue
            person = int(subject[1:])
            rng = np.random.default_rng([seed, person, number, LENGTH_STREAM])
            num_frames = int(rng.integers(mean_frames * 3 // 4, mean_frames * 5 // 4 + 1))
            poses = motion(seed, person, number, num_frames, modes=modes, skeleton="h36m")
            views = [pixels_of(poses, camera) for camera in rigs[subject]]
            if keypoints == "det":
                views = [
                    detections(view, subject, action, camera.name)
                    for view, camera in zip(views, rigs[subject], strict=True)
                ]
            sequences.append(
                Sequence(
                    subject=subject,
                    action=action,
                    pose3d=with_static_joints(poses),
                    pose2d=tuple(on_grid(view, PIXEL_GRID) for view in views),
                    cameras=rigs[subject],
                )
            )
    return PoseSet(name=NAME, keypoints=keypoints, skeleton=H36M_32, fps=FPS, sequences=tuple(sequences))


def content_hash(poses: PoseSet) -> str:
    """Returns 8 hex digits: crc32 of the 3D rounded to 0.1 mm, clip by clip."""
    total = 0
    for clip in poses.sequences:
        steps = np.rint(clip.pose3d.astype(np.float64) * 1e4).astype("<i4")
        total = zlib.crc32(steps.tobytes(), total)
    return f"{total:08x}"


def with_static_joints(poses: Array) -> Array:
    """Expands poses [n, 17, 3] to the 32 stored joints; those that no model uses copy or prolong their parents."""
    stored = kept_joints(H36M_32, H36M_17)
    assert stored is not None
    joints = np.zeros((len(poses), H36M_32.num_joints, 3))
    joints[:, stored] = poses
    joints[:, 11] = joints[:, 0]
    joints[:, [16, 24]] = joints[:, [13]]
    hips = joints[:, 1] - joints[:, 6]
    facing = np.stack((-hips[:, 1], hips[:, 0]), axis=-1)
    facing /= np.linalg.norm(facing, axis=-1, keepdims=True)
    down = np.full((len(poses), 1), -TOES_DOWN)
    toes = np.concatenate((np.sqrt(1 - TOES_DOWN**2) * facing, down), axis=-1)
    for ankle in (3, 8):
        joints[:, ankle + 1] = joints[:, ankle] + TOE_BASE * toes
        joints[:, ankle + 2] = joints[:, ankle + 1] + TOE_END * toes
    for wrist in (19, 27):
        forearm = joints[:, wrist] - joints[:, wrist - 1]
        forearm /= np.linalg.norm(forearm, axis=-1, keepdims=True)
        joints[:, [wrist + 1, wrist + 3]] = joints[:, [wrist]]
        joints[:, [wrist + 2, wrist + 4]] = (joints[:, wrist] + HAND * forearm)[:, None]
    return on_grid(joints, GRID)


def _takes() -> list[tuple[str, tuple[Mode, ...]]]:
    """Returns the 30 action keys of a subject with their modes."""
    return [(f"{action}{take}", modes) for action, modes in ACTIONS.items() for take in ("", " 1")]
