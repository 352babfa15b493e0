"""Parser of Acclaim files of the CMU database: a skeleton in .asf, its joint angles frame by frame in .amc.

A bone starts where its parent ends and has an own frame, in which its angles are given; direction and frame are those
of the rest pose, in world axes. Values of a frame stand in the order of `dof`, rotations are carried out in the order
of the letters behind `axis` (XYZ: about x first), whatever the order of the values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spaces.errors import did_you_mean

from ...errors import DataError
from .axes import AXES
from .recording import PROBLEMS_PER_FILE, Recording, numbers, read_lines
from .rotations import Signal, moved, turned

ROOT = "root"
TURNS, SHIFTS = ("rx", "ry", "rz"), ("tx", "ty", "tz")
METRES_PER_INCH = 0.0254


@dataclass(frozen=True, kw_only=True, slots=True)
class Bone:
    """Bone of an Acclaim skeleton. vector [3]: from start to end in the rest pose, units of the file; frame [3, 3]: its
    own axes in world axes; axes: letters in the order of rotation; dof: names of its values in a frame."""

    name: str
    parent: str
    vector: Signal
    frame: Signal
    axes: str
    dof: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Acclaim:
    """Acclaim skeleton: `bones` by name, parents first; the root is one whose vector is its position."""

    bones: Mapping[str, Bone]
    metres_per_unit: float
    is_degrees: bool


def read_asf(path: Path) -> Acclaim:
    """Parses the skeleton of an .asf file. DataError lists every fault."""
    problems: list[str] = []
    sections = _sections(read_lines(path))
    missing = [f":{name}" for name in (ROOT, "bonedata", "hierarchy") if name not in sections]
    if missing:
        raise DataError(str(path), [f"has no section {', '.join(missing)}; it is no ASF file, or cut off"])
    units = {words[0].lower(): words[1:] for words in sections.get("units", [])}
    is_degrees = (units.get("angle") or ["deg"])[0].lower().startswith("deg")
    length = numbers(units.get("length", ["1"])[:1])
    if not length or length[0] <= 0:
        problems.append(f"units: length = {' '.join(units.get('length', []))} must be a number above 0")
        length = [1.0]
    parents = _parents(sections["hierarchy"], problems)
    described = {ROOT: _root(sections[ROOT], is_degrees, problems)}
    for block in _blocks(sections["bonedata"]):
        bone = _bone(block, parents, is_degrees, problems)
        described[bone.name] = bone
    for name in parents:
        if name not in described:
            problems.append(f"hierarchy: '{name}' is no bone of :bonedata{did_you_mean(name, described)}")
    if problems:
        raise DataError(str(path), problems)
    # `parents` is in the order of the hierarchy, where a parent is hung up before its children.
    bones = {name: described[name] for name in (ROOT, *parents)}
    return Acclaim(bones=bones, metres_per_unit=METRES_PER_INCH / length[0], is_degrees=is_degrees)


def _sections(lines: list[str]) -> dict[str, list[list[str]]]:
    """Returns section name -> the words of its lines; words behind the name are a first line."""
    found: dict[str, list[list[str]]] = {}
    current: list[list[str]] = []
    for line in lines:
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0].startswith(":"):
            current = found.setdefault(words[0][1:].lower(), [])
            words = words[1:]
        if words:
            current.append(words)
    return found


def _parents(lines: list[list[str]], problems: list[str]) -> dict[str, str]:
    parents: dict[str, str] = {}
    for parent, *children in lines:
        if parent in ("begin", "end"):
            continue
        if parent != ROOT and parent not in parents:
            problems.append(f"hierarchy: '{parent}' has children before it hangs on anything itself")
        for child in children:
            if child in parents or child == ROOT:
                problems.append(f"hierarchy: '{child}' hangs on two bones; a skeleton is a tree")
            parents[child] = parent
    return parents


def _blocks(lines: list[list[str]]) -> Iterator[dict[str, list[str]]]:
    """Yields keyword -> its words, for each bone between begin and end."""
    block: dict[str, list[str]] = {}
    for words in lines:
        if words[0] == "begin":
            block = {}
        elif words[0] == "end":
            yield block
        else:
            block.setdefault(words[0].lower(), words[1:])


def _bone(block: dict[str, list[str]], parents: dict[str, str], is_degrees: bool, problems: list[str]) -> Bone:
    name = " ".join(block.get("name", ["?"]))
    place = f"bone {name}"
    direction = _vector(block, "direction", place, problems)
    length = numbers(block.get("length", [])[:1])
    if not length:
        problems.append(f"{place}: length must be a number, found '{' '.join(block.get('length', []))}'")
        length = [0.0]
    dof = tuple(word.lower() for word in block.get("dof", []))
    for word in dof:
        if word not in TURNS:
            problems.append(f"{place}: dof '{word}' is unknown; a bone turns about {', '.join(TURNS)}")
    angles = _vector(block, "axis", place, problems)
    axes = _axes(block.get("axis", [])[3:4], place, problems)
    return Bone(
        name=name,
        parent=parents.get(name, ""),
        vector=direction * length[0],
        frame=_frame(angles, axes, is_degrees),
        axes=axes,
        dof=dof,
    )


def _root(lines: list[list[str]], is_degrees: bool, problems: list[str]) -> Bone:
    block = {words[0].lower(): words[1:] for words in lines}
    dof = tuple(word.lower() for word in block.get("order", []))
    if sorted(dof) != sorted(TURNS + SHIFTS):
        problems.append(f"root: order '{' '.join(dof)}' must name TX TY TZ RX RY RZ, each once, in any order")
    axes = _axes(block.get("axis", []), ROOT, problems)
    angles = _vector(block, "orientation", ROOT, problems)
    return Bone(
        name=ROOT,
        parent="",
        vector=_vector(block, "position", ROOT, problems),
        frame=_frame(angles, axes, is_degrees),
        axes=axes,
        dof=dof,
    )


def _vector(block: dict[str, list[str]], key: str, place: str, problems: list[str]) -> Signal:
    words = block.get(key, [])
    values = numbers(words[:3])
    if values is None or len(values) != 3:
        problems.append(f"{place}: {key} must be three numbers, found '{' '.join(words)}'")
        return np.zeros(3)
    return np.array(values)


def _axes(words: list[str], place: str, problems: list[str]) -> str:
    axes = "".join(words).lower()
    if sorted(axes) != list(AXES):
        problems.append(f"{place}: axis needs an order of turning like XYZ, found '{axes.upper()}'")
        return AXES
    return axes


def _frame(angles: Signal, axes: str, is_degrees: bool) -> Signal:
    ordered = np.array([[angles[AXES.index(axis)] for axis in axes]])
    frame: Signal = turned(axes[::-1], (np.radians(ordered) if is_degrees else ordered)[:, ::-1])[0]
    return frame


def read_amc(path: Path, skeleton: Acclaim, fps: float) -> Recording:
    """Computes the ends of all bones, by the bone's name, and the root, in every frame. DataError lists the first
    faults."""
    values, is_degrees = _frames(path, skeleton)
    matrices: dict[str, Signal] = {}
    points: dict[str, Signal] = {}
    for name, bone in skeleton.bones.items():
        own = values.get(name, np.zeros((len(values[ROOT]), 0)))
        # An axis without a value does not turn.
        columns = {dof: own[:, at] for at, dof in enumerate(bone.dof)}
        angles = np.stack([columns.get(f"r{axis}", np.zeros(len(own))) for axis in bone.axes], axis=1)
        angles = np.radians(angles) if is_degrees else angles
        local = bone.frame @ turned(bone.axes[::-1], angles[:, ::-1]) @ bone.frame.T
        if name == ROOT:
            matrices[name] = local
            points[name] = bone.vector + np.stack([columns[shift] for shift in SHIFTS], axis=1)
        else:
            matrices[name] = matrices[bone.parent] @ local
            points[name] = points[bone.parent] + moved(matrices[name], bone.vector)
    named = {name.lower(): positions for name, positions in points.items()}
    return Recording(points=named, fps=fps, metres_per_unit=skeleton.metres_per_unit)


def _frames(path: Path, skeleton: Acclaim) -> tuple[dict[str, Signal], bool]:
    """Parses bone -> its values [n, k] as stored, and whether angles are degrees."""
    wanted = {name: len(bone.dof) for name, bone in skeleton.bones.items() if bone.dof}
    rows: dict[str, list[list[float]]] = {name: [] for name in wanted}
    is_degrees, count, problems = skeleton.is_degrees, 0, list[str]()
    for number, line in enumerate(read_lines(path), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0].startswith(":"):
            is_degrees = {":degrees": True, ":radians": False}.get(words[0].lower(), is_degrees)
        elif len(words) == 1 and words[0].isdecimal():
            problems += _lacking(rows, count, number)
            count += 1
        elif not count:
            problems.append(f"line {number}: '{words[0]}' stands before the number of the first frame")
        else:
            problems += _take(words, rows, wanted, count, f"line {number}, frame {count}")
        if len(problems) >= PROBLEMS_PER_FILE:
            break
    else:
        problems += _lacking(rows, count, None)
    if not count and not problems:
        problems.append("has no frames; it is no AMC file, or cut off")
    if problems:
        raise DataError(str(path), problems[:PROBLEMS_PER_FILE])
    return {name: np.array(values) for name, values in rows.items()}, is_degrees


def _take(
    words: list[str], rows: dict[str, list[list[float]]], wanted: dict[str, int], count: int, place: str
) -> list[str]:
    """Adds one line of a frame to the rows; returns its faults."""
    name, *texts = words
    if name not in wanted:
        return [f"{place}: '{name}' is no moving bone of the skeleton{did_you_mean(name, wanted)}; is it its ASF?"]
    values = numbers(texts)
    if values is None:
        return [f"{place}: {name} has '{' '.join(texts)}' where {wanted[name]} numbers belong; drop or repair the file"]
    if len(values) != wanted[name]:
        return [f"{place}: {name} has {len(values)} values, its dof in the skeleton are {wanted[name]}"]
    if len(rows[name]) >= count:
        return [f"{place}: {name} stands twice in this frame"]
    rows[name].append(values)
    return []


def _lacking(rows: dict[str, list[list[float]]], count: int, line: int | None) -> list[str]:
    """Returns the fault of a frame that ends before all bones had their line; it gets zeros, so that it is reported
    once."""
    lacking = [name for name, values in rows.items() if len(values) < count]
    for name in lacking:
        rows[name].append([0.0])
    if not lacking:
        return []
    where = f"before line {line}" if line is not None else "at the end of the file"
    return [f"frame {count} ends {where} without {', '.join(lacking)}; the file is cut off or damaged, get it again"]
