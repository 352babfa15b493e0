"""Reader and writer of VideoPose3D's HumanEva-I layout: data_3d_<set>.npz and data_2d_<set>_<keypoints>.npz, set
humaneva15.

positions_3d {subject: {action: [n, 15, 3] world metres}}; positions_2d {subject: {action: list of one [n, 15, 2] per
camera, pixels of 640 x 480}}; 60 Hz. Subjects are Train/S1 to Validate/S3. Actions name a take and a piece of it,
'Walking 1 chunk0'; pieces without motion capture count in the numbers but are not stored. The 2D may have subjects
without 3D (Unlabeled/S4), which are not read. Lenses are not known."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from spaces.errors import did_you_mean

from ...errors import DataError
from ...poses.families import is_humaneva
from ...poses.poseset import Camera, PoseSet
from ...poses.skeleton import HUMANEVA_15
from ..pickles import member_names, read_object
from .calibration import MM_PER_METRE, Rigs
from .clips import Check, check_names, check_symmetry, chosen_subjects, paired_clips
from .video_pose3d import (
    available_keypoints,
    file_2d,
    file_3d,
    missing_files,
    read_clips,
    stored_sets,
    write_3d,
    write_views,
)

__all__ = ["FPS", "available_keypoints", "available_sets", "file_2d", "file_3d", "read", "rigs", "write", "write_2d"]

FPS = 60.0
PARTS, SUBJECTS = ("Train", "Validate"), ("S1", "S2", "S3")
WIDTH, HEIGHT = 640, 480
# Name, orientation camera to world, translation in millimetres; S2 was recorded after the cameras had been moved.
CAMERAS = (
    ("C1", (0.424207, -0.4983646, -0.5802981, 0.4847012), (4062.227, 663.2477, 1528.397)),
    ("C2", (0.6503354, -0.7481602, -0.0919284, 0.0941766), (844.8131, -3805.2092, 1504.9929)),
    ("C3", (0.0664734, -0.0690535, 0.7416416, -0.6639132), (-797.6738, 3916.3174, 1433.6602)),
)
CAMERAS_S2 = (
    ("C1", (0.4214752, -0.4961493, -0.5838273, 0.4851187), (4112.9121, 626.4929, 1545.2988)),
    ("C2", (0.6501393, -0.7476588, -0.0954617, 0.0959808), (923.574, -3877.9243, 1504.5518)),
    ("C3", (0.0699353, -0.0712403, 0.7421637, -0.662742), (-781.4915, 3838.8853, 1444.9929)),
)


def available_sets(root: Path) -> tuple[str, ...]:
    """Returns the names of the sets with a 3D file in the folder; none when there is no such folder."""
    return tuple(name for name in stored_sets(root) if is_humaneva(name))


def rigs() -> Rigs:
    """Returns the published camera poses of every subject, 'Train/S1' to 'Validate/S3'."""
    found: Rigs = {}
    for part in PARTS:
        for subject in SUBJECTS:
            found[f"{part}/{subject}"] = tuple(
                Camera(
                    name=name,
                    orientation=np.array(orientation, np.float32),
                    translation=(np.array(translation_mm) / MM_PER_METRE).astype(np.float32),
                    intrinsics=np.full(9, np.nan, np.float32),
                    width=WIDTH,
                    height=HEIGHT,
                )
                for name, orientation, translation_mm in (CAMERAS_S2 if subject == "S2" else CAMERAS)
            )
    return found


def read(root: Path, name: str, keypoints: str, *, subjects: Collection[str] | None = None) -> PoseSet:
    """Reads the clips of the named subjects (None: all that have 3D), with 15 joints.

    Subjects come in the order of the 3D file, actions in that of the 2D file. 2D is cut to the length of the motion
    capture. DataError lists every fault of every clip."""
    where = f"{root}, set '{name}' with 2D '{keypoints}'"
    missing = list(missing_files(root, name, keypoints, available_sets(root)))
    if missing:
        raise DataError(where, missing)
    path_2d, known = file_2d(root, name, keypoints), rigs()
    truth = read_clips(file_3d(root, name), "positions_3d")
    views = read_clips(path_2d, "positions_2d")
    check = Check(HUMANEVA_15, True, {"3D": (HUMANEVA_15,), "2D": (HUMANEVA_15,)})
    chosen = chosen_subjects(truth, subjects, check)
    for subject in chosen:
        if subject not in known:
            check.fault(f"no subject '{subject}' in this layout{did_you_mean(subject, known)}; drop it from the 3D")
    chosen = [subject for subject in chosen if subject in known]
    check_names(truth, views, known, chosen, check)
    if "metadata" in member_names(path_2d):
        check_symmetry(read_object(path_2d, "metadata"), HUMANEVA_15, "HumanEva-I", check)
    sequences = paired_clips(truth, views, known, chosen, check, where)
    return PoseSet(name=name, keypoints=keypoints, skeleton=HUMANEVA_15, fps=FPS, sequences=sequences)


def write(poses: PoseSet, root: Path) -> None:
    """Writes both files; each appears whole or not at all, and an earlier one of that name is replaced."""
    write_3d(poses, root)
    write_2d(poses, root)


def write_2d(poses: PoseSet, root: Path) -> None:
    """Writes the 2D file alone."""
    assert is_humaneva(poses.name), poses.name
    write_views(poses, root, "humaneva15", HUMANEVA_15)
