"""Who moves in a recording: lengths of bones, by which files of one folder are told apart, and the proportions that
people have."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ...poses.skeleton import H36M_17
from ..motion.rotations import Signal

AT = {name: at for at, name in enumerate(H36M_17.joints)}
# Bones whose lengths recordings of one person share, whatever was done to the spine.
LONG_BONES = (
    ("LHip", "LKnee"), ("RHip", "RKnee"), ("LKnee", "LFoot"), ("RKnee", "RFoot"),
    ("LShoulder", "LElbow"), ("RShoulder", "RElbow"), ("LElbow", "LWrist"), ("RElbow", "RWrist"),
)  # fmt: skip
# Share by which long bones of one person differ between recordings at most: of skeletons, and measured with markers.
SAME, SAME_MEASURED = 0.025, 0.1
# Means over both sides and shares of the whole leg: from a child of five to a tall adult, with joints that software has
# put where it pleases. Quadrupeds and cartoon figures are outside.
RATIOS = {
    "thigh": (0.35, 0.65),
    "upper arm": (0.2, 0.55),
    "forearm": (0.17, 0.5),
    "hip to neck": (0.4, 0.95),
    "width of the hips": (0.06, 0.5),
}
UNEVEN = 1.4  # factor between left and right


def bone_lengths(joints: Signal) -> Signal:
    """Returns the lengths [8] of LONG_BONES in positions [n, 17, 3], medians over frames."""
    return np.array([_length(joints, *bone) for bone in LONG_BONES])


def _length(joints: Signal, one: str, other: str) -> float:
    return float(np.median(np.linalg.norm(joints[:, AT[one]] - joints[:, AT[other]], axis=-1)))


def misshapen(joints: Signal) -> list[str]:
    """Lists what no person has, of positions [n, 17, 3] in any unit."""
    lengths = bone_lengths(joints)
    faults = []
    for (one, other), left, right in zip(LONG_BONES[::2], lengths[::2], lengths[1::2], strict=True):
        if not 1 / UNEVEN <= left / max(right, 1e-12) <= UNEVEN:
            name = f"{one[1:]} to {other[1:]}"
            faults.append(f"left and right are unlike: {name} is {left:.4g} and {right:.4g} units long")
    thigh, shin, upper_arm, forearm = lengths.reshape(4, 2).mean(1)
    leg = max(thigh + shin, 1e-12)
    trunk = _length(joints, "Hip", "Thorax")
    found = (thigh, upper_arm, forearm, trunk, _length(joints, "LHip", "RHip"))
    for (part, (least, most)), size in zip(RATIOS.items(), found, strict=True):
        if not least <= size / leg <= most:
            faults.append(f"{part} is {size / leg:.2f} of a leg, people have {least:g} to {most:g}")
    return faults


def same_person(lengths: Sequence[Signal], *, is_measured: bool = False) -> list[int]:
    """Returns the number of the person, from 0 in order of appearance, in each recording by its bone lengths [8]."""
    most = SAME_MEASURED if is_measured else SAME
    people: list[Signal] = []
    found: list[int] = []
    for one in lengths:
        apart = [float(np.abs(one / other - 1).max()) for other in people]
        nearest = int(np.argmin(apart)) if apart else -1
        if nearest < 0 or apart[nearest] > most:
            people.append(one)
            nearest = len(people) - 1
        found.append(nearest)
    return found


def person_names(folder: str, groups: Sequence[Sequence[str]]) -> list[str]:
    """Returns a name for each person of a folder from the names of the person's files: the words that all of these
    share and no other person's file has, else the folder and a number."""
    words = [[set(re.findall(r"[A-Za-z]+\d*|\d+", stem)) for stem in stems] for stems in groups]
    names = []
    for own, stems in zip(words, groups, strict=True):
        others = set().union(*(one for many in words if many is not own for one in many))
        common = set.intersection(*own) - others
        in_order = [word for word in re.findall(r"[A-Za-z]+\d*|\d+", stems[0]) if word in common]
        names.append("_".join(dict.fromkeys(in_order)))
    are_good = all(names) and len(set(names)) == len(names)
    return names if are_good else [f"{folder}_{number}" for number in range(1, len(groups) + 1)]
