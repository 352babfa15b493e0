"""Joint mapping: keypoints of COCO and other joint sets as those of a target skeleton, and interpolation of missing
ones. Numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..poses.skeleton import MPI_INF_3DHP_17, Skeleton
from .detectors.numbers import Points
from .keypoints import NAMED, Keypoints
from .layouts import MADE, human36m_names

# From the shoulder line through the ears to the top of the head: eyes and ears stand at 0.936 of a body's height, the
# shoulders at 0.818 (Drillis and Contini 1966), so the top lies (1 - 0.936) / (0.936 - 0.818) of that way beyond them.
BEYOND_EARS = 0.54
FILLED = ("Hip", "Thorax")  # middles that a detector finds or not, while it finds what they are between
NAMES_SHOWN = 6  # joints of a file, in a message


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
    names = human36m_names(target.joints, "3dhp" if target == MPI_INF_3DHP_17 else "")
    missing = [joint for joint in names if joint not in known]
    if missing:
        here = ", ".join(keypoints.joints[:NAMES_SHOWN])
        more = ", ..." if len(keypoints.joints) > NAMES_SHOWN else ""
        named = f" ({here}{more})" if keypoints.layout == NAMED else ""
        found = f"{len(keypoints.joints)} {keypoints.layout} joints{named} have no {', '.join(missing)}"
        remedy = f"the network wants {target.name}; give keypoints with them, or a config with other joints"
        raise DataError("keypoints", [f"{found}, and nothing to make it from: {remedy}"])
    return np.stack([known[name] for name in names], 1), [made[name] for name in names if name in made]


def scores_of(keypoints: Keypoints, target: Skeleton) -> Points | None:
    """Returns the scores [n, J] of the target's joints, 0 where a joint was not detected; that of a joint made of
    others is their mean. None where the file has no scores."""
    if keypoints.score is None:
        return None
    score = np.where(np.isnan(keypoints.points).any(-1), 0, np.nan_to_num(keypoints.score))
    names = human36m_names(keypoints.joints, keypoints.layout)
    known = {name: score[:, at] for at, name in enumerate(names)}
    for name, (sources, _) in MADE.items():
        if name not in known and all(one in known for one in sources):
            known[name] = np.mean([known[one] for one in sources], 0)
    wanted = human36m_names(target.joints, "3dhp" if target == MPI_INF_3DHP_17 else "")
    return np.stack([known[name] for name in wanted], 1)


def _human36m(keypoints: Keypoints) -> tuple[dict[str, Points], dict[str, str]]:
    """Returns every Human3.6M joint that the layout has or can approximate, and how the approximated ones are
    computed. A middle that the layout has is made too in frames without it."""
    names = human36m_names(keypoints.joints, keypoints.layout)
    known = {name: keypoints.points[:, at] for at, name in enumerate(names)}
    made: dict[str, str] = {}
    for name, (sources, told) in MADE.items():
        if not all(one in known for one in sources):
            continue
        if name not in known:
            made[name] = told
            known[name] = _made(name, sources, known)
        elif name in FILLED and np.isnan(known[name]).any():
            known[name] = np.where(np.isnan(known[name]), _made(name, sources, known), known[name])
    return known, made


def _made(name: str, sources: tuple[str, ...], known: dict[str, Points]) -> Points:
    if name == "Head":
        return _top_of_head(known)
    found: Points = np.mean([known[one] for one in sources], 0)
    return found


def _top_of_head(known: dict[str, Points]) -> Points:
    """Extrapolates the top of the head beyond the ears, seen from the shoulders; where both ears are hidden the eyes or
    the nose replace them."""
    anchor = known["Nose"].copy()
    for pair in (("LEye", "REye"), ("LEar", "REar")):
        if not all(name in known for name in pair):
            continue
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
