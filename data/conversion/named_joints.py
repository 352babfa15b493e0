"""Mapping of a recording's named points to the 17 joints of Human3.6M."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from ..errors import DataError
from ..poses.skeleton import H36M_17
from .bvh import END, Bvh
from .recording import Recording
from .rotations import Signal

Names = Mapping[str, tuple[str, ...]]
SIDES = {"R": ("r", "right"), "L": ("l", "left")}


def _naming(trunk: dict[str, tuple[str, ...]], limbs: dict[str, str]) -> Names:
    """Returns Human3.6M joint -> points that it averages; in `limbs`, {0} and {1} stand for a short and a long side."""
    sided = {side + joint: (name.format(*words),) for side, words in SIDES.items() for joint, name in limbs.items()}
    found = trunk | sided | {"Hip": sided["RHip"] + sided["LHip"]}
    return MappingProxyType({joint: found[joint] for joint in H36M_17.joints})


# By kind of file, in the order in which they are offered. Points of Acclaim bones are their ends, those of BVH joints
# their places, so that a joint of the one is the next one of the other.
NAMINGS: Mapping[str, Names] = MappingProxyType(
    {
        "ASF of the CMU database": _naming(
            {"Spine": ("lowerback",), "Thorax": ("thorax",), "Neck": ("lowerneck", "upperneck"), "Head": ("head",)},
            {
                "Hip": "{0}hipjoint", "Knee": "{0}femur", "Foot": "{0}tibia",
                "Shoulder": "{0}clavicle", "Elbow": "{0}humerus", "Wrist": "{0}wrist",
            },
        ),
        "BVH conversion of the CMU database": _naming(
            {"Spine": ("spine",), "Thorax": ("neck",), "Neck": ("neck1", "head"), "Head": ("head" + END,)},
            {
                "Hip": "{1}upleg", "Knee": "{1}leg", "Foot": "{1}foot",
                "Shoulder": "{1}arm", "Elbow": "{1}forearm", "Wrist": "{1}fingerbase",
            },
        ),
        "BVH with LeftUpLeg and LeftArm": _naming(
            {"Spine": ("spine1",), "Thorax": ("neck",), "Neck": ("head",), "Head": ("head" + END,)},
            {
                "Hip": "{1}upleg", "Knee": "{1}leg", "Foot": "{1}foot",
                "Shoulder": "{1}arm", "Elbow": "{1}forearm", "Wrist": "{1}hand",
            },
        ),
        "BVH with LeftHip and LeftElbow": _naming(
            {"Spine": ("chest",), "Thorax": ("neck",), "Neck": ("head",), "Head": ("head" + END,)},
            {
                "Hip": "{1}hip", "Knee": "{1}knee", "Foot": "{1}ankle",
                "Shoulder": "{1}shoulder", "Elbow": "{1}elbow", "Wrist": "{1}wrist",
            },
        ),
    }
)  # fmt: skip


def joints_of(recording: Recording, where: str) -> Signal:
    """Computes positions [n, 17, 3] in units and axes of the file. DataError names what is missing for the nearest
    naming."""
    lacking = {kind: _missing(names, recording) for kind, names in NAMINGS.items()}
    nearest = min(lacking, key=lambda kind: len(lacking[kind]))
    if lacking[nearest]:
        raise DataError(where, [_refusal(nearest, lacking[nearest], recording)])
    points = recording.points
    means = [np.mean([points[name] for name in NAMINGS[nearest][joint]], axis=0) for joint in H36M_17.joints]
    return np.stack(means, axis=1)


def _missing(names: Names, recording: Recording) -> list[str]:
    wanted = dict.fromkeys(name for points in names.values() for name in points)
    return [name for name in wanted if name not in recording.points]


def _refusal(nearest: str, missing: list[str], recording: Recording) -> str:
    found = f"lacks {', '.join(missing)}; the nearest of the known namings is {nearest}"
    return f"{found}: rename its bones or leave it out (it has {', '.join(recording.points)})"


# Bones that the BVH conversion of the CMU database has lost: joint with OFFSET 0, joint that stands for its length, and
# the share of that. Its writer wrote 0 for every joint with siblings; the ASF files have a thorax about as long as the
# upper back (2.17 and 2.14 of subject 104) and a wrist of half the radius, exactly.
LOST = (
    ("neck", "spine1", 1.0),
    ("leftshoulder", "spine1", 1.0),
    ("rightshoulder", "spine1", 1.0),
    ("leftfingerbase", "lefthand", 0.5),
    ("rightfingerbase", "righthand", 0.5),
)


def with_lost_bones(bvh: Bvh) -> tuple[Bvh, bool]:
    """Puts back the bones that a BVH conversion lost; returns whether it lacked them; any other BVH is unchanged."""
    joints = dict(bvh.joints)
    is_lacking = all(name in joints and not joints[name].offset.any() for name, _, _ in LOST)
    if not is_lacking or not all(joints[name].parent == model for name, model, _ in LOST):
        return bvh, False
    for name, model, share in LOST:
        joints[name] = dataclasses.replace(joints[name], offset=share * joints[model].offset)
    return dataclasses.replace(bvh, joints=joints), True
