"""What a set of motions is like: speeds, joint angles, spectra, poses. Clips are [n, 17, 3] metres, 50 Hz."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from data.poses.geometry import project, to_pixels, world_to_camera
from data.poses.poseset import Camera

Array = NDArray[np.float64]
FPS = 50
WINDOW = 256  # frames of a spectrum
WRISTS, ANKLES, KNEES = [13, 16], [3, 6], [2, 5]
SIDES = {"right": (1, 14, 1.0), "left": (4, 11, -1.0)}  # first joint of leg and arm, sign of the outward axis
CONTACT_HEIGHT, CONTACT_SPEED = 0.14, 0.35  # metres, m/s

# Name: (13 CMU subjects, lowest and highest value that counts as human). Speeds m/s, angles degrees.
LIKE_RECORDED = {
    "joint_speed p50": (0.25, 0.1625, 0.3375),
    "joint_speed p95": (1.43, 0.93, 1.93),
    "joint_speed p99": (2.33, 1.51, 3.15),
    "wrist_speed p50": (0.57, 0.342, 0.798),
    "wrist_speed p95": (1.98, 1.19, 2.77),
    "ankle_speed p50": (0.64, 0.416, 0.864),
    "ankle_speed p95": (2.10, 1.365, 2.835),
    "acceleration p50": (4.8, 1.92, 7.2),
    "acceleration p95": (22, 8.8, 33),
    "root_speed p50": (0.44, 0.308, 0.572),
    "root_speed p95": (1.30, 0.91, 1.69),
    "root_height p1": (0.67, 0.45, 0.75),
    "root_height p50": (1.07, 0.95, 1.10),
    "yaw_rate p50": (31, 20, 55),
    "yaw_rate p95": (198, 100, 260),
    "hip_flexion p1": (-27, -39, -15),
    "hip_flexion p50": (24, 12, 36),
    "hip_flexion p99": (90, 78, 102),
    "hip_abduction p1": (-19, -31, -7),
    "hip_abduction p99": (38, 26, 50),
    "knee p1": (1, 0, 12),
    "knee p50": (44, 32, 56),
    "knee p99": (125, 100, 145),
    "elbow p1": (17, 8, 25),
    "elbow p50": (73, 53, 93),
    "elbow p99": (146, 134, 158),
    "shoulder_elevation p50": (30, 15, 45),
    "shoulder_elevation p95": (123, 85, 135),
    "shoulder_elevation p99": (149, 110, 165),
    "trunk_lean p50": (6, 4, 15),
    "trunk_lean p95": (37, 20, 45),
    "twist p50": (6, 2, 10),
    "twist p95": (24, 16, 32),
    "knee below 1": (0.84, 0.75, 0.95),
    "knee below 2": (0.97, 0.95, 1),
    "knee below 5": (0.999, 0.995, 1),
    "elbow below 1": (0.91, 0.85, 0.98),
    "elbow below 2": (0.99, 0.97, 1),
    "elbow below 5": (1.0, 0.995, 1),
    "components 90": (11, 8, 14),
    "components 95": (15, 11, 19),
    "components 99": (25, 18, 32),
    "spread_mm": (142, 110, 180),
    "contact": (0.37, 0.15, 0.5),
    "knee_backwards": (1.0, 0.995, 1),
}


def statistics(clips: Sequence[Array]) -> dict[str, float]:
    """Every figure by name, angles in degrees; a percentile is named like `knee p99`."""
    poses = np.concatenate(clips)
    angles = joint_angles(poses)
    found = _speeds(clips) | _places(poses) | _spectra(clips)
    for name, levels in (
        ("hip_flexion", (1, 50, 99)),
        ("hip_abduction", (1, 99)),
        ("knee", (1, 50, 99)),
        ("elbow", (1, 50, 99)),
        ("shoulder_elevation", (50, 95, 99)),
        ("trunk_lean", (50, 95)),
        ("twist", (50, 95)),
    ):
        found |= _percentiles(name, np.abs(angles[name]) if name == "twist" else angles[name], levels)
    bent = angles["knee"] > 20
    found["knee_backwards"] = float((angles["knee_direction"][bent] > 0).mean())
    return found


def joint_angles(poses: Array) -> dict[str, Array]:
    """Degrees [n, 2] (right, left), trunk lean and twist [n]; knee_direction > 0 where it bends backwards."""
    pelvis = _frame(poses[:, 1] - poses[:, 4], poses[:, 7] - poses[:, 0])
    thorax = _frame(poses[:, 14] - poses[:, 11], poses[:, 8] - poses[:, 7])
    pairs: dict[str, list[Array]] = {}
    for leg, arm, outward in SIDES.values():
        thigh, shank = _unit(poses[:, leg + 1] - poses[:, leg]), _unit(poses[:, leg + 2] - poses[:, leg + 1])
        upper, fore = _unit(poses[:, arm + 1] - poses[:, arm]), _unit(poses[:, arm + 2] - poses[:, arm + 1])
        across, forward, up = (_dot(thigh, axis) for axis in pelvis)
        # Backwards of a thigh is the direction in which more flexion would not move it.
        ahead = pelvis[1] * np.cos(np.arctan2(forward, -up))[:, None]
        ahead = ahead + pelvis[2] * np.sin(np.arctan2(forward, -up))[:, None]
        for name, value in (
            ("hip_flexion", np.arctan2(forward, -up)),
            ("hip_abduction", np.arcsin(np.clip(outward * across, -1, 1))),
            ("knee", _between(thigh, shank)),
            ("elbow", _between(upper, fore)),
            ("shoulder_elevation", np.arccos(np.clip(-_dot(upper, thorax[2]), -1, 1))),
            ("knee_direction", -_dot(shank, ahead)),
        ):
            pairs.setdefault(name, []).append(np.degrees(value))
    angles = {name: np.stack(values, axis=1) for name, values in pairs.items()}
    trunk = _unit(poses[:, 8] - poses[:, 0])
    angles["trunk_lean"] = np.degrees(np.arccos(np.clip(trunk[:, 2], -1, 1)))
    facing = [np.arctan2(axes[0][:, 1], axes[0][:, 0]) for axes in (pelvis, thorax)]
    angles["twist"] = np.degrees((facing[1] - facing[0] + np.pi) % (2 * np.pi) - np.pi)
    return angles


def facing_normalised(poses: Array) -> Array:
    """Root-relative poses [n, 17, 3] turned about z until the hips lie along x."""
    hips = poses[:, 1] - poses[:, 4]
    angle = np.arctan2(hips[:, 1], hips[:, 0])
    cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
    relative = poses - poses[:, :1]
    x, y, z = relative[..., 0], relative[..., 1], relative[..., 2]
    return np.stack((cosine * x + sine * y, cosine * y - sine * x, z), axis=-1)


def _speeds(clips: Sequence[Array]) -> dict[str, float]:
    relative = np.concatenate([_speed(clip - clip[:, :1])[:, 1:] for clip in clips])
    world = np.concatenate([_speed(clip) for clip in clips])
    bent = np.concatenate([_length(np.diff(clip - clip[:, :1], 2, axis=0))[:, 1:] for clip in clips]) * FPS**2
    low = np.concatenate([clip[1:-1, ANKLES, 2] for clip in clips]) < CONTACT_HEIGHT
    root = np.concatenate([_speed(clip[:, 0, :2]) for clip in clips])
    yaw_rate = np.concatenate([_yaw_rate(clip) for clip in clips])
    return {
        **_percentiles("joint_speed", relative, (50, 95, 99)),
        **_percentiles("wrist_speed", relative[:, np.subtract(WRISTS, 1)], (50, 95)),
        **_percentiles("ankle_speed", relative[:, np.subtract(ANKLES, 1)], (50, 95)),
        **_percentiles("acceleration", bent, (50, 95)),
        **_percentiles("root_speed", root, (50, 95)),
        **_percentiles("yaw_rate", np.abs(yaw_rate), (50, 95)),
        "contact": float((low & (world[:, ANKLES] < CONTACT_SPEED)).mean()),
    }


def _yaw_rate(clip: Array) -> Array:
    hips = clip[:, 1] - clip[:, 4]
    angle = np.unwrap(np.arctan2(hips[:, 1], hips[:, 0]))
    return np.degrees((angle[2:] - angle[:-2]) * (FPS / 2))


def _places(poses: Array) -> dict[str, float]:
    leg = _length(poses[:, 2] - poses[:, 1]) + _length(poses[:, 3] - poses[:, 2])
    normal = facing_normalised(poses).reshape(len(poses), -1)
    centred = normal - normal.mean(0)
    variance = np.linalg.eigvalsh(centred.T @ centred)[::-1]
    share = np.cumsum(variance) / variance.sum()
    spread_mm = 1000 * _length(centred.reshape(len(poses), -1, 3))
    return {
        **_percentiles("root_height", poses[:, 0, 2] / leg, (1, 50, 99)),
        **{f"components {level}": float(np.searchsorted(share, level / 100) + 1) for level in (90, 95, 99)},
        "spread_mm": float(spread_mm.mean()),
    }


def _spectra(clips: Sequence[Array]) -> dict[str, float]:
    """Share of the power of an angle below 1, 2 and 5 Hz; Hann windows, mean removed."""
    windows = [clip[start : start + WINDOW] for clip in clips for start in range(0, len(clip) - WINDOW + 1, WINDOW)]
    stacked = joint_angles(np.concatenate(windows))
    frequency = np.fft.rfftfreq(WINDOW, 1 / FPS)
    found: dict[str, float] = {}
    for name in ("knee", "elbow"):
        tracks = stacked[name].reshape(len(windows), WINDOW, -1)
        tracks = (tracks - tracks.mean(1, keepdims=True)) * np.hanning(WINDOW)[:, None]
        power = (np.abs(np.fft.rfft(tracks, axis=1)) ** 2).sum((0, 2))
        found |= {f"{name} below {hz}": float(power[frequency < hz].sum() / power.sum()) for hz in (1, 2, 5)}
    return found


def _percentiles(name: str, values: Array, levels: Sequence[int]) -> dict[str, float]:
    return {
        f"{name} p{level}": float(value) for level, value in zip(levels, np.percentile(values, levels), strict=True)
    }


def _frame(across: Array, up: Array) -> tuple[Array, Array, Array]:
    """Unit axes right, forward, up [n, 3]; up is made orthogonal to across."""
    right = _unit(across)
    upright = _unit(up - _dot(up, right)[:, None] * right)
    return right, np.cross(upright, right), upright


def _between(one: Array, other: Array) -> Array:
    return np.arccos(np.clip(_dot(one, other), -1, 1))


def _dot(one: Array, other: Array) -> Array:
    product: Array = (one * other).sum(-1)
    return product


def _length(vectors: Array) -> Array:
    length: Array = np.linalg.norm(vectors, axis=-1)
    return length


def _unit(vectors: Array) -> Array:
    direction: Array = vectors / _length(vectors)[..., None]
    return direction


def _speed(positions: Array) -> Array:
    return _length(positions[2:] - positions[:-2]) * (FPS / 2)


def box_heights_px(clips: Sequence[Array], cameras: Sequence[Camera]) -> Array:
    """Height of the 2D box of the 17 joints in every fourth frame, in pixels, over all cameras."""
    points = torch.from_numpy(np.concatenate([clip[::4] for clip in clips]))
    heights = []
    for camera in cameras:
        orientation, translation = torch.from_numpy(camera.orientation), torch.from_numpy(camera.translation)
        seen = world_to_camera(points, orientation.double(), translation.double())
        screen = project(seen, torch.from_numpy(camera.intrinsics).double())
        rows = to_pixels(screen, camera.width, camera.height)[..., 1].numpy()
        heights.append(np.ptp(rows, axis=1))
    return np.concatenate(heights)
