"""The top of the head: the end of the chain above the head's joint, or, where a file has none, a usual length."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

import numpy as np

from ...errors import DataError
from ..motion.bvh import END
from ..motion.recording import Recording, mixed
from ..motion.rotations import Signal, moved
from .limbs import LOOKED_AT, Tree
from .names import FACE
from .trunk import Weights, below

MADE = "top of the head"  # name of the point that is put in
HALFWAY = "no joint is at the base of the skull; it is put halfway between the neck and the top of the head"
# Lengths from the joint at the base of the skull to the top of the head, as shares of the way from the ankle along leg
# and trunk to that joint: usual (0.18 of 1.43 m), and the shortest and longest that a head has.
USUAL, SHORTEST, LONGEST = 0.125, 0.05, 0.24
CHAIN = (("LFoot", "LKnee"), ("LKnee", "LHip"), ("Hip", "Thorax"), ("Thorax", "Neck"))
UPRIGHT = 0.5  # cosine of the angle between neck and head, above which an end is no nose
TOP = re.compile(r"head.*(top|end|nub|site|tip|crown)|(top|crown).*head|vertex")


def with_head(tree: Tree, weights: Weights, where: str) -> tuple[Recording, Weights, tuple[str, ...]]:
    """Returns the recording and the joints with a Head; a note where its place is made up."""
    recording = tree.recording
    step = max(len(next(iter(recording.points.values()))) // LOOKED_AT, 1)
    few = {joint: mixed(recording.points, parts, step) for joint, parts in weights.items()}
    body = _length(few, CHAIN)
    head = list(weights["Neck"])[-1]
    top = "" if "Head" in weights else _top(tree, weights, head, few)
    if top:
        weights, few = weights | {"Head": {top: 1.0}}, few | {"Head": recording.points[top][::step]}
    found = _length(few, (("Neck", "Head"),)) if "Head" in few else 0.0
    if SHORTEST * body <= found <= LONGEST * body:
        is_between = not weights["Neck"].keys().isdisjoint(weights["Head"])
        return recording, weights, (HALFWAY,) if is_between else ()
    points, size = recording.points, USUAL * body
    way, is_resting = _way(recording, weights, head)
    if way is None:
        along = mixed(points, weights["Neck"]) - mixed(points, weights["Hip"])
        if not (np.linalg.norm(along, axis=-1) > 0).all():
            raise DataError(
                where, [f"the head has no top and {head} lies on the neck, so that its direction is unknown"]
            )
        added = size * along / np.linalg.norm(along, axis=-1, keepdims=True)
    else:
        added = moved(recording.turns[head], size * way)
    rest = recording.rest
    if way is not None and is_resting:
        rest = {**rest, MADE: rest[head] + size * way}
    recording = dataclasses.replace(recording, points={**points, MADE: points[head] + added}, rest=rest)
    fault = f"is {found:.3g} units long" if top or found else "has no end"
    note = f"the head above {head} {fault}; it gets a usual length, {USUAL:.1%} of the way from the ankle to the neck"
    return recording, weights | {"Head": {MADE: 1.0}}, (note,)


def _length(places: Mapping[str, Signal], bones: tuple[tuple[str, str], ...]) -> float:
    """Returns the length of bones in a row, medians over frames."""
    return float(sum(np.median(np.linalg.norm(places[one] - places[other], axis=-1)) for one, other in bones))


def _way(recording: Recording, weights: Weights, head: str) -> tuple[Signal | None, bool]:
    """Returns the direction [3] of the trunk in the head's own axes, mean over frames, and False; where the rest pose
    agrees with it, as where people stand in it, that of the rest pose and True. None without turns or trunk.

    Necks lean forwards, even of those who look straight ahead."""
    if head not in recording.turns:
        return None, False
    along = mixed(recording.points, weights["Thorax"]) - mixed(recording.points, weights["Hip"])
    mean = (recording.turns[head].swapaxes(-1, -2) @ along[..., None])[..., 0].mean(0)
    if not np.linalg.norm(mean) > 0:
        return None, False
    mean /= np.linalg.norm(mean)
    resting = mixed(recording.rest, weights["Thorax"]) - mixed(recording.rest, weights["Hip"])
    size = float(np.linalg.norm(resting))
    if size > 0 and float(resting @ mean) > UPRIGHT * size:
        return np.asarray(resting / size), True
    return mean, False


def _top(tree: Tree, weights: Weights, head: str, few: Mapping[str, Signal]) -> str:
    """Returns the highest joint or end site that hangs on the head and is none of the face; '' where there is none.

    What lies farther along the way from hip to head than across it counts as high, in the rest pose or in most
    frames."""
    recording = tree.recording
    names = [name for name in below(tree, head) if not _is_face(tree, head, name)]
    if not any(recording.parents.values()):
        names = [name for name in recording.points if TOP.search(name)]
    step = max(len(recording.points[head]) // LOOKED_AT, 1)
    best, most = "", 0.0
    for name in names:
        height = _height(recording.points[name][::step] - few["Neck"], few["Neck"] - few["Hip"])
        if recording.rest:
            neck, hip, left, right = (mixed(recording.rest, weights[one]) for one in ("Neck", "Hip", "LFoot", "RFoot"))
            # Only where people stand in the rest pose do all joints have axes that are alike.
            if _height((hip - (left + right) / 2)[None], (neck - hip)[None]) > 0:
                height = max(height, _height((recording.rest[name] - neck)[None], (neck - hip)[None]))
        if height > most:
            best, most = name, height
    return best


def _height(away: Signal, along: Signal) -> float:
    """Returns how far vectors [n, 3] reach along others, median over frames; 0 where they point elsewhere."""
    reach = (away * along).sum(-1) / np.maximum(np.linalg.norm(along, axis=-1), 1e-12)
    slope = reach / np.maximum(np.linalg.norm(away, axis=-1), 1e-12)
    return float(np.median(reach)) if np.median(slope) > UPRIGHT else 0.0


def _is_face(tree: Tree, head: str, name: str) -> bool:
    """Returns whether a joint, or one between it and the head, is named as a part of the face."""
    line = tree.line(name)
    return any(FACE.search(one.removesuffix(END)) for one in line[line.index(head) + 1 :] if one != head + END)
