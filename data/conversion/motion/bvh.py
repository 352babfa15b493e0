"""Parser of Biovision files (.bvh): a hierarchy of joints and its motion in one text.

Rotations of a joint are carried out from the last channel to the first. Position channels replace its OFFSET; where
they stay near zero below the root, they are added to it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import DataError
from .axes import AXES
from .bvh_values import read_values
from .recording import Recording, numbers, read_lines
from .rotations import Signal, moved, turned

POSITIONS = tuple(f"{axis}position" for axis in AXES)
ROTATIONS = tuple(f"{axis}rotation" for axis in AXES)
END = " end"  # behind the name of its parent: the name of an end site
COMMENTS = ("#", "//")


@dataclass(frozen=True, kw_only=True, slots=True)
class Joint:
    """Joint of a hierarchy: offset [3] from the parent ('' for the root) in the rest pose; channels: lower-case, in
    file order."""

    name: str
    parent: str
    offset: Signal
    channels: tuple[str, ...]


STILL, WHOLE_TURN = 0.35, 6.3  # radians


@dataclass(frozen=True, kw_only=True, slots=True)
class Bvh:
    """Parsed file: `joints` by lower-case name, parents first, end sites included; values [n, C] of all channels,
    degrees; notes: harmless faults of the text."""

    joints: Mapping[str, Joint]
    values: Signal
    fps: float
    notes: tuple[str, ...] = ()


def read_bvh(path: Path) -> Bvh:
    """Parses a .bvh file. DataError lists the faults of the hierarchy, or the first ones of the motion."""
    lines = read_lines(path)
    start = next((at for at, line in enumerate(lines) if line.strip().upper() == "MOTION"), None)
    if start is None or not any(line.strip().upper().startswith("HIERARCHY") for line in lines[:start]):
        raise DataError(str(path), ["has no HIERARCHY with a MOTION behind it; it is no BVH file, or cut off"])
    problems: list[str] = []
    joints = _joints(lines[:start], problems)
    if not joints and not problems:
        problems.append("HIERARCHY has no ROOT")
    roots = [joint.name for joint in joints.values() if not joint.parent]
    if len(roots) > 1:
        problems.append(
            f"HIERARCHY has {len(roots)} ROOTs ({', '.join(roots)}); write each person to a file of its own"
        )
    if problems:
        raise DataError(str(path), problems)
    width = sum(len(joint.channels) for joint in joints.values())
    values, fps, notes = read_values(path, lines, start + 1, width)
    return Bvh(joints=joints, values=values, fps=fps, notes=notes)


def _joints(lines: list[str], problems: list[str]) -> dict[str, Joint]:
    """Parses the joints by name, in the order of the text, which is that of their channels."""
    found: dict[str, Joint] = {}
    path: list[str] = []
    waiting = ""
    for number, line in _statements(lines):
        words = line.split()
        head = words[0].upper()
        if head in ("ROOT", "JOINT", "END"):
            parent = path[-1] if path else ""
            # Some exporters put the name of the character and a colon before that of the joint.
            waiting = parent + END if head == "END" else " ".join(words[1:]).lower().rpartition(":")[2]
            while head == "END" and waiting in found:
                waiting += "'"
            if (head == "ROOT") == bool(parent) or not waiting or waiting in found:
                problems.append(f"line {number}: '{' '.join(words)}' is out of place, without a name, or there twice")
            found[waiting] = Joint(name=waiting, parent=parent, offset=np.zeros(3), channels=())
        elif head == "{" and waiting:
            path.append(waiting)
            waiting = ""
        elif head == "OFFSET" and path:
            found[path[-1]] = dataclasses.replace(found[path[-1]], offset=_offset(words, number, problems))
        elif head == "CHANNELS" and path:
            channels = _channels(words, number, path[-1], problems)
            found[path[-1]] = dataclasses.replace(found[path[-1]], channels=channels)
        elif head == "}" and path:
            path.pop()
        elif head != "HIERARCHY":
            problems.append(f"line {number}: '{' '.join(words)}' is not understood here")
    if path:
        problems.append(f"HIERARCHY ends within {path[-1]}; a closing brace is missing")
    return found


def _statements(lines: list[str]) -> list[tuple[int, str]]:
    """Returns the number of the line of every statement and its text; a brace, which may share a line with others, is
    one of its own."""
    found: list[tuple[int, str]] = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text.startswith(COMMENTS):
            found += [(number, part.strip()) for part in re.split(r"([{}])", text) if part.strip()]
    return found


def _offset(words: list[str], line: int, problems: list[str]) -> Signal:
    values = numbers(words[1:])
    if values is None or len(values) != 3:
        problems.append(f"line {line}: OFFSET needs three numbers, found '{' '.join(words[1:])}'")
        return np.zeros(3)
    return np.array(values)


def _channels(words: list[str], line: int, joint: str, problems: list[str]) -> tuple[str, ...]:
    channels = tuple(word.lower() for word in words[2:])
    if words[1:2] != [str(len(channels))]:
        problems.append(f"line {line}: {joint} announces {' '.join(words[1:2])} channels and names {len(channels)}")
    for channel in dict.fromkeys(channels):
        if channel not in POSITIONS + ROTATIONS or channels.count(channel) > 1:
            legal = "Xposition ... Zrotation, each once"
            problems.append(f"line {line}: channel '{channel}' of {joint} is unknown or repeated; channels are {legal}")
    places = [channel for channel in channels if channel in POSITIONS]
    if len(places) not in (0, 3):
        problems.append(f"line {line}: {joint} has {', '.join(places)}; positions come as all three, or none")
    return channels


def move(bvh: Bvh) -> Recording:
    """Computes the positions of all joints and end sites in every frame (forward kinematics)."""
    matrices: dict[str, Signal] = {}
    points: dict[str, Signal] = {}
    rest: dict[str, Signal] = {}
    values = {joint.name: own for joint, own in _own_values(bvh)}
    is_added = _are_positions_added(bvh, values)
    for name, joint in bvh.joints.items():
        own = values[name]
        turns = [at for at, channel in enumerate(joint.channels) if channel in ROTATIONS]
        local = turned("".join(joint.channels[at][0] for at in turns), np.radians(own[:, turns]))
        shifts = _shifts(joint)
        if joint.parent:
            turn = matrices[joint.parent]
            place = own[:, shifts] + (joint.offset if is_added else 0.0) if shifts else None
            step = (turn @ place[..., None])[..., 0] if place is not None else moved(turn, joint.offset)
            matrices[name], points[name] = turn @ local, points[joint.parent] + step
            rest[name] = rest[joint.parent] + joint.offset
        else:
            matrices[name] = local
            points[name] = own[:, shifts] if shifts else np.broadcast_to(joint.offset, (len(own), 3))
            rest[name] = joint.offset
    return Recording(
        points=points,
        fps=bvh.fps,
        metres_per_unit=None,
        parents={name: joint.parent for name, joint in bvh.joints.items()},
        rest=rest,
        turns=matrices,
        notes=(*bvh.notes, *_unit_notes(bvh, values)),
    )


def _unit_notes(bvh: Bvh, values: Mapping[str, Signal]) -> Iterator[str]:
    """Yields that angles may be radians, where none is larger than a whole turn has of these and some are larger than a
    body that stands still has."""
    angles = [
        values[name][:, [at for at, channel in enumerate(joint.channels) if channel in ROTATIONS]]
        for name, joint in bvh.joints.items()
    ]
    largest = float(np.abs(np.concatenate(angles, axis=1)).max(initial=0.0))
    if STILL < largest <= WHOLE_TURN:
        yield f"no angle is above {largest:.2g}: BVH counts degrees; if these are radians, everybody is stiff here"


def _own_values(bvh: Bvh) -> list[tuple[Joint, Signal]]:
    column, found = 0, []
    for joint in bvh.joints.values():
        found.append((joint, bvh.values[:, column : column + len(joint.channels)]))
        column += len(joint.channels)
    return found


def _shifts(joint: Joint) -> list[int]:
    """Returns the columns of a joint's x, y and z position; [] where it has none."""
    return [joint.channels.index(channel) for channel in POSITIONS if channel in joint.channels]


def _are_positions_added(bvh: Bvh, values: Mapping[str, Signal]) -> bool:
    """Returns whether positions below the root stay nearer to zero than to the offsets, which they then do not
    replace."""
    from_zero = from_offset = 0.0
    for name, joint in bvh.joints.items():
        shifts = _shifts(joint)
        if joint.parent and shifts:
            mean = values[name][:, shifts].mean(0)
            from_zero += float(np.linalg.norm(mean))
            from_offset += float(np.linalg.norm(mean - joint.offset))
    return from_zero < from_offset
