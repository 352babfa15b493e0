"""Synthetic MPI-INF-3DHP: procedural motion before a ring of eight cameras, its frame rates, test frames that do not
count."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from ...formats.poses.mpi_inf_3dhp import CAMERAS, PUBLISHED_TRAIN, PUBLISHED_VALID, camera_of
from ...poses.geometry import normalize_intrinsics
from ...poses.poseset import Array, Camera, PoseSet, Sequence
from ...poses.skeleton import MPI_INF_3DHP_17
from .body import draw_body
from .modes import Mode
from .motion import GRID, motion
from .recording import PIXEL_GRID, lost_in_bursts, on_grid, pixels_of, seen_by
from .signals import FPS

NAME = "synthetic_3dhp"
JOINTS = (10, 8, 14, 15, 16, 11, 12, 13, 1, 2, 3, 4, 5, 6, 0, 7, 9)  # of H36M_17, in the order of MPI_INF_3DHP_17
SHORTER = 50  # a training sequence has this part of the published frames: 21,000 camera frames in all
VALID_SHARE, BURSTS = 0.9, 5  # of the frames of a test sequence; stretches of it that do not count
RADIUS, LOWEST, HIGHEST, AIM = 4.0, 0.8, 2.2, 0.9  # metres: the ring, its cameras' heights, the point they look at
FOCAL_PX = {(2048, 2048): 1500.0, (1920, 1080): 1150.0}
# Millimetres from knee to neck, straight; everybody is scaled to it.
UNIVERSAL = 920.0
TRAIN_PERSON, TEST_PERSON = 200, 300  # added to a subject's number; see humaneva.py
VALID_STREAM = 4  # of the random streams of a clip; see motion.py and h36m.py
TEST_MODES: tuple[tuple[Mode, ...], ...] = (("gait",), ("free",), ("sit",), ("reach",), ("free",), ("gait", "reach"))


def synthetic_3dhp(seed: int) -> PoseSet:
    """Generates 16 training sequences before 8 cameras and 6 test sequences before one, in the axes of the cameras.

    As many test frames count as in the published files. Cameras have the lens of the set, which its files do not
    store."""
    clips = [clip for key in PUBLISHED_TRAIN for clip in _train(seed, key)]
    clips += [_test(seed, number, subject) for number, subject in enumerate(PUBLISHED_VALID, 1)]
    return PoseSet(name=NAME, keypoints="gt", skeleton=MPI_INF_3DHP_17, fps=None, sequences=tuple(clips))


def _train(seed: int, key: str) -> list[Sequence]:
    """Generates the eight clips of a training sequence 'S1 Seq1'."""
    subject, _, action = key.partition(" ")
    frames, fps = PUBLISHED_TRAIN[key]
    person, step = TRAIN_PERSON + int(subject[1:]), round(FPS) // fps
    poses = motion(seed, person, int(action[3:]), frames // SHORTER * step)[::step]
    return [
        _clip(seed, person, subject, f"{action} {name}", poses, _on_ring(place, subject, name), fps=float(fps))
        for place, name in enumerate(CAMERAS)
    ]


def _test(seed: int, number: int, subject: str) -> Sequence:
    count, person = PUBLISHED_VALID[subject], TEST_PERSON + number
    rng = np.random.default_rng([seed, person, 0, VALID_STREAM])
    valid = lost_in_bursts(rng, count, round(count / VALID_SHARE) - count, BURSTS)
    poses = motion(seed, person, 0, len(valid), modes=TEST_MODES[number - 1])
    clip = _clip(seed, person, subject, subject, poses, _on_ring(number, subject, "0"))
    return dataclasses.replace(clip, valid=valid)


def _clip(
    seed: int, person: int, subject: str, action: str, poses: Array, camera: Camera, fps: float | None = None
) -> Sequence:
    """Projects world poses [n, 17, 3] to a camera's clip; the camera of the clip has the lens, but stands at the
    origin."""
    body = draw_body(seed, person, "h36m")
    scale = UNIVERSAL / 1000 / (body.upper[0].mean() + body.trunk[:2].sum())
    return Sequence(
        subject=subject,
        action=action,
        pose3d=on_grid(scale * seen_by(poses, camera)[:, JOINTS], GRID),
        pose2d=(on_grid(pixels_of(poses, camera)[:, JOINTS], PIXEL_GRID),),
        cameras=(dataclasses.replace(camera_of(subject, camera.name), intrinsics=camera.intrinsics),),
        fps=fps,
    )


def _on_ring(place: int, subject: str, name: str) -> Camera:
    """Returns a camera of the ring, in the world; places count from 0 counter-clockwise."""
    around = math.tau * place / len(CAMERAS)
    height = LOWEST + (HIGHEST - LOWEST) * (place * 3 % len(CAMERAS)) / (len(CAMERAS) - 1)
    # Camera axes turned about x from level to the point they look at, then about z from y to the middle of the ring.
    tilt, turn = (-math.pi / 2 - math.atan2(height - AIM, RADIUS)) / 2, (around + math.pi / 2) / 2
    c_x, s_x, c_z, s_z = math.cos(tilt), math.sin(tilt), math.cos(turn), math.sin(turn)
    flat = camera_of(subject, name)
    width, height_px = flat.width, flat.height
    focal_px = FOCAL_PX[width, height_px]
    lens = normalize_intrinsics(
        (focal_px, focal_px), (width / 2, height_px / 2), (0, 0, 0), (0, 0), width, height_px
    ).numpy()
    return dataclasses.replace(
        flat,
        orientation=np.array((c_z * c_x, c_z * s_x, s_z * s_x, s_z * c_x), np.float32),
        translation=np.array((RADIUS * math.cos(around), RADIUS * math.sin(around), height), np.float32),
        intrinsics=lens.astype(np.float32),
    )
