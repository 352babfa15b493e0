"""Rig: a tree of rotating nodes for a skeleton of joints, named and posed at rest as animation software expects it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from data.poses.skeleton import Skeleton

Numbers = NDArray[np.float64]

ROOT = "Hips"
# Names of the nodes that turn a bone, by the joint at the bone's end. They are the usual ones of BVH files, which
# retargeting finds by itself, and our own `convert cmu` reads.
_TURNING = MappingProxyType(
    {
        "Spine": "Spine", "Thorax": "Spine1", "Neck": "Neck", "Head": "Head",
        **{f"{side[0]}{joint}": f"{side}{name}" for side in ("Left", "Right") for joint, name in (
            ("Knee", "UpLeg"), ("Foot", "Leg"), ("Ankle", "Leg"), ("Shoulder", "Shoulder"), ("Elbow", "Arm"),
            ("Wrist", "ForeArm"))},
    }
)  # fmt: skip
# The same for joints that hang on others than in Human3.6M: (joint at the bone's start, at its end).
_TURNING_OF: Mapping[tuple[str, str], str] = MappingProxyType(
    {("Pelvis", "Thorax"): "Spine", ("Thorax", "Head"): "Neck"}
)
# Bones of the neck and the head in one, with the name of a node that is put in where the head begins: retargeting wants
# both. It moves with the bone. The neck of a person is about as long as what is above it (121 and 115 mm of subject S1
# of Human3.6M).
_HEAD_WITHIN: Mapping[tuple[str, str], str] = MappingProxyType({("Thorax", "Head"): "Head"})
NECK = 0.5  # of such a bone
# Joints of MPI-INF-3DHP that lie where Human3.6M has others: its neck is at the height of the shoulders.
_IN_H36M = MappingProxyType({"Neck": "Thorax", "Head": "Neck", "HeadTop": "Head"})
# Names of nodes at joints where a limb ends; other ends are end sites.
_ENDING = MappingProxyType(
    {
        f"{side[0]}{joint}": f"{side}{name}"
        for side in ("Left", "Right")
        for joint, name in (("Foot", "Foot"), ("Ankle", "Foot"), ("Wrist", "Hand"))
    }
)
# Directions of bones at rest, a T-pose that faces z with y up, by the joint at the bone's end. Others go on as the bone
# before them.
_UP, _DOWN, _LEFT, _RIGHT = (0.0, 1.0, 0.0), (0.0, -1.0, 0.0), (1.0, 0.0, 0.0), (-1.0, 0.0, 0.0)
_AT_REST = MappingProxyType(
    {
        **dict.fromkeys(("Spine", "Thorax", "Neck", "Head", "HeadTop"), _UP),
        **dict.fromkeys([f"{side}{joint}" for side in "LR" for joint in ("Knee", "Foot", "Ankle")], _DOWN),
        **dict.fromkeys([f"L{joint}" for joint in ("Hip", "Shoulder", "Elbow", "Wrist")], _LEFT),
        **dict.fromkeys([f"R{joint}" for joint in ("Hip", "Shoulder", "Elbow", "Wrist")], _RIGHT),
    }
)
# Where the bone behind a hinge goes when it bends, at rest: a shin backwards, a forearm (palms down) forwards.
BENDS = MappingProxyType(
    {**dict.fromkeys(("LKnee", "RKnee"), (0.0, 0.0, -1.0)), **dict.fromkeys(("LElbow", "RElbow"), (0.0, 0.0, 1.0))}
)
TIP = 0.2  # of the bone before: the end site behind a hand or foot, whose own length no joint tells


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """Rotating node at joint `at`, -1 within a bone, whose part behind it it carries. parent: index of its node, -1 for
    the root; turns: the joint at the end of the bone that it rotates, -1 for the root and where a limb ends."""

    name: str
    parent: int
    at: int
    turns: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Rig:
    """Nodes, parents first, each behind its parent's other descendants as in the text of a BVH; carrier [J]: the node
    with which each joint moves; rigid: joints that are fixed to the root, the hips; directions [J, 3]: of the bone to
    each joint at rest, unit vectors (zero for the root); skeleton: the joints with the bones that are turned."""

    skeleton: Skeleton
    nodes: tuple[Node, ...]
    carrier: tuple[int, ...]
    rigid: tuple[int, ...]
    directions: Numbers


def rig_of(skeleton: Skeleton) -> Rig:
    """Returns the rig of a skeleton.

    Every bone has a node of its own, so that bones from one joint (both shoulders and the neck from the thorax) move
    apart from each other, but for the hips: they are fixed to the root and give it its direction. A head and its top
    that both hang on the neck become a chain, as in the hierarchies of animation software."""
    skeleton = _chained(skeleton)
    names = _names(skeleton)
    children: list[list[int]] = [[] for _ in skeleton.joints]
    for parent, child in skeleton.edges:
        children[parent].append(child)
    paired = set(skeleton.left) | set(skeleton.right)
    rigid = tuple(child for child in children[skeleton.root] if child in paired and len(paired) > 0)
    nodes = [Node(name=ROOT, parent=-1, at=skeleton.root, turns=-1)]
    carrier = [0] * skeleton.num_joints

    def add(joint: int) -> None:
        start, end = names[skeleton.parents[joint]], names[joint]
        carrier[joint] = carrier[skeleton.parents[joint]]
        if joint not in rigid:
            name = _TURNING_OF.get((start, end), _TURNING.get(end, end))
            nodes.append(Node(name=name, parent=carrier[joint], at=skeleton.parents[joint], turns=joint))
            carrier[joint] = len(nodes) - 1
        if (start, end) in _HEAD_WITHIN:
            nodes.append(Node(name=_HEAD_WITHIN[start, end], parent=carrier[joint], at=-1, turns=joint))
            carrier[joint] = len(nodes) - 1
        for child in children[joint]:
            add(child)
        if not children[joint] and end in _ENDING:
            nodes.append(Node(name=_ENDING[end], parent=carrier[joint], at=joint, turns=-1))

    for child in children[skeleton.root]:
        add(child)
    assert len({node.name for node in nodes}) == len(nodes), [node.name for node in nodes]
    return Rig(
        skeleton=skeleton, nodes=tuple(nodes), carrier=tuple(carrier), rigid=rigid, directions=_directions(skeleton)
    )


def _chained(skeleton: Skeleton) -> Skeleton:
    """Returns the skeleton with the top of the head behind the head, where both hang on one joint."""
    parent = dict(zip(skeleton.joints, skeleton.parents, strict=True))
    if parent.get("HeadTop", -1) != parent.get("Head", -2):
        return skeleton
    head, top = skeleton.joints.index("Head"), skeleton.joints.index("HeadTop")
    parents = (*skeleton.parents[:top], head, *skeleton.parents[top + 1 :])
    return dataclasses.replace(skeleton, parents=parents)


def _names(skeleton: Skeleton) -> tuple[str, ...]:
    """Returns the names by which nodes are chosen: of joints whose like has another name in Human3.6M, that one."""
    if "Thorax" in skeleton.joints or not set(_IN_H36M) <= set(skeleton.joints):
        return skeleton.joints
    return tuple(_IN_H36M.get(joint, joint) for joint in skeleton.joints)


def order_of(skeleton: Skeleton) -> list[int]:
    """Returns the joints but the root, each behind its parent."""
    found = [skeleton.root]
    for joint in found:
        found += [child for parent, child in skeleton.edges if parent == joint]
    return found[1:]


def _directions(skeleton: Skeleton) -> Numbers:
    found = np.zeros((skeleton.num_joints, 3))
    found[skeleton.root] = _UP
    for joint in order_of(skeleton):
        found[joint] = _AT_REST.get(skeleton.joints[joint], found[skeleton.parents[joint]])
    found[skeleton.root] = 0
    return found
