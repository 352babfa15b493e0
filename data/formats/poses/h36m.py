"""Reader and writer of VideoPose3D's Human3.6M layout: data_3d_<set>.npz, data_2d_<set>_<keypoints>.npz,
cameras_<set>.json.

positions_3d {subject: {action: [n, 32, 17 or 16, 3] world metres}}; positions_2d {subject: {action: list of one
[n, 17 or 16, 2] per camera, pixels}}; metadata of the 2D with its left and right joints. All at 50 Hz."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from spaces.files import write_text

from ...errors import DataError
from ...poses.families import is_humaneva
from ...poses.poseset import PoseSet
from ...poses.skeleton import H36M_16, H36M_17, H36M_32, by_joint_count
from ..pickles import member_names, read_object
from .calibration import Rigs, cameras_text, read_cameras
from .clips import Check, check_names, check_symmetry, chosen_subjects, paired_clips, stored_skeleton
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

__all__ = [
    "FPS",
    "available_keypoints",
    "available_sets",
    "file_2d",
    "file_3d",
    "file_cameras",
    "h36m_cameras",
    "read",
    "write",
    "write_2d",
    "write_3d",
]

FPS = 50.0  # of the Human3.6M recordings, and of every set that is stored in this layout
CALIBRATED = "h36m"  # the one set whose calibration is published, and here


def file_cameras(root: Path, name: str) -> Path:
    """Returns the path of a set's calibration."""
    return root / f"cameras_{name}.json"


def available_sets(root: Path) -> tuple[str, ...]:
    """Returns the names of the sets with a 3D file in the folder; none when there is no such folder."""
    return tuple(name for name in stored_sets(root) if not is_humaneva(name))


def h36m_cameras() -> Rigs:
    """Returns the published calibration of Human3.6M: four cameras of each of S1, S5, S6, S7, S8, S9, S11."""
    return read_cameras(Path(__file__).with_name("h36m_cameras.json"))


def read(
    root: Path,
    name: str,
    keypoints: str,
    *,
    joints: int | None,
    subjects: Collection[str] | None = None,
    scores: bool = False,
) -> PoseSet:
    """Reads the clips of the named subjects (None: all) with 17 or 16 `joints` (None: as many as the 2D has),
    with the scores behind the 2D if asked for and there.

    Subjects come in the order of the 3D file, actions in that of the 2D file, as in the published code. 2D is cut to
    the length of the motion capture. DataError lists every fault of every clip."""
    root = Path(root)
    where = f"{root}, set '{name}' with 2D '{keypoints}'"
    missing = list(_missing_files(root, name, keypoints))
    if missing:
        raise DataError(where, missing)
    path_2d, calibration = file_2d(root, name, keypoints), file_cameras(root, name)
    truth = read_clips(file_3d(root, name), "positions_3d")
    views = read_clips(path_2d, "positions_2d")
    rigs = read_cameras(calibration) if calibration.exists() else h36m_cameras()
    stored = stored_skeleton(views)
    known = {skeleton.num_joints: skeleton for skeleton in (H36M_16, H36M_17)}
    assert joints is None or joints in known, joints
    target = known[joints] if joints is not None else stored
    check = Check(
        target, joints is not None, {"3D": (H36M_32, H36M_17, H36M_16), "2D": (H36M_17, H36M_16)}, has_scores=scores
    )
    chosen = chosen_subjects(truth, subjects, check)
    check_names(truth, views, rigs, chosen, check)
    if "metadata" in member_names(path_2d):
        check_symmetry(read_object(path_2d, "metadata"), stored, "Human3.6M", check)
    sequences = paired_clips(truth, views, rigs, chosen, check, where)
    return PoseSet(name=name, keypoints=keypoints, skeleton=check.skeleton, fps=FPS, sequences=sequences)


def _missing_files(root: Path, name: str, keypoints: str) -> Iterator[str]:
    yield from missing_files(root, name, keypoints, available_sets(root))
    if name in available_sets(root) and name != CALIBRATED and not file_cameras(root, name).exists():
        found = f"has no {file_cameras(root, name).name}, and only set {CALIBRATED} has a published calibration"
        yield f"{found}; put the calibration there"


def write(poses: PoseSet, root: Path) -> None:
    """Writes all three files; each appears whole or not at all, and an earlier one of that name is replaced."""
    write_3d(poses, root)
    write_2d(poses, root)
    rigs: Rigs = {}
    for clip in poses.sequences:
        first = rigs.setdefault(clip.subject, clip.cameras)
        assert [camera.name for camera in first] == [camera.name for camera in clip.cameras], clip.subject
    write_text(file_cameras(root, poses.name), cameras_text(rigs))


def write_2d(poses: PoseSet, root: Path) -> None:
    """Writes the 2D file. Joints are those of the arrays, 17 or 16, whatever the 3D has."""
    count = poses.sequences[0].pose2d[0].shape[1]
    skeleton = by_joint_count(count)
    assert skeleton in (H36M_17, H36M_16), count
    write_views(poses, root, "h36m", skeleton)
