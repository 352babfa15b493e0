"""Trunk and head in a hierarchy of named joints: spine, base of the neck, and the joint of the head."""

from __future__ import annotations

import re

import numpy as np

from ..motion.recording import mixed
from .limbs import LOOKED_AT, Tree

Weights = dict[str, dict[str, float]]  # Human3.6M joint -> points of the file with their shares, which add up to 1

BACK = re.compile(r"spine|chest|abdomen|back|torso|waist|belly|thorax|ribs|lumbar|^[lt]\d")
HEAD_END = re.compile(r"top|end|nub|site|tip|fore|front|crown")
# Where a joint may lie on the way from the hips to the base of the neck to be the middle of the back.
MIDDLE = (0.38, 0.62)
# From a neck without a joint of the head to its end site, as shares of the way from the ankle along leg and trunk to
# the neck: of necks that end at the base of the skull, and of those with the head (0.09 and 0.17 of subject S1 of
# Human3.6M, 0.11 and 0.22 of the CMU database).
NECK_ALONE, NECK_AND_HEAD = (0.04, 0.125), (0.125, 0.34)
# How far above the shoulders such a neck may begin, as a share of the same way; higher up it is the base of the skull
# (0.02 and 0.11 are those of the same subject).
NECK_BASE = 0.06


def trunk(tree: Tree, limbs: dict[str, str]) -> Weights:
    """Finds Spine, Thorax and Neck; a joint that is not found is left out. `limbs`: LHip ... RWrist -> name."""
    chest = tree.common(limbs["LShoulder"], limbs["RShoulder"])
    pelvis = tree.common(limbs["LHip"], limbs["RHip"])
    hips = {limbs["LHip"]: 0.5, limbs["RHip"]: 0.5}
    shoulders = {limbs["LShoulder"]: 0.5, limbs["RShoulder"]: 0.5}
    named, chain = _named_head(tree), _chain(tree, chest)
    found: Weights = {} if named or not chain else _headless(tree, chain, limbs, hips, shoulders)
    head = named or (chain[-1] if found or len(chain) > 1 else "")
    if not head:
        return {}
    neck = head if "Thorax" in found else _neck(tree, head, chest)
    found = {"Neck": {head: 1.0}, "Thorax": {neck: 1.0} if neck else shoulders} | found
    found["Spine"] = _spine(tree, pelvis, neck or head, hips, found["Thorax"])
    return found


def _named_head(tree: Tree) -> str:
    """Returns the joint at the base of the skull by its name, '' where none is called so."""
    named = [
        name
        for name in tree.names
        if not tree.named[name].side
        and "head" in tree.named[name].text
        and not HEAD_END.search(tree.named[name].text.replace("head", "", 1))
    ]
    return min(named, key=lambda name: (len(tree.line(name)), len(name)), default="")


def _chain(tree: Tree, chest: str) -> list[str]:
    """Returns the joints above the chest, up to the last one."""
    chain: list[str] = []
    at = chest
    while at and (above := [name for name in tree.children(at) if name in tree.named and not tree.named[name].side]):
        at = max(above, key=lambda name: len(below(tree, name)))
        chain.append(at)
    return chain


def _headless(
    tree: Tree, chain: list[str], limbs: dict[str, str], hips: dict[str, float], shoulders: dict[str, float]
) -> Weights:
    """Returns Thorax, Neck and Head of a chain whose last joint is its only neck and carries end sites alone; empty
    where the chain or the distance of these is another.

    Thorax is the neck, unless it begins so high that it is Neck; Head the end site, where that is as far away as the
    top of a head."""
    necks = [name for name in chain if "neck" in tree.named[name].text]
    ends = tree.children(chain[-1])
    if necks != chain[-1:] or not ends or any(name in tree.named for name in ends):
        return {}
    (neck,), end = necks, max(ends, key=lambda name: tree.lengths[name])
    step = max(len(tree.recording.points[neck]) // LOOKED_AT, 1)
    bones = [({limbs["LFoot"]: 1.0}, {limbs["LKnee"]: 1.0}), ({limbs["LKnee"]: 1.0}, {limbs["LHip"]: 1.0})]
    ways = [
        mixed(tree.recording.points, one, step) - mixed(tree.recording.points, other, step)
        for one, other in [*bones, (hips, {neck: 1.0})]
    ]
    way = float(sum(np.median(np.linalg.norm(one, axis=-1)) for one in ways))
    up, above = (
        -ways[-1],
        mixed(tree.recording.points, {neck: 1.0}, step) - mixed(tree.recording.points, shoulders, step),
    )
    height = float(np.median((above * up).sum(-1) / np.maximum(np.linalg.norm(up, axis=-1), 1e-12)))
    if height > NECK_BASE * way:
        return {"Neck": {neck: 1.0}}
    share = tree.lengths[end] / max(way, 1e-12)
    if NECK_AND_HEAD[0] <= share <= NECK_AND_HEAD[1]:
        return {"Thorax": {neck: 1.0}, "Neck": {neck: 0.5, end: 0.5}, "Head": {end: 1.0}}
    return {"Thorax": {neck: 1.0}, "Neck": {end: 1.0}} if NECK_ALONE[0] <= share < NECK_ALONE[1] else {}


def below(tree: Tree, name: str) -> list[str]:
    """Returns all joints and end sites that hang on one, directly or not."""
    found = []
    for child in tree.children(name):
        found += [child, *below(tree, child)]
    return found


def _neck(tree: Tree, head: str, chest: str) -> str:
    """Returns the base of the neck: the first joint called so, else the first one between chest and head; '' where
    there is none."""
    line = tree.line(head)[:-1]
    pool = line if line else [name for name in tree.names if not tree.named[name].side]
    named = [name for name in pool if "neck" in tree.named[name].text]
    if named:
        return named[0]
    between = line[line.index(chest) + 1 :] if chest in line else []
    return between[0] if between else ""


def _spine(tree: Tree, pelvis: str, top: str, hips: dict[str, float], thorax: dict[str, float]) -> dict[str, float]:
    """Returns the joint nearest to the middle between hips and thorax; where none is near, the point of the chain of
    bones that is."""
    line = tree.line(top)
    chain = line[line.index(pelvis) + 1 : -1] if pelvis in line else []
    if not chain:
        chain = [name for name in tree.names if not tree.named[name].side and BACK.search(tree.named[name].text)]
    points = tree.recording.points
    step = max(len(points[top]) // LOOKED_AT, 1)
    low = mixed(points, hips, step)
    along = mixed(points, thorax, step) - low
    size = np.maximum((along**2).sum(-1), 1e-12)
    # The share of the way up, median over frames; bending moves it little.
    shares = {name: float(np.median(((points[name][::step] - low) * along).sum(-1) / size)) for name in chain}
    nearest = min(shares, key=lambda name: abs(shares[name] - 0.5), default="")
    if nearest and MIDDLE[0] <= shares[nearest] <= MIDDLE[1]:
        return {nearest: 1.0}
    under = max((share for share in shares.values() if 0 < share < 0.5), default=0.0)
    over = min((share for share in shares.values() if 0.5 < share < 1), default=1.0)
    name_at = {share: {name: 1.0} for name, share in shares.items()}
    part = (0.5 - under) / (over - under)
    lower, upper = name_at.get(under, hips), name_at.get(over, thorax)
    return {name: lower.get(name, 0.0) * (1 - part) + upper.get(name, 0.0) * part for name in {**lower, **upper}}
