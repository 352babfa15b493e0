"""Joints from the labels of C3D files: joint centres that a laboratory's software has computed, or markers on the skin
of the Plug-in Gait and CMU sets.

Centres from markers alone are estimates: hips by regression from the pelvis, knees, ankles and elbows by half the width
of an adult's joint inwards from the marker at the outer side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from ...errors import DataError
from ...poses.skeleton import H36M_17
from ..motion.recording import Recording
from ..motion.rotations import Signal
from .joints import Body, body_of, is_named

# Joint -> labels, of which the first that is there is taken. The second groups are what Vicon's Plug-in Gait calls the
# ends of its segments: the far end of the femur is the knee, its near end the hip.
CENTRES: Mapping[str, tuple[str, ...]] = {
    "Hip": ("{}hjc", "{}fep", "{long}hipcenter"), "Knee": ("{}kjc", "{}feo"), "Foot": ("{}ajc", "{}tio"),
    "Shoulder": ("{}sjc", "{}clo", "{}hup"), "Elbow": ("{}ejc", "{}huo"), "Wrist": ("{}wjc", "{}rao"),
}  # fmt: skip
LONG, SIGN = {"L": "left", "R": "right"}, {"L": 1.0, "R": -1.0}
OTHER_NAMES = {  # of markers: label of the CMU set or of older software -> label of Plug-in Gait
    "lfwt": "lasi", "rfwt": "rasi", "lbwt": "lpsi", "rbwt": "rpsi", "lasis": "lasi", "rasis": "rasi", "lpsis": "lpsi",
    "rpsis": "rpsi",
}  # fmt: skip
# Markers at the inner side of knee and ankle.
INNER = {"kne": ("knein", "knm", "mkne"), "ank": ("ankin", "mma", "mank")}
# Metres from the middle of a marker on the skin to the centre of the joint of an adult: half of 0.10, 0.07 and 0.07 m
# and half of a marker of 0.014 m; below the top of the shoulder.
KNEE, ANKLE, ELBOW, SHOULDER = 0.057, 0.042, 0.042, 0.052
# Hip centres from the width and depth of the pelvis: Harrington et al., J. Biomech. 40 (2007) 595-602; metres.
FORWARD, UPWARD, OUTWARD = (-0.24, -0.0099), (-0.30, -0.0109), (0.33, 0.0073)
SKULL, TOP = 0.45, 0.5  # of the depth of the head, by which its base lies below, and its top above, a band around it
BENT = 0.3  # sine of the angle of an elbow from which its axis is certain
PELVIS, HEAD, CHEST = ("lasi", "rasi"), ("lfhd", "rfhd", "lbhd", "rbhd"), ("c7", "clav")


def body_of_labels(recording: Recording, where: str) -> Body:
    """Finds the joints of a recording without hierarchy, nan where a marker was not seen. DataError names what its
    labels lack."""
    points = {OTHER_NAMES.get(name, name): place for name, place in recording.points.items()}
    scale = 1.0 / (recording.metres_per_unit or 1.0)
    place: dict[str, Signal] = {}
    lacking: list[str] = []
    estimated: list[str] = []
    for side in "LR":
        for joint, names in CENTRES.items():
            labels = [text.format(side.lower(), long=LONG[side]) for text in names]
            known = next((points[label] for label in labels if _is_seen(points, label)), None)
            found = known if known is not None else ESTIMATES[joint](points, place, side, scale)
            if found is None:
                lacking.append(f"{side}{joint} ({' or '.join(labels).upper()}, or the markers around it)")
                continue
            place[side + joint] = found
            if known is None:
                estimated.append(side + joint)
    lacking += [label.upper() for label in (*CHEST, *HEAD) if label not in points]
    if lacking and is_named(recording):
        return body_of(recording, where)
    if lacking:
        there = ", ".join(recording.points) or "none"
        raise DataError(where, [f"no joints follow from its labels; it lacks {'; '.join(lacking)}; labels: {there}"])
    place |= _trunk(points, place)
    toes = {side: points[f"{side.lower()}toe"] for side in "LR" if f"{side.lower()}toe" in points}
    note = f"the centres of {', '.join(estimated)} are estimated from markers on the skin, to 1 to 4 cm"
    joints = np.stack([place[joint] for joint in H36M_17.joints], axis=1)
    return Body(joints=joints, toes=toes, rest=None, notes=(note,) if estimated else ())


Points = Mapping[str, Signal]


def _is_seen(points: Points, name: str) -> bool:
    return name in points and bool(np.isfinite(points[name]).any())


def _has(points: Points, *names: str) -> bool:
    return all(name in points for name in names)


def _hip(points: Points, place: Points, side: str, scale: float) -> Signal | None:
    if not _has(points, *PELVIS) or not (_has(points, "lpsi", "rpsi") or _has(points, "sacr")):
        return None
    front = (points["lasi"] + points["rasi"]) / 2
    back = (points["lpsi"] + points["rpsi"]) / 2 if _has(points, "lpsi", "rpsi") else points["sacr"]
    width = np.linalg.norm(points["lasi"] - points["rasi"], axis=-1, keepdims=True)
    depth = np.linalg.norm(front - back, axis=-1, keepdims=True)
    left = _unit(points["lasi"] - points["rasi"])
    ahead = _unit(_across(front - back, left))
    up = np.cross(ahead, left)
    size = [share * of + more * scale for (share, more), of in ((FORWARD, depth), (UPWARD, width), (OUTWARD, width))]
    return np.asarray(front + size[0] * ahead + size[1] * up + SIGN[side] * size[2] * left)


def _left_of_leg(points: Points, place: Points, side: str) -> Signal | None:
    """Returns the direction to the left across the foot, [n, 3]; None without toe or hip."""
    low = side.lower()
    heel = low + "hee" if low + "hee" in points else low + "ank"
    if not _has(points, low + "toe", heel, low + "ank") or side + "Hip" not in place:
        return None
    return _unit(np.cross(place[side + "Hip"] - points[low + "ank"], points[low + "toe"] - points[heel]))


def _knee(points: Points, place: Points, side: str, scale: float) -> Signal | None:
    low = side.lower()
    inner = next((low + name for name in INNER["kne"] if low + name in points), None)
    if low + "kne" not in points or side + "Hip" not in place:
        return None
    marker = points[low + "kne"]
    if inner is not None:
        return np.asarray((marker + points[inner]) / 2)
    thigh = _unit(marker - place[side + "Hip"])
    if low + "thi" in points:  # lies in the plane of hip, knee and the marker at its outer side, as Plug-in Gait has it
        outward = _across(points[low + "thi"] - marker, thigh)
    elif _has(points, *PELVIS):
        outward = SIGN[side] * _across(_unit(points["lasi"] - points["rasi"]), thigh)
    else:
        return None
    return np.asarray(marker - KNEE * scale * _unit(outward))


def _ankle(points: Points, place: Points, side: str, scale: float) -> Signal | None:
    low = side.lower()
    if low + "ank" not in points:
        return None
    marker = points[low + "ank"]
    inner = next((low + name for name in INNER["ank"] if low + name in points), None)
    if inner is not None:
        return np.asarray((marker + points[inner]) / 2)
    left = _left_of_leg(points, place, side)
    return None if left is None else np.asarray(marker - SIGN[side] * ANKLE * scale * left)


def _shoulder(points: Points, place: Points, side: str, scale: float) -> Signal | None:
    marker = points.get(f"{side.lower()}sho")
    if marker is None or not _has(points, *CHEST) or not _has(place, "LHip"):
        return None
    below = (points["t10"] + points["strn"]) / 2 if _has(points, "t10", "strn") else place["LHip"]
    return np.asarray(marker - SHOULDER * scale * _unit((points["c7"] + points["clav"]) / 2 - below))


def _wrist(points: Points, place: Points, side: str, scale: float) -> Signal | None:
    pair = [points[name] for name in (f"{side.lower()}wra", f"{side.lower()}wrb") if name in points]
    return np.asarray(sum(pair) / len(pair)) if pair else None


def _elbow(points: Points, place: Points, side: str, scale: float) -> Signal | None:
    marker, hand = points.get(f"{side.lower()}elb"), _wrist(points, place, side, scale)
    if marker is None or hand is None or side + "Shoulder" not in place:
        return None
    # The axis of the elbow lies across upper arm and forearm; a straight arm has none, and the marker stays.
    axis = np.cross(_unit(marker - place[side + "Shoulder"]), _unit(hand - marker))
    bent = np.linalg.norm(axis, axis=-1, keepdims=True)
    return np.asarray(marker + SIGN[side] * ELBOW * scale * np.minimum(bent / BENT, 1) * _unit(axis))


def _trunk(points: Points, place: Points) -> dict[str, Signal]:
    """Returns hip, spine, thorax, neck and head."""
    hip = (place["LHip"] + place["RHip"]) / 2
    thorax = (points["c7"] + points["clav"]) / 2
    front, back = (points["lfhd"] + points["rfhd"]) / 2, (points["lbhd"] + points["rbhd"]) / 2
    left = points["lfhd"] + points["lbhd"] - points["rfhd"] - points["rbhd"]
    up = np.linalg.norm(front - back, axis=-1, keepdims=True) * _unit(np.cross(front - back, left))
    band = (front + back) / 2
    return {
        "Hip": hip, "Spine": (hip + thorax) / 2, "Thorax": thorax, "Neck": band - SKULL * up, "Head": band + TOP * up,
    }  # fmt: skip


def _across(vectors: Signal, axis: Signal) -> Signal:
    """Returns the part of vectors [n, 3] that is orthogonal to unit vectors."""
    part: Signal = vectors - (vectors * axis).sum(-1, keepdims=True) * axis
    return part


def _unit(vectors: Signal) -> Signal:
    unit: Signal = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
    return unit


Estimate = Callable[[Points, Points, str, float], Signal | None]
ESTIMATES: Mapping[str, Estimate] = MappingProxyType(
    {"Hip": _hip, "Knee": _knee, "Foot": _ankle, "Shoulder": _shoulder, "Elbow": _elbow, "Wrist": _wrist}
)
