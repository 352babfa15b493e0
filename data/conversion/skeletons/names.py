"""Meaning of joint names: side and part of the body, whatever the software that wrote them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise, takewhile

from ..motion.bvh import END

SIDE_WORDS = {"left": "L", "right": "R", "lft": "L", "rgt": "R", "lt": "L", "rt": "R", "l": "L", "r": "R"}
# Words for the joint at which a part begins. Those of the second group name a joint only where none of the first does:
# a shoulder is a collar bone beside an arm, a foot is a toe beside an ankle, a hand may lie behind a wrist.
SIDED: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Hip": (("upperleg", "upleg", "uleg", "thigh", "femur"), ("hip",)),
    "Knee": (("lowerleg", "lowleg", "loleg", "shin", "calf", "tibia", "knee", "leg"), ()),
    "Foot": (("ankle",), ("foot",)),
    "Shoulder": (("upperarm", "uparm", "shldr", "humerus", "arm"), ("shoulder",)),
    "Elbow": (("forearm", "lowerarm", "lowarm", "loarm", "elbow", "radius", "ulna"), ()),
    "Wrist": (("wrist",), ("hand",)),
}
WORDS = {word: (part, rank) for part, groups in SIDED.items() for rank, words in enumerate(groups) for word in words}
# Joints that have such a word in their name and are none: halves of a bone that twist, fingers, what an animator drags.
OTHER_PARTS = re.compile(
    r"twist|roll|toe|finger|thumb|index|middle|pinky|little|metatarsal|carpal|palm|heel|buttock|hipjoint|helper|muscle"
    r"|breast|target|pole|weapon|prop|skirt|cloth|hair|forefoot|handend|nub|collar|clavicle"
)
OTHER_TOKENS = frozenset({"ik", "mid", "ring", "ball", "end", "pad", "ctrl", "offset", "null", "aim", "tip"})
FACE = re.compile(
    r"eye|jaw|tongue|hair|brow|cheek|lip|tooth|teeth|face|mouth|nose|hat|antenna|chin|oris|levator|orbicular|temporal"
    r"|risor|special|beard|ponytail|mask|glass|camera|muzzle"
)
PREFIX_SHARE = 0.8  # of the names; a prefix that so many share says nothing


@dataclass(frozen=True, slots=True)
class Named:
    """Meaning of a name. side: L, R or ''; part: a key of SIDED or ''; rank: 0 for a word that is clear, 1 for one that
    is not; text: letters of the name without prefix and side."""

    side: str
    part: str
    rank: int
    text: str


def plain(names: Iterable[str]) -> dict[str, str]:
    """Returns name -> the name without the prefix that nearly all share."""
    listed = list(names)
    own = sorted(name for name in listed if not name.rstrip("'").endswith(END))
    prefix = ""
    # The prefix of many is that of some pair of names next to each other in the order of the alphabet.
    for one, other in pairwise(own):
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
        while shared > len(prefix):
            if sum(name.startswith(one[:shared]) for name in own) >= PREFIX_SHARE * len(own):
                prefix = one[:shared]
            shared -= 1
    cut = {name: name[len(prefix) :] if name.startswith(prefix) else name for name in listed}
    return {name: short or name for name, short in cut.items()}


def meaning(name: str) -> Named:
    """Returns what a lower-case name says, its prefix removed."""
    side, rest = _side(name)
    text = "".join(rest)
    if OTHER_PARTS.search(text) or OTHER_TOKENS & set(rest):
        return Named(side, "", 0, text)
    part, rank = _part(rest)
    return Named(side, part if side else "", rank, text)


def _side(name: str) -> tuple[str, list[str]]:
    """Splits a name into its side and the letters of its words."""
    tokens = re.findall(r"[a-z]+", name)
    for word in ("left", "right"):
        for at, token in enumerate(tokens):
            if word in token:
                before, _, after = token.partition(word)
                return SIDE_WORDS[word], [*tokens[:at], *filter(None, (before, after)), *tokens[at + 1 :]]
    for at, token in enumerate(tokens):
        if token in SIDE_WORDS:
            return SIDE_WORDS[token], tokens[:at] + tokens[at + 1 :]
    for at, token in enumerate(tokens):
        for letter in "lr":
            # Not "roll" or "lowerback": what is left must begin, or be, a part of the body.
            if token[0] == letter and _begins_part(token[1:]):
                return SIDE_WORDS[letter], [*tokens[:at], token[1:], *tokens[at + 1 :]]
            if token[-1] == letter and token[:-1] in WORDS:
                return SIDE_WORDS[letter], [*tokens[:at], token[:-1], *tokens[at + 1 :]]
    return "", tokens


def _begins_part(text: str) -> bool:
    return text.startswith((*WORDS, "collar", "clavicle", "toe", "thumb", "finger", "buttock", "hipjoint"))


def _part(tokens: list[str]) -> tuple[str, int]:
    """Returns the part that the longest word names, of two the later one: 'upper leg' and 'upperleg' are the same."""
    text = "".join(tokens)
    found = [(len(word), text.rfind(word), word) for word in WORDS if word in text]
    return WORDS[max(found)[2]] if found else ("", 0)
