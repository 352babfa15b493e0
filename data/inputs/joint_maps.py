"""Joint mapping: keypoints of COCO and other joint sets as those of a target skeleton, and interpolation of missing
ones. Numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..poses.skeleton import MPI_INF_3DHP_17, Skeleton
from .detections import Points
from .keypoints import Keypoints

# Joints that carry another name in the Human3.6M skeleton.
SYNONYMS = {"Pelvis": "Hip", "LAnkle": "LFoot", "RAnkle": "RFoot"}
# In MPI-INF-3DHP the neck is its base, where Human3.6M has the thorax, and the head stands where that has Neck/Nose.
SYNONYMS_3DHP = {**SYNONYMS, "HeadTop": "Head", "Neck": "Thorax", "Head": "Neck"}
# From the shoulder line through the ears to the top of the head: eyes and ears stand at 0.936 of a body's height, the
# shoulders at 0.818 (Drillis and Contini 1966), so the top lies (1 - 0.936) / (0.936 - 0.818) of that way beyond them.
BEYOND_EARS = 0.54


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """Frames [first, last] in which `joints` were not detected; is_whole: no joint was."""

    first: int
    last: int
    joints: tuple[str, ...]
    is_whole: bool


def to_skeleton(keypoints: Keypoints, target: Skeleton) -> tuple[Points, list[str]]:
    """Maps keypoints to pixels [n, J, 2] of the target's joints, nan where their sources were not detected, and
    describes joints that are only approximated. DataError names target joints that the layout cannot give."""
    known, made = _human36m(keypoints)
    names = _names(target.joints, target == MPI_INF_3DHP_17)
    missing = [joint for joint in names if joint not in known]
    if missing:
        found = f"{len(keypoints.joints)} {keypoints.layout} joints have no {', '.join(missing)}"
        remedy = f"the network wants {target.name}; give keypoints with them, or a config with other joints"
        raise DataError("keypoints", [f"{found}, and nothing to make it from: {remedy}"])
    return np.stack([known[name] for name in names], 1), [made[name] for name in names if name in made]


def _names(joints: tuple[str, ...], is_3dhp: bool) -> list[str]:
    """Returns the joints by the names of the Human3.6M skeleton."""
    same = SYNONYMS_3DHP if is_3dhp else SYNONYMS
    return [same.get(joint, joint) for joint in joints]


def _human36m(keypoints: Keypoints) -> tuple[dict[str, Points], dict[str, str]]:
    """Returns every Human3.6M joint that the layout has or can approximate, and how the approximated ones are
    computed."""
    names = _names(keypoints.joints, keypoints.layout == "3dhp")
    known = {name: keypoints.points[:, at] for at, name in enumerate(names)}
    made: dict[str, str] = {}
    if keypoints.layout == "coco":
        known["Hip"] = (known["LHip"] + known["RHip"]) / 2
        known["Thorax"] = (known["LShoulder"] + known["RShoulder"]) / 2
        known["Neck"] = known["Nose"]
        known["Head"] = _top_of_head(known)
        made = {
            "Hip": "Hip is the middle of the hips",
            "Thorax": "Thorax the middle of the shoulders",
            "Neck": "Neck/Nose the nose",
            "Head": "Head extrapolated from shoulders and ears",
        }
    if "Spine" not in known:
        known["Spine"] = (known["Hip"] + known["Thorax"]) / 2
        made["Spine"] = "Spine the middle of Hip and Thorax"
    return known, made


def _top_of_head(known: dict[str, Points]) -> Points:
    """Extrapolates the top of the head beyond the ears, seen from the shoulders; where both ears are hidden the eyes or
    the nose replace them."""
    anchor = known["Nose"].copy()
    for pair in (("LEye", "REye"), ("LEar", "REar")):
        both = np.stack([known[name] for name in pair])
        seen = ~np.isnan(both[..., :1])
        # One ear alone is as good as there is in a view from the side; the sum avoids the warning of an empty mean.
        count = seen.sum(0)
        middle = np.where(seen, both, 0).sum(0) / np.maximum(count, 1)
        anchor = np.where(count > 0, middle, anchor)
    result: Points = anchor + BEYOND_EARS * (anchor - known["Thorax"])
    return result


def fill_gaps(points: Points, joints: tuple[str, ...]) -> tuple[Points, NDArray[np.bool_]]:
    """Interpolates every nan of points [n, J, 2], linearly in time inside and by the nearest frame at the ends; also
    returns the mask [n, J] of filled joints. DataError names joints that no frame has."""
    is_missing: NDArray[np.bool_] = np.asarray(np.isnan(points).any(-1))
    never = [joint for joint, gone in zip(joints, np.asarray(is_missing.all(0)), strict=True) if gone]
    if never:
        raise DataError("keypoints", [f"no frame has {', '.join(never)}; the network needs every joint at least once"])
    filled, frames = points.copy(), np.arange(len(points))
    for joint in np.flatnonzero(is_missing.any(0)):
        gone = is_missing[:, joint]
        for axis in range(2):
            filled[gone, joint, axis] = np.interp(frames[gone], frames[~gone], points[~gone, joint, axis])
    return filled, is_missing


def long_gaps(is_missing: NDArray[np.bool_], joints: tuple[str, ...], longer_than: float) -> list[Gap]:
    """Returns the gaps of more than `longer_than` frames, in order of time; joints that come and go together are one
    gap."""
    found: dict[tuple[int, int], list[str]] = {}
    for at, joint in enumerate(joints):
        edges = np.diff(np.concatenate(([0], is_missing[:, at].astype(np.int8), [0])))
        for first, end in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
            if end - first > longer_than:
                found.setdefault((int(first), int(end) - 1), []).append(joint)
    return [
        Gap(first=first, last=last, joints=tuple(names), is_whole=len(names) == len(joints))
        for (first, last), names in sorted(found.items())
    ]
