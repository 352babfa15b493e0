"""Reader and writer of camera calibrations in JSON: one table of lenses with poses per subject, or complete cameras per
subject.

Both shapes hold pixels for the lens, millimetres for the camera centre, and unit quaternions w, x, y, z that rotate
camera axes into world axes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import DataError
from ...poses.geometry import normalize_intrinsics, to_pixels
from ...poses.poseset import Camera
from ..json_text import read_json

Rigs = dict[str, tuple[Camera, ...]]

SHAPES = "{subject: {'cameras': [...]}}, or camera_order with intrinsics and extrinsics"
LENGTHS = {
    "focal_length": 2,
    "center": 2,
    "radial_distortion": 3,
    "tangential_distortion": 2,
    "orientation": 4,
    "translation": 3,
}
MM_PER_METRE = 1000
UNIT_TOLERANCE = 1e-3  # published quaternions are float32 and off by 1e-7; what is no rotation is off by far more


def read_cameras(path: Path) -> Rigs:
    """Reads the cameras of every subject of a calibration file, in its order. DataError lists every fault."""
    tree = read_json(path, "is not valid JSON; copy or write it again")
    problems: list[str] = []
    rigs: Rigs = {}
    for subject, entries in _entries(tree, problems).items():
        places = [f"subject {subject}, camera {at}" for at in range(len(entries))]
        cameras = [_camera(entry, place, problems) for entry, place in zip(entries, places, strict=True)]
        rigs[subject] = tuple(camera for camera in cameras if camera is not None)
    if not problems and not rigs:
        problems.append(f"holds no camera; expected {SHAPES}")
    if problems:
        raise DataError(str(path), problems)
    return rigs


def cameras_text(rigs: Mapping[str, Sequence[Camera]]) -> str:
    """Returns the text of a calibration file with complete cameras per subject."""
    tree = {subject: {"cameras": [_entry(camera) for camera in cameras]} for subject, cameras in rigs.items()}
    return json.dumps(tree, indent=1) + "\n"


def _entries(tree: Any, problems: list[str]) -> dict[str, list[Any]]:
    """Returns subject -> the entry of each camera, in view order, for either shape of file."""
    if not isinstance(tree, dict):
        problems.append(f"holds a {type(tree).__name__}; expected {SHAPES}")
        return {}
    if "extrinsics" in tree:
        return _joined(tree, problems)
    wrong = [name for name, rig in tree.items() if not _has_cameras(rig)]
    problems += [f"subject {name}: has no list 'cameras'; expected {SHAPES}" for name in wrong]
    return {name: rig["cameras"] for name, rig in tree.items() if name not in wrong}


def _has_cameras(rig: object) -> bool:
    return isinstance(rig, dict) and isinstance(rig.get("cameras"), list)


def _joined(tree: dict[str, Any], problems: list[str]) -> dict[str, list[Any]]:
    """Joins each subject's poses to the lenses of the table shape; subjects without numbers are left out."""
    lenses, poses, order = tree.get("intrinsics"), tree["extrinsics"], tree.get("camera_order")
    if not (isinstance(lenses, list) and isinstance(order, list) and isinstance(poses, dict)):
        problems.append("needs camera_order and intrinsics as lists, and extrinsics as a mapping of subjects")
        return {}
    by_name = {lens["id"]: lens for lens in lenses if isinstance(lens, dict) and "id" in lens}
    unknown = [str(name) for name in order if name not in by_name]
    if unknown:
        problems.append(f"camera_order names {', '.join(unknown)}, but intrinsics has no such id")
        return {}
    found: dict[str, list[Any]] = {}
    for subject, rig in poses.items():
        is_right = isinstance(rig, list) and len(rig) in (0, len(order)) and all(isinstance(p, dict) for p in rig)
        if not is_right:
            problems.append(f"subject {subject}: extrinsics must be a list of {len(order)} cameras, or empty")
        elif any(rig):
            found[subject] = [by_name[name] | pose for name, pose in zip(order, rig, strict=True)]
    return found


def _camera(entry: Any, place: str, problems: list[str]) -> Camera | None:
    if not isinstance(entry, dict):
        problems.append(f"{place}: is a {type(entry).__name__}, not a mapping")
        return None
    vectors = {name: _vector(entry.get(name), length) for name, length in LENGTHS.items()}
    faults = [f"{name} must be {LENGTHS[name]} finite numbers" for name, found in vectors.items() if found is None]
    width, height = entry.get("res_w"), entry.get("res_h")
    orientation = vectors["orientation"]
    if orientation is not None and abs(np.linalg.norm(orientation) - 1) > UNIT_TOLERANCE:
        faults.append("orientation is no unit quaternion (w, x, y, z)")
    if not (isinstance(width, int) and isinstance(height, int) and min(width, height) > 0):
        faults.append("res_w and res_h must be the image size in pixels")
    elif not faults:
        lens = normalize_intrinsics(
            focal_px=entry["focal_length"],
            center_px=entry["center"],
            radial=entry["radial_distortion"],
            tangential=entry["tangential_distortion"],
            width=width,
            height=height,
        )
        return Camera(
            name=str(entry.get("id", "")),
            orientation=np.array(entry["orientation"], np.float32),
            translation=(np.array(entry["translation"]) / MM_PER_METRE).astype(np.float32),
            intrinsics=lens.numpy().astype(np.float32),
            width=width,
            height=height,
        )
    problems += [f"{place}: {fault}" for fault in faults]
    return None


def _vector(value: object, length: int) -> NDArray[np.float64] | None:
    is_right = isinstance(value, list) and len(value) == length
    if not is_right or not all(type(number) in (int, float) for number in value):  # type: ignore[attr-defined]
        return None
    vector = np.array(value, dtype=np.float64)
    return vector if np.isfinite(vector).all() else None


def _entry(camera: Camera) -> dict[str, Any]:
    lens = torch.from_numpy(camera.intrinsics).double()
    return {
        "id": camera.name,
        "center": to_pixels(lens[2:4], camera.width, camera.height).tolist(),
        "focal_length": (lens[:2] * camera.width / 2).tolist(),
        "radial_distortion": lens[4:7].tolist(),
        "tangential_distortion": lens[7:9].tolist(),
        "res_w": camera.width,
        "res_h": camera.height,
        "orientation": camera.orientation.astype(np.float64).tolist(),
        "translation": (camera.translation.astype(np.float64) * MM_PER_METRE).tolist(),
    }
