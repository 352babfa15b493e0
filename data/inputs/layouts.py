"""Joint layouts of detectors: names in the order of the file, and how each Human3.6M joint is taken or made."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from ..poses.skeleton import H36M_16, H36M_17, HUMANEVA_15, MPI_INF_3DHP_17

COCO_17 = (
    *("Nose", "LEye", "REye", "LEar", "REar", "LShoulder", "RShoulder", "LElbow", "RElbow", "LWrist", "RWrist"),
    *("LHip", "RHip", "LKnee", "RKnee", "LAnkle", "RAnkle"),
)
# OpenPose's neck is the middle of the shoulders of COCO's labels, its 18 joints those with that neck.
COCO_18 = (
    *("Nose", "NeckBase", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist"),
    *("RHip", "RKnee", "RAnkle", "LHip", "LKnee", "LAnkle", "REye", "LEye", "REar", "LEar"),
)
BODY_25 = (
    *("Nose", "NeckBase", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist", "MidHip"),
    *("RHip", "RKnee", "RAnkle", "LHip", "LKnee", "LAnkle", "REye", "LEye", "REar", "LEar"),
    *("LBigToe", "LSmallToe", "LHeel", "RBigToe", "RSmallToe", "RHeel"),
)
HALPE_26 = (
    *COCO_17,
    *("HeadTop", "NeckBase", "MidHip", "LBigToe", "RBigToe", "LSmallToe", "RSmallToe", "LHeel", "RHeel"),
)
MPII_16 = (
    *("RAnkle", "RKnee", "RHip", "LHip", "LKnee", "LAnkle", "Pelvis", "Thorax", "UpperNeck", "HeadTop"),
    *("RWrist", "RElbow", "RShoulder", "LShoulder", "LElbow", "LWrist"),
)
# The joints of MPII without thorax and pelvis, and the middle of these, which OpenPose calls chest.
MPI_15 = (
    *("HeadTop", "UpperNeck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist"),
    *("RHip", "RKnee", "RAnkle", "LHip", "LKnee", "LAnkle", "MidTrunk"),
)
MEDIAPIPE_33 = (
    *("Nose", "LEyeInner", "LEye", "LEyeOuter", "REyeInner", "REye", "REyeOuter", "LEar", "REar", "LMouth", "RMouth"),
    *("LShoulder", "RShoulder", "LElbow", "RElbow", "LWrist", "RWrist", "LPinky", "RPinky", "LIndex", "RIndex"),
    *("LThumb", "RThumb", "LHip", "RHip", "LKnee", "RKnee", "LAnkle", "RAnkle", "LHeel", "RHeel", "LToe", "RToe"),
)


def _and_more(first: Sequence[str], count: int) -> tuple[str, ...]:
    """Names the joints of face and hands by their place: none of them is one of the body."""
    return (*first, *(f"Point{at}" for at in range(len(first), count)))


_FEET = ("LBigToe", "LSmallToe", "LHeel", "RBigToe", "RSmallToe", "RHeel")
# Joint names by layout and joint count, in the order of the file.
LAYOUTS: Mapping[str, Mapping[int, tuple[str, ...]]] = MappingProxyType(
    {
        "coco": {17: COCO_17},
        "h36m": {17: H36M_17.joints, 16: H36M_16.joints},
        "humaneva": {15: HUMANEVA_15.joints},
        "3dhp": {17: MPI_INF_3DHP_17.joints},
        "body25": {25: BODY_25},
        "coco18": {18: COCO_18},
        "halpe26": {26: HALPE_26},
        "halpe136": {136: _and_more(HALPE_26, 136)},
        "coco_wholebody": {133: _and_more((*COCO_17, *_FEET), 133)},
        "mediapipe33": {33: MEDIAPIPE_33},
        "mpii": {16: MPII_16},
        "mpi15": {15: MPI_15},
    }
)
# Where the order of a layout's joints is from.
SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "coco": "COCO (Lin et al. 2014): AlphaPose, Detectron2, MMPose, Ultralytics",
        "h36m": "Human3.6M (Ionescu et al. 2014), as in the lifters' demos",
        "humaneva": "HumanEva-I (Sigal et al. 2010)",
        "3dhp": "MPI-INF-3DHP (Mehta et al. 2017)",
        "body25": "OpenPose BODY_25 (Cao et al. 2019)",
        "coco18": "OpenPose COCO (Cao et al. 2017), AlphaPose's forms cmu and open",
        "halpe26": "Halpe (Fang et al. 2022): AlphaPose",
        "halpe136": "Halpe with face and hands (Fang et al. 2022): AlphaPose",
        "coco_wholebody": "COCO-WholeBody (Jin et al. 2020): MMPose",
        "mediapipe33": "BlazePose (Bazarevsky et al. 2020): MediaPipe",
        "mpii": "MPII (Andriluka et al. 2014)",
        "mpi15": "OpenPose MPI (Cao et al. 2017)",
    }
)
DATA_SETS = ("h36m", "humaneva", "3dhp")  # layouts of data sets, which no detector writes unasked
DETECTORS_ONLY = ("mpii", "mpi15")  # that no file has which does not say so; it has those of a data set
ALLOWED = ", ".join(f"{name} ({' or '.join(map(str, counts))})" for name, counts in LAYOUTS.items())

# Joints that poses are made from.
BODY = frozenset((*COCO_17, *H36M_17.joints)) - {"LEye", "REye", "LEar", "REar"}

# Joints that carry another name in the Human3.6M skeleton.
SYNONYMS: Mapping[str, str] = MappingProxyType(
    {
        **{"Pelvis": "Hip", "MidHip": "Hip", "NeckBase": "Thorax", "HeadTop": "Head"},
        **{"LAnkle": "LFoot", "RAnkle": "RFoot", "MidTrunk": "Spine"},
    }
)
# In MPI-INF-3DHP the neck is its base, where Human3.6M has the thorax, and the head stands where that has Neck/Nose.
SYNONYMS_3DHP: Mapping[str, str] = MappingProxyType({**SYNONYMS, "Neck": "Thorax", "Head": "Neck"})

# Joints that may be made where a layout or a frame lacks them: of what, in this order, and how that is said.
MADE: Mapping[str, tuple[tuple[str, ...], str]] = MappingProxyType(
    {
        "Hip": (("LHip", "RHip"), "Hip is the middle of the hips"),
        "Thorax": (("LShoulder", "RShoulder"), "Thorax the middle of the shoulders"),
        "Neck": (("Nose",), "Neck/Nose the nose"),
        "Head": (("Thorax", "Nose", "LEar", "REar"), "Head extrapolated from shoulders and ears"),
        "Spine": (("Hip", "Thorax"), "Spine the middle of Hip and Thorax"),
    }
)


def human36m_names(joints: Sequence[str], layout: str) -> list[str]:
    """Returns joints by the names of the Human3.6M skeleton; others keep theirs."""
    same = SYNONYMS_3DHP if layout == "3dhp" else SYNONYMS
    return [same.get(joint, joint) for joint in joints]


def taken_and_made(joints: Sequence[str], layout: str) -> dict[str, str]:
    """Returns, for each joint of Human3.6M that a layout has or that can be made, the name in the layout, or how it is
    made, as text."""
    names = human36m_names(joints, layout)
    found = {name: joint for name, joint in zip(names, joints, strict=True) if name in H36M_17.joints}
    for name, (sources, told) in MADE.items():
        if name not in found and all(one in found or one in names for one in sources):
            found[name] = told
    return {name: found[name] for name in H36M_17.joints if name in found}


# What the parts of joint names of COCO's categories mean, by the name without sides, blanks and signs.
_PARTS = {
    **{"nose": "Nose", "eye": "Eye", "ear": "Ear", "shoulder": "Shoulder", "elbow": "Elbow", "wrist": "Wrist"},
    **{"hip": "Hip", "knee": "Knee", "ankle": "Ankle", "hand": "Wrist", "foot": "Ankle"},
    **{"bigtoe": "BigToe", "smalltoe": "SmallToe", "heel": "Heel"},
}
_MIDDLES = {
    **{"root": "Hip", "pelvis": "Hip", "midhip": "Hip", "hips": "Hip", "centerhip": "Hip", "hipcenter": "Hip"},
    **{"spine": "Spine", "thorax": "Thorax", "neckbase": "NeckBase", "neck": "NeckBase", "upperneck": "UpperNeck"},
    **{"headbottom": "UpperNeck", "nose": "Nose", "necknose": "Neck"},
    **{"headtop": "HeadTop", "topofhead": "HeadTop", "tophead": "HeadTop", "head": "HeadTop"},
}
# Words that mean the other joint only where a file has none of that name.
_SPECIFIC = {"foot": "ankle", "hand": "wrist", "head": "headtop"}
_SIDES = {"left": "L", "right": "R", "l": "L", "r": "R"}


def joints_named(names: Sequence[str]) -> tuple[str, ...]:
    """Returns joints in our names for those that a file gives its own; what means nothing to us keeps its name.

    A foot is the ankle, a hand the wrist and a head its top unless these have joints of their own. Beside a thorax the
    neck is the Neck/Nose of Human3.6M where there is no nose; so is the head of MPI-INF-3DHP, beside its top."""
    parts = [_plain(name) for name in names]
    here = set(parts)
    found = [
        name if (parts[at][0], _SPECIFIC.get(parts[at][1], "")) in here else _joint(*parts[at]) or name
        for at, name in enumerate(names)
    ]
    if "Nose" not in found:
        other = "NeckBase" if "Thorax" in found else None
        found = [
            "Neck" if joint == other or (other is None and part == ("", "head") and ("", "headtop") in here) else joint
            for joint, part in zip(found, parts, strict=True)
        ]
    repeated = {joint for joint in found if found.count(joint) > 1}
    return tuple(name if joint in repeated else joint for joint, name in zip(found, names, strict=True))


def _joint(side: str, part: str) -> str | None:
    if side:
        return side + _PARTS[part] if part in _PARTS and part != "nose" else None
    return _MIDDLES.get(part)


def _plain(name: str) -> tuple[str, str]:
    """Splits a name into its side (L, R or none) and what it is of, in small letters without signs."""
    words = [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]
    for at in (0, -1):
        if len(words) > 1 and words[at] in _SIDES:
            return _SIDES[words[at]], "".join(words[1:] if at == 0 else words[:-1])
    joined = "".join(words)
    for word in ("left", "right"):
        if joined.startswith(word) and joined != word:
            return _SIDES[word], joined.removeprefix(word)
    if joined[:1] in ("l", "r") and joined[1:] in _PARTS:
        return _SIDES[joined[0]], joined[1:]
    return "", joined
