"""Limbs in a hierarchy of named joints: by their names, and by the lengths of their bones where names say only the
side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from ..motion.bvh import END
from ..motion.recording import Recording
from .names import Named, meaning, plain

LEG, ARM = ("Hip", "Knee", "Foot"), ("Shoulder", "Elbow", "Wrist")
LOOKED_AT = 50  # frames, over which lengths of bones are taken; they hardly change
SHORTEST = 0.02  # of a limb; two joints that are nearer to each other are one


@dataclass(frozen=True, slots=True)
class Tree:
    """Joints of a recording with what their names say. `names`: those without end sites, parents first; lengths: name
    -> distance from its parent, units of the file."""

    recording: Recording
    names: tuple[str, ...]
    named: Mapping[str, Named]
    lengths: Mapping[str, float] = field(default_factory=dict)

    def line(self, name: str) -> list[str]:
        """Returns the joints from the root down to one, itself included."""
        found = [name]
        while parent := self.recording.parents.get(found[-1], ""):
            found.append(parent)
        return found[::-1]

    def children(self, name: str) -> list[str]:
        return [one for one, parent in self.recording.parents.items() if parent == name]

    def common(self, one: str, other: str) -> str:
        """Returns the last joint that two lines from the root share; '' where there is no hierarchy."""
        shared = [a for a, b in zip(self.line(one), self.line(other), strict=False) if a == b]
        return shared[-1] if shared else ""


def tree_of(recording: Recording) -> Tree:
    """Builds the tree; without a hierarchy every joint is a root."""
    names = tuple(name for name in recording.points if not name.rstrip("'").endswith(END))
    short = plain(recording.points)
    step = max(len(next(iter(recording.points.values()), ())) // LOOKED_AT, 1)
    few = {name: points[::step] for name, points in recording.points.items()}
    lengths = {
        name: float(np.median(np.linalg.norm(few[name] - few[parent], axis=-1)))
        for name, parent in recording.parents.items()
        if parent
    }
    return Tree(recording, names, {name: meaning(short[name]) for name in names}, lengths)


def limb(tree: Tree, side: str, parts: tuple[str, ...]) -> dict[str, str]:
    """Returns part -> joint of a leg or an arm, as far as it is found: three joints that hang on each other."""
    candidates = {part: _candidates(tree, side, part) for part in parts}
    first, middle, last = parts
    for end in candidates[last]:
        line = tree.line(end)
        for knee in candidates[middle]:
            for hip in candidates[first]:
                if knee in line and hip in line and line.index(hip) < line.index(knee):
                    return {first: hip, middle: knee, last: end}
    by_length = _by_length(tree, side, is_leg=parts == LEG)
    if by_length:
        return dict(zip(parts, by_length, strict=True))
    if any(tree.recording.parents.values()) and any(len(tree.line(name)) > 2 for name in tree.names):
        return {part: names[0] for part, names in candidates.items() if names} if not all(candidates.values()) else {}
    return {part: names[0] for part, names in candidates.items() if names}


def _candidates(tree: Tree, side: str, part: str) -> list[str]:
    """Returns the joints of a part: those with a clear name first, then the nearest to the root, then short names."""
    found = [name for name in tree.names if (tree.named[name].side, tree.named[name].part) == (side, part)]
    return sorted(found, key=lambda name: (tree.named[name].rank, len(tree.line(name)), len(tree.named[name].text)))


def _by_length(tree: Tree, side: str, *, is_leg: bool) -> list[str]:
    """Returns the three joints of a limb around its two longest bones in a row, [] where there is no such limb.

    Of the chains of joints with this side, the leg is the one that hangs nearest to the root."""
    chains = [chain for top in _tops(tree, side) if len(chain := _longest_chain(tree, top, side)) >= 3]
    if len(chains) < 2:
        return []
    depths = [len(tree.line(chain[0])) for chain in chains]
    if min(depths) == max(depths):
        return []
    chain = chains[depths.index(min(depths) if is_leg else max(depths))]
    steps = [tree.lengths[name] for name in chain[1:]]
    kept = [chain[0], *(name for name, step in zip(chain[1:], steps, strict=True) if step > SHORTEST * sum(steps))]
    bones = [tree.lengths[name] for name in kept[1:]]
    if len(bones) < 2:
        return []
    at = max(range(len(bones) - 1), key=lambda first: min(bones[first], bones[first + 1]))
    return kept[at : at + 3]


def _tops(tree: Tree, side: str) -> Iterator[str]:
    """Yields the joints of a side that hang on one without a side."""
    for name in tree.names:
        parent = tree.recording.parents.get(name, "")
        if tree.named[name].side == side and parent and not tree.named[parent].side:
            yield name


def _longest_chain(tree: Tree, top: str, side: str) -> list[str]:
    """Returns the joints from one down to the end that lies farthest along the bones; its end site, if any, is the
    last."""
    best: list[str] = []
    for child in tree.children(top):
        if child not in tree.named or (tree.named[child].side == side and "twist" not in tree.named[child].text):
            chain = _longest_chain(tree, child, side)
            if sum(tree.lengths[name] for name in chain) > sum(tree.lengths[name] for name in best):
                best = chain
    return [top, *best]
