"""Mapping of a recording's named points to the 17 joints of Human3.6M."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from ...errors import DataError
from ...poses.skeleton import H36M_17
from ..motion.bvh import END, Bvh
from ..motion.recording import Recording, mixed
from ..motion.rotations import Signal
from .heads import with_head
from .limbs import ARM, LEG, Tree, limb, tree_of
from .names import plain
from .trunk import Weights, trunk

Names = Mapping[str, tuple[str, ...]]
MOST_NAMED = 80  # joints in a message
SIDES = {"R": ("r", "right"), "L": ("l", "left")}


def _naming(trunk: dict[str, tuple[str, ...]], limbs: dict[str, str]) -> Names:
    """Returns Human3.6M joint -> points that it averages; in `limbs`, {0} and {1} stand for a short and a long side."""
    sided = {side + joint: (name.format(*words),) for side, words in SIDES.items() for joint, name in limbs.items()}
    found = trunk | sided | {"Hip": sided["RHip"] + sided["LHip"]}
    return MappingProxyType({joint: found[joint] for joint in H36M_17.joints})


# By kind of file. Points of Acclaim bones are their ends, those of BVH joints their places, so that a joint of the one
# is the next one of the other. Other namings follow from the words in them.
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
        "BVH conversion of the CMU database with LeftHip": _naming(
            {"Spine": ("chest",), "Thorax": ("lowerneck",), "Neck": ("neck", "head"), "Head": ("head" + END,)},
            {
                "Hip": "{1}hip", "Knee": "{1}knee", "Foot": "{1}ankle",
                "Shoulder": "{1}shoulder", "Elbow": "{1}elbow", "Wrist": "{0}hand",
            },
        ),
        "joints of Human3.6M": MappingProxyType({joint: (joint.lower(),) for joint in H36M_17.joints}),
    }
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """Joints of a recording: positions [n, 17, 3] in units and axes of the file; toes: side -> positions [n, 3] of a
    point before the ankle, empty where there is none; rest [17, 3]: the rest pose, None where the file has none; notes
    on what was put in."""

    joints: Signal
    toes: Mapping[str, Signal]
    rest: Signal | None
    notes: tuple[str, ...]


def is_named(recording: Recording) -> bool:
    """Returns whether the names of the points say where the joints of the limbs are."""
    tree = tree_of(recording)
    limbs = [limb(tree, side, parts) for side in SIDES for parts in (LEG, ARM)]
    return _exact(recording) is not None or all(len(found) == len(LEG) for found in limbs)


def joints_of(recording: Recording, where: str) -> Signal:
    """Computes positions [n, 17, 3] in units and axes of the file. DataError names what is missing."""
    return body_of(recording, where).joints


def body_of(recording: Recording, where: str) -> Body:
    """Finds the joints of a recording. DataError names what is missing."""
    tree = tree_of(recording)
    weights = _exact(recording)
    toes: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    if weights is None:
        weights, toes = _by_words(tree, where)
    recording, weights, notes = with_head(tree, weights, where)
    points = recording.points
    joints = np.stack([mixed(points, weights[joint]) for joint in H36M_17.joints], axis=1)
    rest = None
    if recording.rest and all(name in recording.rest for parts in weights.values() for name in parts):
        rest = np.stack([mixed(recording.rest, weights[joint]) for joint in H36M_17.joints])
    return Body(joints=joints, toes={side: points[name] for side, name in toes.items()}, rest=rest, notes=notes)


def _exact(recording: Recording) -> Weights | None:
    """Returns the joints by one of the known namings, None where none fits whole."""
    names = {short: name for name, short in plain(recording.points).items()}
    for naming in NAMINGS.values():
        if all(name in names for points in naming.values() for name in points):
            return {joint: {names[name]: 1 / len(naming[joint]) for name in naming[joint]} for joint in H36M_17.joints}
    return None


def _by_words(tree: Tree, where: str) -> tuple[Weights, dict[str, str]]:
    """Returns the joints by the words of their names, and the toes by side."""
    limbs: dict[str, str] = {}
    for side in SIDES:
        for parts in (LEG, ARM):
            limbs |= {side + part: name for part, name in limb(tree, side, parts).items()}
    missing = [side + part for side in SIDES for part in (*LEG, *ARM) if side + part not in limbs]
    weights: Weights = {part: {name: 1.0} for part, name in limbs.items()}
    if not missing:
        weights |= {"Hip": {limbs["RHip"]: 0.5, limbs["LHip"]: 0.5}}
        weights |= trunk(tree, limbs)
    missing += [joint for joint in ("Thorax", "Neck") if joint not in weights and not missing]
    if missing:
        raise DataError(where, [_refusal(tree, missing)])
    toes = {side: toe for side in SIDES if (toe := _toe(tree, limbs[side + "Foot"]))}
    return weights, toes


def _toe(tree: Tree, ankle: str) -> str:
    """Returns the joint or end site that hangs on an ankle, '' where there is none."""
    below = [name for name in tree.children(ankle) if "heel" not in name]
    return max(below, key=lambda name: tree.lengths[name], default="")


def _refusal(tree: Tree, missing: list[str]) -> str:
    exact = {kind: [n for n in _wanted(names) if n not in tree.recording.points] for kind, names in NAMINGS.items()}
    nearest = min(exact, key=lambda kind: len(exact[kind]))
    more = f" and {len(tree.names) - MOST_NAMED} more" if len(tree.names) > MOST_NAMED else ""
    there = f"it has {', '.join(tree.names[:MOST_NAMED])}{more}"
    if len(exact[nearest]) < len(missing) or len(exact[nearest]) <= len(_wanted(NAMINGS[nearest])) // 4:
        found = f"lacks {', '.join(exact[nearest])}; the nearest of the known namings is {nearest}"
        return f"{found}: rename its bones or leave it out ({there})"
    necks = [name for name in tree.names if "neck" in tree.named[name].text]
    if necks and set(missing) <= {"Thorax", "Neck", "Spine", "Head"}:
        ends = "and its end lies neither where a skull begins nor where a head ends"
        return f"no joint is above {necks[-1]}, {ends}; add a joint Head, or leave the file out ({there})"
    return (
        f"no joint is named as {', '.join(missing)}; name joints by side (Left, Right, L or R) and part (UpLeg or "
        f"Thigh, Leg or Shin, Foot, Arm or UpperArm, ForeArm, Hand, Neck, Head), or leave the file out ({there})"
    )


def _wanted(names: Names) -> list[str]:
    return list(dict.fromkeys(name for points in names.values() for name in points))


# Bones that the BVH conversions of the CMU database have lost, by their namings: joint with OFFSET 0, joint that stands
# for its length, and the share of that. Their writer wrote 0 for every joint with siblings; the ASF files have a thorax
# about as long as the upper back (2.17 and 2.14 of subject 104) and a wrist of half the radius, exactly.
LOST = (
    (
        ("neck", "spine1", 1.0),
        ("leftshoulder", "spine1", 1.0),
        ("rightshoulder", "spine1", 1.0),
        ("leftfingerbase", "lefthand", 0.5),
        ("rightfingerbase", "righthand", 0.5),
    ),
    (
        ("lowerneck", "chest2", 1.0),
        ("leftcollar", "chest2", 1.0),
        ("rightcollar", "chest2", 1.0),
        ("lhand", "leftwrist", 0.5),
        ("rhand", "rightwrist", 0.5),
    ),
)


def with_lost_bones(bvh: Bvh) -> tuple[Bvh, bool]:
    """Puts back the bones that a BVH conversion lost; returns whether it lacked them; any other BVH is unchanged."""
    for lost in LOST:
        joints = dict(bvh.joints)
        is_lacking = all(name in joints and not joints[name].offset.any() for name, _, _ in lost)
        if is_lacking and all(joints[name].parent == model for name, model, _ in lost):
            for name, model, share in lost:
                joints[name] = dataclasses.replace(joints[name], offset=share * joints[model].offset)
            return dataclasses.replace(bvh, joints=joints), True
    return bvh, False
