"""Labels of mesh sets: dictionaries of plain numbers in files, arrays in memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bodies.body_model import SHAPE_NUMBERS

Numbers = NDArray[np.float32]
Exact = NDArray[np.float64]
DIGITS, PIXEL_DIGITS = 6, 3  # behind the point, of metres and radians, and of pixels
FLAGS = ("has_2d_joints", "has_3d_joints", "has_smpl")


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """Sizes of a label: numbers of joints and of parts of its body model."""

    joints: int
    parts: int


FIGURES: Mapping[str, Figure] = MappingProxyType(
    {"body": Figure(joints=24, parts=24), "hand": Figure(joints=21, parts=16)}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """Label of the person in one image.

    center [2] pixels and scale (side / 200 pixels) of the box; joints2d [J, 3] pixels and confidence; joints3d [J, 4]
    metres and confidence; pose [3 K] axis-angle, the root in camera axes; betas [10]; has [3] whether 2D, 3D, and pose
    with betas are known, 0 or 1. Unknown entries are zero."""

    center: NDArray[np.float64]
    scale: float
    joints2d: Numbers
    joints3d: Numbers
    pose: Numbers
    betas: Numbers
    has: Numbers


def label_of(content: Mapping[str, Any], kind: str, problems: list[str]) -> Label:
    """Parses the label in a dictionary; it may only be used when no problem was added."""
    figure = FIGURES[kind]
    flags = [float(_number(content, key, problems)) for key in FLAGS]
    if any(flag not in (0.0, 1.0) for flag in flags):
        problems.append(f"{', '.join(FLAGS)} are {flags}; each is 0 or 1")
    joints = figure.joints
    shapes: dict[str, tuple[tuple[int, ...], float]] = {
        "2d_joints": ((joints, 3), flags[0]),
        "3d_joints": ((joints, 4), flags[1]),
        "pose": ((3 * figure.parts,), flags[2]),
        "betas": ((SHAPE_NUMBERS,), flags[2]),
    }
    arrays = [_array(content, key, shape, is_needed, kind, problems) for key, (shape, is_needed) in shapes.items()]
    center, scale = box_of(content, kind, problems)
    return Label(
        center=center, scale=scale, joints2d=arrays[0], joints3d=arrays[1],
        pose=arrays[2], betas=arrays[3], has=np.array(flags, np.float32),
    )  # fmt: skip


def box_of(content: Mapping[str, Any], kind: str, problems: list[str]) -> tuple[Exact, float]:
    """Parses center [2] in pixels and scale of a dictionary, whatever else it holds; only to be used without
    problems."""
    center = _array(content, "center", (2,), 1.0, kind, problems)
    scale = float(_number(content, "scale", problems))
    if not scale > 0:
        problems.append(f"scale is {scale:g}; the side of the box in units of 200 pixels is above 0")
    return center.astype(np.float64), scale


def _number(content: Mapping[str, Any], key: str, problems: list[str]) -> float:
    value = content.get(key)
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, int | float):
        return float(value)
    problems.append(f"'{key}' is {value!r}, not a number" if key in content else f"has no '{key}'")
    return 1.0 if key == "scale" else 0.0


def _array(
    content: Mapping[str, Any], key: str, shape: tuple[int, ...], is_needed: float, kind: str, problems: list[str]
) -> Numbers:
    """Parses a float32 array of this shape, perhaps stored with a leading axis of one; zeros where it is missing and
    may be."""
    value = content.get(key)
    if value is None and not is_needed:
        return np.zeros(shape, np.float32)
    try:
        found = np.array(value, np.float32)
    except (TypeError, ValueError):
        problems.append(f"'{key}' is no array of numbers")
        return np.zeros(shape, np.float32)
    found = found[0] if found.ndim == len(shape) + 1 and len(found) == 1 else found
    if found.shape != shape:
        if value is None:
            problems.append(f"has no '{key}', which it needs")
        else:
            problems.append(f"'{key}' has shape {found.shape}; that of a {kind} is {shape}")
        return np.zeros(shape, np.float32)
    if not math.isfinite(found.sum()):  # a third of the time of asking every number
        problems.append(f"'{key}' holds nan or infinity")
    return found


def label_text(
    *,
    center: Exact,
    scale: float,
    joints2d: Exact,
    joints3d: Exact,
    pose: Exact,
    betas: Exact,
    has: tuple[bool, bool, bool],
) -> dict[str, Any]:
    """Returns the dictionary of one label, in plain numbers: arrays as in `Label`."""
    return {
        "center": rounded(center, PIXEL_DIGITS),
        "scale": round(scale, DIGITS),
        "2d_joints": rounded(joints2d, PIXEL_DIGITS),
        "3d_joints": rounded(joints3d, DIGITS),
        **dict(zip(FLAGS, map(int, has), strict=True)),
        "pose": rounded(pose, DIGITS),
        "betas": rounded(betas, DIGITS),
    }


def rounded(values: Exact, digits: int) -> list[Any]:
    """Rounds numbers and returns them as nested lists."""
    found: list[Any] = np.round(values, digits).tolist()
    return found


def with_confidence(points: Exact) -> Exact:
    """Appends a confidence of one to points [J, C]."""
    return np.concatenate((points, np.ones((len(points), 1))), axis=1)
