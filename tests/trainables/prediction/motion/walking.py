"""A walking person whose bones change their lengths, as predictions do, and joints where BVH readers find them."""

import dataclasses

import numpy as np

from data.poses.skeleton import H36M_17
from trainables.prediction.motion.motion import Motion

# Joint of Human3.6M -> name of the node, or end site, that stands there.
NAMES = {
    "Hip": "Hips", "RHip": "RightUpLeg", "RKnee": "RightLeg", "RFoot": "RightFoot", "LHip": "LeftUpLeg",
    "LKnee": "LeftLeg", "LFoot": "LeftFoot", "Spine": "Spine1", "Thorax": "Neck", "Neck": "Head",
    "LShoulder": "LeftArm", "LElbow": "LeftForeArm", "LWrist": "LeftHand",
    "RShoulder": "RightArm", "RElbow": "RightForeArm", "RWrist": "RightHand",
}  # fmt: skip
# Joints of other sets by their names in Human3.6M.
OTHERS = {"Pelvis": "Hip", "LAnkle": "LFoot", "RAnkle": "RFoot"}
OF_3DHP = OTHERS | {"Neck": "Thorax", "Head": "Neck", "HeadTop": "Head"}
T_POSE = np.array(
    [
        *((0, 0, 0), (-0.13, 0, 0), (-0.13, -0.45, 0), (-0.13, -0.9, 0), (0.13, 0, 0), (0.13, -0.45, 0)),
        *((0.13, -0.9, 0), (0, 0.23, 0), (0, 0.48, 0), (0, 0.6, 0), (0, 0.72, 0), (0.15, 0.48, 0), (0.43, 0.48, 0)),
        *((0.68, 0.48, 0), (-0.15, 0.48, 0), (-0.43, 0.48, 0), (-0.68, 0.48, 0)),
    ]
)


def walk(frames=60, noise=0.01, missing=()):
    """A motion that turns around once, bends all limbs, lies down and stands up, with noise of so many metres on every
    joint but the root."""
    rng, clock = np.random.default_rng(3), np.linspace(0, 2 * np.pi, frames)
    points = np.zeros((frames, 17, 3))
    points[:, 0] = (0, 0.9, 0)
    axes = rng.standard_normal((17, 3))
    whole = {0: spun(np.array((0.0, 1, 0)), clock) @ spun(np.array((1.0, 0, 0)), np.pi / 2 * np.sin(clock))}
    for joint in range(1, 17):
        parent = H36M_17.parents[joint]
        swing = 1.2 * np.sin(clock + joint) if joint not in (1, 4) else np.zeros(frames)
        whole[joint] = whole[parent] @ spun(axes[joint], swing)
        points[:, joint] = points[:, parent] + whole[joint] @ (T_POSE[joint] - T_POSE[parent])
    points[:, 1:] += noise * rng.standard_normal((frames, 16, 3))
    is_missing = np.zeros(frames, bool)
    is_missing[list(missing)] = True
    return Motion(points=points, is_missing=is_missing, skeleton=H36M_17, fps=50.0)


def names_of(skeleton):
    """The joints of a set by their names in Human3.6M."""
    names = OF_3DHP if skeleton.name.startswith("mpi") else OTHERS
    return [names.get(joint, joint) for joint in skeleton.joints]


def as_predicted(motion, skeleton):
    """A motion in Human3.6M's joints as one in those of another set."""
    points = motion.points[:, [H36M_17.joints.index(name) for name in names_of(skeleton)]]
    return dataclasses.replace(motion, points=points, skeleton=skeleton)


def spun(axis, angles):
    """Rotations [n, 3, 3] about an axis by angles, by Rodrigues' formula."""
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array(((0, -z, y), (z, 0, -x), (-y, x, 0)))
    return np.eye(3) + np.sin(angles)[:, None, None] * cross + (1 - np.cos(angles))[:, None, None] * (cross @ cross)
