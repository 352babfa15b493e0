"""Clip parsing of the MPI-INF-3DHP layout: entries of its two files checked and converted to metres."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...poses.poseset import Array, Camera, Sequence
from .calibration import MM_PER_METRE
from .clips import Check, check_finite, reduced

CAMERAS = ("0", "1", "2", "4", "5", "6", "7", "8")
TESTS = ("TS1", "TS2", "TS3", "TS4", "TS5", "TS6")
OUTDOORS = ("TS5", "TS6")  # filmed in 1920 x 1080, everything else in 2048 x 2048
TRAIN_KEY = re.compile(r"S[1-8] Seq[12]")
RATES = (25, 50)
# Nobody fits within 10 cm of a camera; a pose in metres does, once it is divided by 1000.
SMALLEST_METRES = 0.1


def camera_of(subject: str, name: str) -> Camera:
    """Returns a camera at the origin of its own axes, with the image size of the subject's videos."""
    width, height = (1920, 1080) if subject in OUTDOORS else (2048, 2048)
    return Camera(
        name=name,
        orientation=np.array((1, 0, 0, 0), np.float32),
        translation=np.zeros(3, np.float32),
        intrinsics=np.full(9, np.nan, np.float32),
        width=width,
        height=height,
    )


def read_train(key: str, entry: Any, check: Check) -> list[Sequence]:
    """Parses one clip for each camera of the sequence 'S1 Seq1'; they may only be used when `check` has no problem."""
    place = f"sequence {key}"
    if not TRAIN_KEY.fullmatch(key):
        check.fault(f"{place}: no training sequence has this name; they are 'S1 Seq1' to 'S8 Seq2'")
        return []
    if not (isinstance(entry, list | tuple) and len(entry) == 2 and isinstance(entry[0], dict)):
        check.fault(f"{place}: is a {type(entry).__name__}; expected [{{camera: poses}}, fps]")
        return []
    views, fps = entry
    is_rate = isinstance(fps, int | float | np.number) and fps in RATES
    if not is_rate:
        check.fault(f"{place}: fps is {fps!r}; it must be 25 or 50")
    for name in views:
        if name not in CAMERAS:
            check.fault(f"{place}: has a camera {name!r}; this layout has {', '.join(CAMERAS)}, drop others")
    for name in CAMERAS:
        if name not in views:
            check.fault(f"{place}: has no camera {name}; add its poses")
    subject, _, action = key.partition(" ")
    clips = []
    for name in CAMERAS:
        poses = _poses(views[name], f"{place}, camera {name}", check) if name in views else None
        if poses is not None:
            clips.append(
                Sequence(
                    subject=subject,
                    action=f"{action} {name}",
                    pose3d=poses[0],
                    pose2d=(poses[1],),
                    cameras=(camera_of(subject, name),),
                    fps=float(fps) if is_rate else None,
                )
            )
    lengths = {len(clip.pose3d) for clip in clips}
    if len(lengths) > 1:
        check.fault(f"{place}: its cameras have {min(lengths)} to {max(lengths)} frames; cut them to the same frames")
    return clips


def read_test(key: str, entry: Any, check: Check) -> list[Sequence]:
    """Parses the test sequence 'TS1' with its mask of scored frames, or nothing; only to be used when `check` has no
    problem."""
    place = f"sequence {key}"
    if key not in TESTS:
        check.fault(f"{place}: no test sequence has this name; they are {TESTS[0]} to {TESTS[-1]}")
        return []
    poses, valid = _poses(entry, place, check), _valid(entry, place, check)
    if poses is None or valid is None:
        return []
    pose3d, pose2d = poses
    if len(valid) != len(pose3d):
        check.fault(f"{place}: 'valid' has {len(valid)} frames, the 3D has {len(pose3d)}; give one per frame")
    cameras = (camera_of(key, "0"),)
    return [Sequence(subject=key, action=key, pose3d=pose3d, pose2d=(pose2d,), cameras=cameras, valid=valid)]


def _valid(entry: Any, place: str, check: Check) -> NDArray[np.bool_] | None:
    valid = entry.get("valid") if isinstance(entry, dict) else None
    if valid is None:
        check.fault(f"{place}: has no 'valid'; add 1 for every frame to score, else 0")
        return None
    is_array = isinstance(valid, np.ndarray) and valid.dtype.kind in "fiub" and valid.shape[1:] in ((), (1,))
    if not is_array or not valid.ndim or not np.isin(valid, (0, 1)).all():
        found = f"{valid.dtype} {valid.shape}" if isinstance(valid, np.ndarray) else f"a {type(valid).__name__}"
        check.fault(f"{place}: 'valid' is {found}; expected one 0 or 1 per frame")
        return None
    if not valid.any():
        check.fault(f"{place}: 'valid' is 0 in every frame, so there is nothing to score; drop the sequence")
    mask: NDArray[np.bool_] = valid.reshape(-1) == 1
    return mask


def _poses(entry: Any, place: str, check: Check) -> tuple[Array, Array] | None:
    """Returns 3D in metres and 2D in pixels."""
    arrays = entry if isinstance(entry, dict) else {}
    lacking = [name for name in ("data_2d", "data_3d") if name not in arrays]
    if lacking:
        check.fault(f"{place}: has no {' and no '.join(map(repr, lacking))}; expected both, with 17 joints")
        return None
    pose2d = reduced(arrays["data_2d"], "2D", place, check)
    pose3d = reduced(_metres(arrays["data_3d"]), "3D", place, check)
    if pose2d is None or pose3d is None:
        return None
    if len(pose2d) != len(pose3d):
        check.fault(f"{place}: 3D has {len(pose3d)} frames, 2D has {len(pose2d)}; cut both to the same frames")
    _check_pose(pose3d, place, check)
    check_finite(pose2d, "2D", place, check)
    return pose3d, pose2d


def _metres(array: Any) -> Any:
    """Divides an array by 1000 before anything is rounded to float32; anything but an array of numbers is returned
    unchanged."""
    is_array = isinstance(array, np.ndarray) and array.dtype.kind in "fiu"
    return array / MM_PER_METRE if is_array else array


def _check_pose(pose3d: Array, place: str, check: Check) -> None:
    if not len(pose3d):
        check.fault(f"{place}: 3D has no frames; drop the clip")
        return
    check_finite(pose3d, "3D", place, check)
    size = np.abs(pose3d)
    if size.max() < SMALLEST_METRES:
        found = f"3D looks like metres (median {MM_PER_METRE * np.median(size):.2g})"
        check.fault(f"{place}: {found}; this layout has millimetres, multiply it by 1000")
