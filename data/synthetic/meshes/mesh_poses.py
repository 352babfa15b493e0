"""Random poses and shapes of synthetic people and hands in front of a camera: few degrees of freedom, so that little
data suffices."""

from __future__ import annotations

import numpy as np

from ...bodies.axis_angle import composed
from ..poses.signals import Signal
from .hand_mesh import FINGERS, THUMB, flexion_axes

X, Y, Z = np.eye(3)
SHAPE_SD = 0.7  # of the shape numbers; the spread of published models is 1
UPRIGHT_BODY = np.pi * X  # model axes with y up, into those of a camera with y down
# Fingers up, palm to the camera: x of the model goes to y, y to z, z to x.
UPRIGHT_HAND = 2 * np.pi / 3 * np.ones(3) / np.sqrt(3)
LEFT, RIGHT = 1, -1
# Parts of the left and right hip, knee, shoulder and elbow.
HIPS, KNEES, SHOULDERS, ELBOWS = ((1, 2), (4, 5), (16, 17), (18, 19))
SPINE = (3, 6, 9)
FOLLOWING = np.array((1.0, 0.9, 0.6))  # how far the joints of a finger bend with its first one
SPREADS = {1: 0.6, 4: 0.0, 7: -1.0, 10: -0.5}  # first part of a finger -> how far it goes sideways with the others


def draw_shape(rng: np.random.Generator) -> Signal:
    """Draws shape coefficients [10]."""
    return rng.normal(0, SHAPE_SD, 10).clip(-2, 2)


def draw_body_pose(rng: np.random.Generator) -> Signal:
    """Draws a pose [72] of a standing, walking or kneeling person who looks roughly at the camera."""
    pose = np.zeros((24, 3))
    facing = rng.uniform(-0.7, 0.7)
    tilt = rng.normal(0, 0.06, 2)
    pose[0] = composed(UPRIGHT_BODY, tilt[0] * Z, facing * Y, tilt[1] * X)
    pose[list(SPINE)] = rng.uniform(-0.05, 0.25) * X
    apart = rng.uniform(0.0, 0.3)
    for at, side in enumerate((LEFT, RIGHT)):
        step = rng.uniform(-0.25, 1.1)
        pose[HIPS[at]] = composed(side * apart * Z, -step * X)
        pose[KNEES[at]] = (max(step, 0.0) + rng.uniform(0.0, 0.3)) * X
        lift, reach, elbow = rng.uniform(-1.3, 0.8), rng.uniform(-0.2, 0.8), rng.uniform(0.0, 1.4)
        pose[SHOULDERS[at]] = composed(-side * reach * Y, side * lift * Z)
        pose[ELBOWS[at]] = -side * elbow * Y
    return pose.reshape(-1)


def draw_hand_pose(rng: np.random.Generator) -> Signal:
    """Draws a pose [48] of a hand whose palm faces roughly the camera, fingers between stretched and a fist."""
    pose = np.zeros((16, 3))
    lean = rng.normal(0, 0.1, 2).clip(-0.3, 0.3)
    pose[0] = composed(rng.normal(0, 0.12) * Z, lean[0] * Y, lean[1] * X, UPRIGHT_HAND)
    axes, together, spread = flexion_axes(), rng.uniform(-0.2, 1.2), rng.uniform(0.0, 0.2)
    for finger in FINGERS:
        first = min(finger.ring_of)
        curl = np.clip(together + rng.uniform(-0.15, 0.15), -0.3, 1.3) * (0.45 if finger is THUMB else 1.0)
        for at, share in enumerate(FOLLOWING):
            pose[first + at] = curl * share * axes[first + at - 1]
        pose[first] = composed(spread * SPREADS.get(first, 0.0) * Y, pose[first])
    return pose.reshape(-1)
