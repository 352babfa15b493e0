"""Synthetic people: bone lengths of one subject, and forward kinematics of the 17 joints in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .signals import Signal, cosine_sine

SkeletonName = Literal["h36m", "cmu"]
BODY_STREAM = 2  # of the random streams of a subject; see motion.py

# Millimetres: hip half-width, thigh, shank, hip to spine, spine to thorax, thorax to neck, neck to head,
# thorax to shoulder, upper arm, forearm. h36m: subject S1 of Human3.6M; cmu: mean of 13 CMU MoCap subjects.
BONES_MM = {
    "h36m": (132.9, 442.9, 454.2, 233.4, 257.1, 121.1, 115.0, 151.0, 278.9, 251.7),
    "cmu": (85.0, 396.0, 420.0, 220.0, 232.0, 141.0, 144.0, 198.0, 280.0, 281.0),
}
# Outward, forward and up of a shoulder from the thorax joint: in the CMU set that joint is the neck base,
# below the shoulders; in Human3.6M it lies a little above them.
SHOULDER_DIRECTION = {"h36m": (0.98, 0.0, -0.2), "cmu": (0.943, -0.131, 0.305)}
# Relative standard deviations: of a person's size, of each bone within it, of left against right.
SIZE_SD, BONE_SD, SIDE_SD = 0.06, 0.03, 0.006
SIDED = (0, 1, 2, 7, 8, 9)  # bones that come in pairs
OUTWARDS = np.array((1.0, -1.0))[:, None]  # of right and left, along the axis to the right
HINGES = np.array((-1.0, 1.0))[:, None, None]  # knees bend backwards, elbows forwards
TRUNK_ANGLES = ("lean", "roll", "twist", "bend", "side", "neck", "head", "tilt")


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """Bone lengths in metres. trunk [4]: hip to spine, spine to thorax, thorax to neck, neck to head; the paired bones
    right, left: hip and shoulder [2], upper and lower [2 (leg, arm), 2 (right, left)]. shoulder_direction [3] unit:
    outward, forward, up from the thorax joint."""

    trunk: Signal
    hip: Signal
    shoulder: Signal
    upper: Signal
    lower: Signal
    shoulder_direction: Signal


def draw_body(seed: int, subject: int, skeleton: SkeletonName) -> Body:
    """Draws the body of a subject, the same in all clips."""
    # SeedSequence pads short keys with zeros: (seed, subject) alone would be the stream of clip 0.
    rng = np.random.default_rng([seed, subject, 0, BODY_STREAM])
    bones = np.array(BONES_MM[skeleton]) / 1000
    size = rng.normal(1, SIZE_SD)
    right = bones * size * rng.normal(1, BONE_SD, len(bones))
    left = right.copy()
    left[list(SIDED)] *= rng.normal(1, SIDE_SD, len(SIDED))
    pairs = np.stack((right, left), axis=-1)
    direction = np.array(SHOULDER_DIRECTION[skeleton])
    return Body(
        trunk=right[3:7],
        hip=pairs[0],
        shoulder=pairs[7],
        upper=pairs[[1, 8]],
        lower=pairs[[2, 9]],
        shoulder_direction=direction / np.linalg.norm(direction),
    )


def place_joints(body: Body, limbs: Signal, trunk: Signal, heading: Signal, path: Signal) -> Signal:
    """Computes joints [17, 3, n] in metres, z up, root at height 0, from angles in degrees (forward kinematics).

    limbs [2 (leg, arm), 4, 2 (right, left), n]: flexion forwards, abduction outwards, rotation inwards, and bend of
    knee or elbow. trunk [8, n]: TRUNK_ANGLES. heading [2, n]: unit x and y of where the person faces; path [2, n]: x
    and y of the root."""
    # Only 17 are used; pages never touched cost nothing. glibc gives freed memory back to the system where it is more
    # than twice the largest array so far. Without this array that was so after every clip: at 240 frames, 120 pages
    # had to be faulted in again for the next one, a quarter of the time.
    joints = np.empty((12 * 17, 3, path.shape[-1]))[:17]
    axes = _trunk_axes(trunk, heading)
    pelvis, thorax = axes[:, 0], axes[:, 1]
    joints[0, :2], joints[0, 2] = path, 0
    joints[7] = joints[0] + body.trunk[0] * pelvis[2]
    joints[8] = joints[7] + body.trunk[1] * thorax[2]
    _place_head(joints, body, trunk, thorax)
    outward, forward, up = body.shoulder_direction
    away = forward * thorax[1] + up * thorax[2]
    joints[1] = joints[0] + body.hip[0] * pelvis[0]
    joints[4] = joints[0] - body.hip[1] * pelvis[0]
    joints[14] = joints[8] + body.shoulder[0] * (away + outward * thorax[0])
    joints[11] = joints[8] + body.shoulder[1] * (away - outward * thorax[0])
    upper, lower = _limb_directions(limbs)
    upper *= body.upper[..., None]
    lower *= body.lower[..., None]
    upper, lower = (np.einsum("akcn, aksn -> kscn", axes, segment) for segment in (upper, lower))
    for kind, side, first in ((0, 0, 1), (0, 1, 4), (1, 1, 11), (1, 0, 14)):
        np.add(joints[first], upper[kind, side], out=joints[first + 1])
        np.add(joints[first + 1], lower[kind, side], out=joints[first + 2])
    return joints


def _trunk_axes(trunk: Signal, heading: Signal) -> Signal:
    """Returns unit axes [3 (right, forward, up), 2 (pelvis, thorax), 3, n] in the world.

    The pelvis leans forwards and rolls to its right; the thorax twists on it to the left, bends forwards and to its
    right."""
    cosine, sine = cosine_sine(trunk[:5])
    level = np.zeros((3, 3, heading.shape[-1]))
    right, forward, up = level
    forward[:2] = heading
    right[0], right[1], up[2] = heading[1], -heading[0], 1
    up, forward = _turned(up, forward, cosine[0], sine[0])
    up, right = _turned(up, right, cosine[1], sine[1])
    axes = np.empty((3, 2, *level.shape[1:]))
    axes[0, 0], axes[1, 0], axes[2, 0] = right, forward, up
    right, forward = _turned(right, forward, cosine[2], sine[2])
    up, forward = _turned(up, forward, cosine[3], sine[3])
    up, right = _turned(up, right, cosine[4], sine[4])
    axes[0, 1], axes[1, 1], axes[2, 1] = right, forward, up
    return axes


def _turned(one: Signal, other: Signal, cosine: Signal, sine: Signal) -> tuple[Signal, Signal]:
    """Rotates the first axis towards the second, and the second alike."""
    return cosine * one + sine * other, cosine * other - sine * one


def _place_head(joints: Signal, body: Body, trunk: Signal, thorax: Signal) -> None:
    """Places neck and head above the thorax; head and tilt count from the thorax, not from the neck."""
    cosine, sine = cosine_sine(trunk[5:])
    joints[9] = joints[8] + body.trunk[2] * (cosine[0] * thorax[2] + sine[0] * thorax[1])
    nod = cosine[1] * thorax[2] + sine[1] * thorax[1]
    joints[10] = joints[9] + body.trunk[3] * (cosine[2] * nod + sine[2] * thorax[0])


def _limb_directions(limbs: Signal) -> tuple[Signal, Signal]:
    """Returns unit directions [3 (right, forward, up of the trunk), 2, 2, n] of upper and lower segments."""
    # Rows of limbs: flexion, abduction, rotation, bend; each [2, 2, n].
    (cos_f, cos_a, cos_r, cos_b), (sin_f, sin_a, sin_r, sin_b) = cosine_sine(limbs.swapaxes(0, 1))
    upper, bending = np.empty((2, 3, *cos_f.shape))
    np.multiply(sin_a, OUTWARDS, out=upper[0])
    np.multiply(cos_a, sin_f, out=upper[1])
    np.multiply(-cos_a, cos_f, out=upper[2])
    # Where the segment below turns to when the hinge bends: ahead, or by the rotation to the inside.
    sideways = sin_r * sin_a
    np.multiply(sin_r * cos_a, -OUTWARDS, out=bending[0])
    np.add(cos_r * cos_f, sideways * sin_f, out=bending[1])
    np.subtract(cos_r * sin_f, sideways * cos_f, out=bending[2])
    return upper, cos_b * upper + sin_b * HINGES * bending
