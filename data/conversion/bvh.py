"""Parser of Biovision files (.bvh): a hierarchy of joints and its motion in one text.

Rotations of a joint are carried out from the last channel to the first; position channels replace its OFFSET."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DataError
from .recording import PROBLEMS_PER_FILE, Recording, numbers, read_lines
from .rotations import AXES, Signal, moved, turned

POSITIONS = tuple(f"{axis}position" for axis in AXES)
ROTATIONS = tuple(f"{axis}rotation" for axis in AXES)
END = " end"  # behind the name of its parent: the name of an end site


@dataclass(frozen=True, kw_only=True, slots=True)
class Joint:
    """Joint of a hierarchy: offset [3] from the parent ('' for the root) in the rest pose; channels: lower-case, in
    file order."""

    name: str
    parent: str
    offset: Signal
    channels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bvh:
    """Parsed file: `joints` by lower-case name, parents first, end sites included; values [n, C] of all channels,
    degrees."""

    joints: Mapping[str, Joint]
    values: Signal
    fps: float


def read_bvh(path: Path) -> Bvh:
    """Parses a .bvh file. DataError lists the faults of the hierarchy, or the first ones of the motion."""
    lines = read_lines(path)
    start = next((at for at, line in enumerate(lines) if line.strip().upper() == "MOTION"), None)
    if start is None or not any(line.strip().upper() == "HIERARCHY" for line in lines[:start]):
        raise DataError(str(path), ["has no HIERARCHY with a MOTION behind it; it is no BVH file, or cut off"])
    problems: list[str] = []
    joints = _joints(lines[:start], problems)
    if not joints and not problems:
        problems.append("HIERARCHY has no ROOT")
    if problems:
        raise DataError(str(path), problems)
    width = sum(len(joint.channels) for joint in joints.values())
    values, fps = _motion(path, lines, start + 1, width)
    return Bvh(joints=joints, values=values, fps=fps)


def _joints(lines: list[str], problems: list[str]) -> dict[str, Joint]:
    """Parses the joints by name, in the order of the text, which is that of their channels."""
    found: dict[str, Joint] = {}
    path: list[str] = []
    waiting = ""
    for number, line in enumerate(lines, start=1):
        words = line.split()
        head = words[0].upper() if words else ""
        if head in ("ROOT", "JOINT", "END"):
            parent = path[-1] if path else ""
            # Some exporters put the name of the character and a colon before that of the joint.
            waiting = parent + END if head == "END" else " ".join(words[1:]).lower().rpartition(":")[2]
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
        elif head not in ("HIERARCHY", ""):
            problems.append(f"line {number}: '{' '.join(words)}' is not understood here")
    if path:
        problems.append(f"HIERARCHY ends within {path[-1]}; a closing brace is missing")
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


def _motion(path: Path, lines: list[str], start: int, width: int) -> tuple[Signal, float]:
    """Parses the values [n, width] and the frames per second."""
    announced, seconds, problems = None, None, list[str]()
    rows: list[list[float]] = []
    for number, line in enumerate(lines[start:], start=start + 1):
        words = line.split()
        head = " ".join(words[:2]).lower()
        if not words:
            continue
        if head.startswith("frames:"):
            announced = numbers(words[1:])
        elif head == "frame time:":
            seconds = numbers(words[2:])
        else:
            values = numbers(words)
            if values is None or len(values) != width:
                found = f"{len(words)} values" if values is not None else "a value that is no finite number"
                place = f"line {number}, frame {len(rows) + 1}"
                problems.append(f"{place}: has {found}, the hierarchy has {width} channels; drop or repair the file")
                values = [0.0] * width
            rows.append(values)
        if len(problems) >= PROBLEMS_PER_FILE:
            raise DataError(str(path), problems)
    if not seconds or seconds[0] <= 0:
        problems.append("MOTION has no 'Frame Time:' with seconds above 0")
    if not rows:
        problems.append("MOTION has no frames")
    elif announced != [len(rows)]:
        told = f"{announced[0]:g}" if announced else "no"
        problems.append(f"MOTION announces {told} frames and has {len(rows)}; the file is cut off, get it again")
    if problems or not seconds:
        raise DataError(str(path), problems)
    # Frame times are written with few digits: .0083333 is 120 Hz.
    return np.array(rows), round(1 / seconds[0], 2)


def move(bvh: Bvh) -> Recording:
    """Computes the positions of all joints and end sites in every frame (forward kinematics)."""
    matrices: dict[str, Signal] = {}
    points: dict[str, Signal] = {}
    column = 0
    for name, joint in bvh.joints.items():
        own = bvh.values[:, column : column + len(joint.channels)]
        column += len(joint.channels)
        turns = [at for at, channel in enumerate(joint.channels) if channel in ROTATIONS]
        local = turned("".join(joint.channels[at][0] for at in turns), np.radians(own[:, turns]))
        shifts = [joint.channels.index(channel) for channel in POSITIONS if channel in joint.channels]
        if joint.parent:
            turn = matrices[joint.parent]
            step = (turn @ own[:, shifts, None])[..., 0] if shifts else moved(turn, joint.offset)
            matrices[name], points[name] = turn @ local, points[joint.parent] + step
        else:
            matrices[name] = local
            points[name] = own[:, shifts] if shifts else np.broadcast_to(joint.offset, (len(own), 3))
    return Recording(points=points, fps=bvh.fps, metres_per_unit=None)
