"""Plausibility of 3D poses: people who lie, stand on their heads, float, have exchanged sides, or bones without a
length."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .anatomy import Points, are_sides_exchanged
from .detected import named_clips
from .poseset import PoseSet, Sequence
from .skeleton import Skeleton

# Cosine between the vertical and trunk and legs, below which somebody lies; below minus this somebody is upside down.
FLAT = 0.5
WHOLE = 0.98  # of the frames; people lie and turn over in a part of many clips, and rise again
FLOOR, OFTEN_LOWEST = (-0.4, 0.6), 5  # metres; of the lowest joint, in the per cent of the frames in which it is lowest
NO_LENGTH = 0.01  # metres
CHANGING = 0.2  # of its length by which a limb changes within a clip
SMOOTH = 9  # frames over which lengths are averaged first; noise of single frames is no change
FEWEST_FRAMES = 10  # of a clip, below which nothing is said about changes
OUTER = 2.5  # per cent of the frames at either end, in which a bone may have any length
LIMBS = (("Hip", "Knee"), ("Knee", "Foot"), ("Shoulder", "Elbow"), ("Elbow", "Wrist"))
LEG = frozenset(side + joint for side in "LR" for joint in ("Hip", "Knee", "Foot"))
SYNONYMS = {"Ankle": "Foot", "Neck": "Thorax"}  # of joints in HumanEva-I and MPI-INF-3DHP
UPRIGHT_REMEDY = "turn the axes so that z points up (of a conversion: --up)"


def pose_faults(poses: PoseSet, *, is_z_up: bool) -> list[str]:
    """Lists what is wrong with the 3D poses, a line for each subject and kind of fault. `is_z_up`: whether positions
    are in world axes with z up; others are not compared with the floor."""
    found: dict[tuple[str, str], list[str]] = {}
    for clip in poses.sequences:
        for fault in _faults(clip, poses.skeleton, is_z_up):
            found.setdefault((clip.subject, fault), []).append(clip.action)
    return [f"subject {subject}: {fault}; {named_clips(clips)}" for (subject, fault), clips in found.items()]


def _faults(clip: Sequence, skeleton: Skeleton, is_z_up: bool) -> Iterator[str]:
    poses = clip.pose3d[np.isfinite(clip.pose3d).all((1, 2))].astype(np.float64)
    if not len(poses):
        return
    place = _places(poses, skeleton)
    yield from _bone_faults(poses, skeleton)
    if place.keys() >= LEG and are_sides_exchanged(place):
        yield (
            "knees bend forwards: left and right are exchanged, or an axis is mirrored; exchange the joints of both "
            "sides, or turn one axis round"
        )
    if not is_z_up or not place.keys() >= LEG | {"Thorax"}:
        return
    hips = (place["LHip"] + place["RHip"]) / 2
    trunk, legs = _slope(place["Thorax"] - hips), _slope(hips - (place["LFoot"] + place["RFoot"]) / 2)
    lowest = float(np.percentile(poses[..., 2].min(1), OFTEN_LOWEST))
    if ((np.abs(trunk) < FLAT) & (np.abs(legs) < FLAT)).mean() > WHOLE:
        yield f"lies from the first to the last frame; where that is not so, {UPRIGHT_REMEDY}"
    elif ((trunk < -FLAT) & (legs < -FLAT)).mean() > WHOLE:
        yield f"is upside down from the first to the last frame; {UPRIGHT_REMEDY}"
    elif not FLOOR[0] <= lowest <= FLOOR[1]:
        side = "over" if lowest > 0 else "under"
        yield (
            f"feet are more than {abs(FLOOR[lowest > 0]):g} m {side} the floor (z = 0); subtract the height of the "
            "floor, and look at the units"
        )


def _places(poses: Points, skeleton: Skeleton) -> dict[str, Points]:
    """Returns joint of Human3.6M -> positions [n, 3], of joints of other skeletons by their name there."""
    found: dict[str, Points] = {}
    for at, name in enumerate(skeleton.joints):
        side = name[:1] if name[:1] in "LR" and name[1:2].isupper() else ""
        part = name[len(side) :]
        found.setdefault(side + (SYNONYMS.get(part, part)), poses[:, at])
    if "Thorax" in skeleton.joints:
        found["Thorax"] = poses[:, skeleton.joints.index("Thorax")]
    return found


def _bone_faults(poses: Points, skeleton: Skeleton) -> Iterator[str]:
    """Yields bones without a length, and limbs whose length changes."""
    joints = skeleton.joints
    empty, changing = [], []
    for one, other in skeleton.edges:
        if "Static" in joints[one] + joints[other]:
            continue
        lengths = np.linalg.norm(poses[:, one] - poses[:, other], axis=-1)
        short = int((lengths < NO_LENGTH).sum())
        name = f"{joints[one]} to {joints[other]}"
        if short > (1 - WHOLE) * len(lengths):
            empty.append(name)
        elif len(lengths) >= FEWEST_FRAMES and _is_limb(joints[one], joints[other]):
            even = np.convolve(lengths, np.full(SMOOTH, 1 / SMOOTH), "valid")
            low, middle, high = np.percentile(even, (OUTER, 50, 100 - OUTER))
            if high - low > CHANGING * middle:
                changing.append(f"{name} {low:.2g} to {high:.2g} m")
    if empty:
        yield f"bones without a length ({', '.join(empty)}); give these joints places of their own, or drop the clip"
    if changing:
        yield f"bones that change their length ({', '.join(changing)}); look for lost joints and two people in one clip"


def _is_limb(one: str, other: str) -> bool:
    parts = tuple(SYNONYMS.get(name[1:], name[1:]) for name in (one, other))
    return one[:1] == other[:1] and one[:1] in "LR" and parts in LIMBS


def _slope(vectors: Points) -> Points:
    """Returns the cosine [n] between vectors [n, 3] and the vertical."""
    slope: Points = vectors[:, 2] / np.maximum(np.linalg.norm(vectors, axis=-1), 1e-12)
    return slope
