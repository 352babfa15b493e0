"""Which axis of a recording points up: found from how people stand, walk and touch the floor, not from one pose."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from ...poses.skeleton import H36M_17
from ..motion.axes import UP_AXES
from ..motion.rotations import Signal
from .joints import Body

# Rotations into axes with z up, rows; those of y and z leave x where it is.
TURNS = MappingProxyType(
    {
        "x": np.array(((0, 1, 0), (0, 0, 1), (1, 0, 0)), float),
        "y": np.array(((1, 0, 0), (0, 0, -1), (0, 1, 0)), float),
        "z": np.eye(3),
        "-x": np.array(((0, -1, 0), (0, 0, 1), (-1, 0, 0)), float),
        "-y": np.array(((1, 0, 0), (0, 0, 1), (0, -1, 0)), float),
        "-z": np.array(((1, 0, 0), (0, -1, 0), (0, 0, -1)), float),
    }
)
# A trunk, or the line from the feet to the neck, that is steeper than this stands; the other one may be bent more.
STEEP, BENT = np.cos(np.radians(35)), np.cos(np.radians(75))
LEAST_SHARE = 0.15  # of the frames, in which somebody stands along an axis that may be up
RIVAL = 0.35  # of the frames of the most frequent axis: one that is as frequent competes with it
MOST_FRAMES = 2000  # that are looked at
RESTING = 0.9  # cosine between an axis and trunk and legs of a rest pose that stands along it
ANKLE = 0.05  # height of the lowest ankle over the floor, as a share of the way from ankle to head
STEADY = 0.25  # by which the floor under a person may change its height, share of the same
ACROSS = 0.7  # cosine between hips and an axis, mean over frames
BETTER = 0.1  # by which the floor under one axis must lie nearer than under another

(HIP, THORAX, NECK, HEAD) = (H36M_17.joints.index(name) for name in ("Hip", "Thorax", "Neck", "Head"))
FEET = [H36M_17.joints.index(name) for name in ("LFoot", "RFoot")]
HIPS = [H36M_17.joints.index(name) for name in ("LHip", "RHip")]


@dataclass(frozen=True, slots=True)
class Upright:
    """Answer of a recording. axis: one of UP_AXES, '' where it is not clear; why: what was seen, for a message."""

    axis: str
    why: str


def z_up(poses: Signal, up: str = "y") -> Signal:
    """Rotates positions [..., 3], whose axis `up` points up, into axes with z up."""
    turned: Signal = poses @ TURNS[up].T
    return turned


def find_up(body: Body) -> Upright:
    """Finds the axis along which somebody stands in many frames, and which the rest pose, or the floor under the feet,
    confirms."""
    joints = body.joints[:: max(len(body.joints) // MOST_FRAMES, 1)]
    shares = _standing(joints)
    seen = ", ".join(f"{share:.0%} along {axis}" for axis, share in shares.items() if share >= 0.01)
    why = f"people stand in {seen}" if seen else "nobody stands along any axis in any frame"
    most = max(shares.values())
    rivals = [axis for axis, share in shares.items() if share >= max(LEAST_SHARE, RIVAL * most)]
    resting = _resting(body.rest)
    if resting in rivals:
        return Upright(resting, why)
    floors = {axis: _floor(joints, axis) for axis in UP_AXES}
    if len(rivals) == 1:
        found = rivals[0]
        # People lie and crawl, too: the floor must not contradict.
        if resting:
            is_confirmed = floors[found] < floors[resting]
        else:
            others = [floors[axis] for axis in UP_AXES if not _is_across(joints, axis)]
            is_confirmed = floors[found] < STEADY + min(others)
        if is_confirmed:
            return Upright(found, why)
        return Upright("", f"{why}, but the floor does not lie there")
    if len(rivals) > 1:
        first, second, *_ = sorted(rivals, key=lambda axis: floors[axis])
        if floors[first] + BETTER < floors[second]:
            return Upright(first, why)
    return Upright("", why)


def _standing(joints: Signal) -> dict[str, float]:
    """Returns the share of the frames [n, 17, 3] in which somebody stands along an axis."""
    trunk = _unit(joints[:, THORAX] - joints[:, HIPS].mean(1))
    whole = _unit(joints[:, THORAX] - joints[:, FEET].mean(1))
    found = {}
    for axis in UP_AXES:
        up = TURNS[axis][2]
        slopes = np.stack((trunk @ up, whole @ up))
        found[axis] = float(((slopes.max(0) > STEEP) & (slopes.min(0) > BENT)).mean())
    return found


def _resting(rest: Signal | None) -> str:
    """Returns the axis along which the rest pose [17, 3] stands, '' where it does not stand."""
    if rest is None:
        return ""
    trunk = _unit(rest[NECK] - rest[HIPS].mean(0))
    legs = _unit(rest[HIPS].mean(0) - rest[FEET].mean(0))
    return next((axis for axis in UP_AXES if min(trunk @ TURNS[axis][2], legs @ TURNS[axis][2]) > RESTING), "")


def _floor(joints: Signal, axis: str) -> float:
    """Returns how unlike a floor the lowest joints are along an axis: their distance from 0, where the ankles would be,
    and their range, as a share of the body."""
    size = float(np.median(np.linalg.norm(joints[:, HEAD] - joints[:, THORAX], axis=-1))) * 5.5 or 1.0
    lowest = (joints @ TURNS[axis][2]).min(1) / size
    low, middle, high = np.percentile(lowest, (5, 50, 95))
    return float(abs(middle - ANKLE) + high - low)


def _is_across(joints: Signal, axis: str) -> bool:
    """Returns whether the line of the hips lies along an axis, so that the axis is neither up nor ahead."""
    across = _unit(joints[:, HIPS[0]] - joints[:, HIPS[1]]) @ TURNS[axis][2]
    return float(np.abs(across).mean()) > ACROSS


def _unit(vectors: Signal) -> Signal:
    unit: Signal = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
    return unit
