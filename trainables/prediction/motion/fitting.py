"""Fit of a rig with bones of fixed lengths to predicted poses: rotations of its nodes, for all frames at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.poses.skeleton import Skeleton

from .motion import Motion
from .rig import BENDS, NECK, TIP, Rig, order_of, rig_of

Numbers = NDArray[np.float64]

SHORTEST = 1e-6  # metres; a bone or an axis below has no direction
# Sines of the angle of a hinge between which its plane gains say over the twist of the bone before it: a straight limb
# has no plane, and that of a nearly straight one is noise.
STRAIGHT, BENT = 0.15, 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """Rig in motion: offsets [N, 3] of the nodes from their parents and tips [N, 3] of what each node ends in, metres,
    at rest; turns [n, N, 3, 3]: rotations of the nodes to their parents' axes; root [n, 3]: positions of the root;
    points [n, J, 3] of the joints; errors [m, J]: distances to the predicted joints
    in the m frames with a detection, metres."""

    rig: Rig
    offsets: Numbers
    tips: Numbers
    turns: Numbers
    root: Numbers
    points: Numbers
    errors: Numbers
    fps: float

    @property
    def told(self) -> str:
        """One line on how far the fitted joints are from the predicted ones."""
        mean, most = 1000 * self.errors.mean(), 1000 * self.errors.max()
        return f"fitted to fixed bones: mean {mean:.1f} mm, at most {most:.1f} mm"


def fitted(motion: Motion) -> Fitted:
    """Fits the rig of the motion's skeleton to all frames at once.

    Bone lengths are medians over the frames with a detection (all, if there is none). Each bone points from its fitted
    start to the predicted joint at its end, so errors do not add up along a limb. Frames without a detection are fitted
    too, and do not count in `errors`."""
    rig, points, seen = rig_of(motion.skeleton), motion.points, ~motion.is_missing
    skeleton = rig.skeleton
    if not seen.any():
        seen = np.ones_like(seen)
    rest = _rest(rig, skeleton, points, seen)
    found, whole = np.empty_like(points), np.empty((len(points), len(rig.nodes), 3, 3))
    found[:, skeleton.root] = points[:, skeleton.root]
    whole[:, 0] = root_axes(rig, skeleton, points)
    nodes: dict[int, list[int]] = {}
    for at, node in enumerate(rig.nodes):
        nodes.setdefault(node.turns, []).append(at)
    children = dict(skeleton.edges)  # of a hinge the only one
    for joint in order_of(skeleton):
        start = skeleton.parents[joint]
        if joint in rig.rigid:
            found[:, joint] = found[:, start] + whole[:, 0] @ rest[joint]
            continue
        before = whole[:, rig.nodes[nodes[joint][0]].parent]
        turn = _swung(before, rig.directions[joint], points[:, joint] - found[:, start])
        if skeleton.joints[joint] in BENDS and joint in children:
            bend = points[:, children[joint]] - points[:, joint]
            turn = _twisted(turn, rig.directions[joint], np.array(BENDS[skeleton.joints[joint]]), bend)
        whole[:, nodes[joint]] = turn[:, None]
        found[:, joint] = found[:, start] + turn @ rest[joint]
    for at, node in enumerate(rig.nodes):
        if at and node.turns < 0:
            whole[:, at] = whole[:, node.parent]
    turns = whole.copy()
    parents = [node.parent for node in rig.nodes[1:]]
    turns[:, 1:] = whole[:, parents].swapaxes(-1, -2) @ whole[:, 1:]
    offsets, tips = _offsets(rig, rest)
    return Fitted(
        rig=rig, offsets=offsets, tips=tips, turns=turns, root=found[:, skeleton.root],
        points=found, errors=np.linalg.norm(found - points, axis=-1)[seen], fps=motion.fps,
    )  # fmt: skip


def _rest(rig: Rig, skeleton: Skeleton, points: Numbers, seen: NDArray[np.bool_]) -> Numbers:
    """Returns the bone to every joint at rest [J, 3], in metres; hips lie as they mostly do to the root's axes."""
    parents = np.array(skeleton.parents)
    bones = points[seen] - points[seen][:, parents]
    lengths = np.median(np.linalg.norm(bones, axis=-1), axis=0)
    rest: Numbers = rig.directions * lengths[:, None]
    rest[skeleton.root] = 0
    axes = root_axes(rig, skeleton, points)[seen]
    for joint in rig.rigid:
        own = np.median((axes.swapaxes(-1, -2) @ bones[:, joint, :, None])[..., 0], axis=0)
        if (size := np.linalg.norm(own)) > SHORTEST:
            rest[joint] = own * lengths[joint] / size
    return rest


def _offsets(rig: Rig, rest: Numbers) -> tuple[Numbers, Numbers]:
    """Returns the offsets and tips of the nodes."""
    offsets, tips = np.zeros((len(rig.nodes), 3)), np.zeros((len(rig.nodes), 3))
    for at, node in enumerate(rig.nodes[1:], start=1):
        if node.at < 0:
            bone = rest[node.turns]
            offsets[at] = tips[node.parent] = NECK * bone
            tips[at] = bone - offsets[at]
            continue
        # A node at a joint that its parent turns, or that is fixed to the root, is a bone away from it.
        if rig.nodes[node.parent].at != node.at:
            offsets[at] = rest[node.at]
        tips[at] = rest[node.turns] if node.turns >= 0 else TIP * rest[node.at]
    return offsets, tips


def root_axes(rig: Rig, skeleton: Skeleton, points: Numbers) -> Numbers:
    """Returns the axes of the root [n, 3, 3], columns left, up and forward: left from the right hip to the left one, up
    to the other joints that hang on the root. Unturned without hips; a frame without direction has that before it."""
    left = [joint for joint in rig.rigid if joint in skeleton.left]
    right = [joint for joint in rig.rigid if joint in skeleton.right]
    above = [child for parent, child in skeleton.edges if parent == skeleton.root and child not in rig.rigid]
    if not (left and right and above):
        return np.broadcast_to(np.eye(3), (len(points), 3, 3)).copy()
    side, _ = _unit(points[:, left].mean(1) - points[:, right].mean(1))
    up = (points[:, above] - points[:, [skeleton.root]]).sum(1)
    up, is_clear = _unit(up - _dot(up, side) * side)
    axes = np.stack((side, up, np.cross(side, up)), axis=-1)
    axes[~is_clear] = np.eye(3)
    known = np.maximum.accumulate(np.where(is_clear, np.arange(len(points)), 0))
    return axes[known]


def _swung(before: Numbers, direction: Numbers, target: Numbers) -> Numbers:
    """Returns rotations [n, 3, 3] that bring a unit vector [3] of rest to the directions of targets [n, 3], by the
    shortest way from where rotations `before` [n, 3, 3] bring it; those themselves where a target has no direction."""
    was = before @ direction
    to, is_clear = _unit(target)
    to = np.where(is_clear[:, None], to, was)
    axis = np.cross(was, to)
    sine, cosine = np.linalg.norm(axis, axis=-1, keepdims=True), _dot(was, to)
    # Directions along one line have no axis between them: any across will do, as the way is none, or half a turn.
    across = np.cross(was, np.eye(3)[np.abs(was).argmin(1)])
    axis = np.where(sine > SHORTEST**2, axis / np.maximum(sine, SHORTEST**2), across)
    axis, _ = _unit(axis - _dot(axis, was) * was)
    size = np.hypot(sine, cosine)
    cross = _crossing(axis)
    turned: Numbers = (
        np.eye(3) + (sine / size)[..., None] * cross + (1 - cosine / size)[..., None] * (cross @ cross)
    ) @ before
    return turned


def _twisted(turn: Numbers, direction: Numbers, bends: Numbers, bend: Numbers) -> Numbers:
    """Turns rotations [n, 3, 3] about their own bones so that the hinge at the end bends in its plane: `bends` [3],
    at rest, towards the bone behind it [n, 3]. A straight limb keeps its twist."""
    along, across = turn @ direction, turn @ bends
    size = np.linalg.norm(bend, axis=-1, keepdims=True)
    lateral = bend - _dot(bend, along) * along
    sine = np.linalg.norm(lateral, axis=-1, keepdims=True) / np.maximum(size, SHORTEST)
    share = np.clip((sine - STRAIGHT) / (BENT - STRAIGHT), 0, 1)
    wanted, _ = _unit(lateral)
    between = (1 - share) * across + share * wanted
    to, is_clear = _unit(between - _dot(between, along) * along)
    to = np.where(is_clear[:, None], to, across)
    # Both lie across the bone, so this turns about it.
    rest = np.stack((direction, bends, np.cross(direction, bends)), axis=-1)
    found: Numbers = np.stack((along, to, np.cross(along, to)), axis=-1) @ rest.T
    return found


def _unit(vectors: Numbers) -> tuple[Numbers, NDArray[np.bool_]]:
    """Returns unit vectors [n, 3], and which have a direction [n]."""
    size = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(size, SHORTEST), size[..., 0] > SHORTEST


def _dot(first: Numbers, second: Numbers) -> Numbers:
    found: Numbers = (first * second).sum(-1, keepdims=True)
    return found


def _crossing(axis: Numbers) -> Numbers:
    """Returns the matrices [n, 3, 3] of the cross product with axes [n, 3]."""
    found = np.zeros((len(axis), 3, 3))
    for first, second, third in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        found[:, third, second], found[:, second, third] = axis[:, first], -axis[:, first]
    return found
