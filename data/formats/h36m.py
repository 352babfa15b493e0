"""The Human3.6M layout of VideoPose3D: data_3d_<set>.npz, data_2d_<set>_<keypoints>.npz, cameras_<set>.json.

positions_3d {subject: {action: [n, 32, 17 or 16, 3] world metres}}; positions_2d {subject: {action: list of
one [n, 17 or 16, 2] per camera, pixels}}; metadata of the 2D with its left and right joints. All at 50 Hz.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

from data.pickles import member_names, read_object
from data.poseset import DataError, PoseSet
from data.skeleton import H36M_16, H36M_17, by_joint_count
from spaces.files import replacing, write_text
from spaces.schema import did_you_mean

from .calibration import Rigs, cameras_text, read_cameras
from .h36m_clips import Check, Clips, check_names, check_symmetry, chosen_subjects, read_clip, stored_skeleton

FPS = 50.0  # of the Human3.6M recordings, and of every set that is stored in this layout
CALIBRATED = "h36m"  # the one set whose calibration is published, and here


def file_3d(root: Path, name: str) -> Path:
    return root / f"data_3d_{name}.npz"


def file_2d(root: Path, name: str, keypoints: str) -> Path:
    return root / f"data_2d_{name}_{keypoints}.npz"


def file_cameras(root: Path, name: str) -> Path:
    return root / f"cameras_{name}.json"


def available_sets(root: Path) -> tuple[str, ...]:
    """Names of the sets with a 3D file in the folder; none when there is no such folder."""
    return tuple(sorted(path.stem.removeprefix("data_3d_") for path in root.glob("data_3d_*.npz")))


def available_keypoints(root: Path, name: str) -> tuple[str, ...]:
    """Sources of 2D for a set. `data_2d_a_b_gt.npz` belongs to set a_b when there is one, else to set a."""
    others = tuple(f"data_2d_{other}_" for other in available_sets(root) if other.startswith(f"{name}_"))
    prefix = f"data_2d_{name}_"
    stems = [path.stem for path in root.glob(f"{prefix}*.npz")]
    return tuple(sorted(stem.removeprefix(prefix) for stem in stems if not stem.startswith(others)))


def h36m_cameras() -> Rigs:
    """The published calibration of Human3.6M: four cameras of each of S1, S5, S6, S7, S8, S9, S11."""
    return read_cameras(Path(__file__).with_name("h36m_cameras.json"))


def read(
    root: Path, name: str, keypoints: str, *, joints: int | None, subjects: Collection[str] | None = None
) -> PoseSet:
    """The clips of the named subjects (None: all) with 17 or 16 `joints` (None: as many as the 2D has).

    Subjects come in the order of the 3D file, actions in that of the 2D file, as in the published code. 2D is
    cut to the length of the motion capture. DataError lists every fault of every clip.
    """
    root = Path(root)
    where = f"{root}, set '{name}' with 2D '{keypoints}'"
    missing = list(_missing_files(root, name, keypoints))
    if missing:
        raise DataError(where, missing)
    path_2d, calibration = file_2d(root, name, keypoints), file_cameras(root, name)
    truth = _clips(file_3d(root, name), "positions_3d")
    views = _clips(path_2d, "positions_2d")
    rigs = read_cameras(calibration) if calibration.exists() else h36m_cameras()
    stored = stored_skeleton(views)
    known = {skeleton.num_joints: skeleton for skeleton in (H36M_16, H36M_17)}
    assert joints is None or joints in known, joints
    check = Check(known[joints] if joints is not None else stored, joints is not None)
    chosen = chosen_subjects(truth, subjects, check)
    check_names(truth, views, rigs, chosen, check)
    if "metadata" in member_names(path_2d):
        check_symmetry(read_object(path_2d, "metadata"), stored, check)
    clips = [
        read_clip(subject, action, truth[subject][action], pixels, rigs, check)
        for subject in chosen
        if subject in rigs
        for action, pixels in views.get(subject, {}).items()
        if action in truth[subject]
    ]
    if not clips:
        check.fault("there is no clip with both 3D and 2D")
    if check.problems:
        raise DataError(where, list(check.problems))
    sequences = tuple(clip for clip in clips if clip is not None)
    return PoseSet(name=name, keypoints=keypoints, skeleton=check.skeleton, fps=FPS, sequences=sequences)


def _missing_files(root: Path, name: str, keypoints: str) -> Iterator[str]:
    if not root.is_dir():
        yield "no such folder; name the folder of the data files (--data-root, data.root)"
        return
    sets, sources = available_sets(root), available_keypoints(root, name)
    if name not in sets:
        here = f"sets here: {', '.join(sets) or 'none; `python -m data synth` writes one'}"
        yield f"has no {file_3d(root, name).name}{did_you_mean(name, sets)}; {here}"
        return
    if keypoints not in sources:
        here = f"data.keypoints here: {', '.join(sources) or 'none'}"
        yield f"has no {file_2d(root, name, keypoints).name}{did_you_mean(keypoints, sources)}; {here}"
    if name != CALIBRATED and not file_cameras(root, name).exists():
        found = f"has no {file_cameras(root, name).name}, and only set {CALIBRATED} has a published calibration"
        yield f"{found}; put the calibration there"


def _clips(path: Path, key: str) -> Clips:
    tree = read_object(path, key)
    if isinstance(tree, dict) and all(isinstance(actions, dict) for actions in tree.values()):
        names = [*tree, *(action for actions in tree.values() for action in actions)]
        if all(isinstance(name, str) for name in names):
            return tree
    expected = "expected {subject: {action: poses}} with text as names"
    raise DataError(str(path), [f"'{key}' is no dictionary of dictionaries; {expected}"])


def write(poses: PoseSet, root: Path) -> None:
    """All three files; each appears whole or not at all, and an earlier one of that name is replaced.

    Arrays are stored as they are: packing the 2D of 50,000 frames saves 40 % of 27 MB and takes 3.7 s, not 0.03.
    """
    write_3d(poses, root)
    write_2d(poses, root)
    rigs: Rigs = {}
    for clip in poses.sequences:
        first = rigs.setdefault(clip.subject, clip.cameras)
        assert [camera.name for camera in first] == [camera.name for camera in clip.cameras], clip.subject
    write_text(file_cameras(root, poses.name), cameras_text(rigs))


def write_3d(poses: PoseSet, root: Path) -> None:
    tree: dict[str, dict[str, object]] = {subject: {} for subject in poses.subjects}
    for clip in poses.sequences:
        tree[clip.subject][clip.action] = clip.pose3d
    with replacing(file_3d(root, poses.name)) as file:
        np.savez(file, positions_3d=np.array(tree, dtype=object))


def write_2d(poses: PoseSet, root: Path) -> None:
    """Joints are those of the arrays, 17 or 16, whatever the 3D has."""
    tree: dict[str, dict[str, object]] = {subject: {} for subject in poses.subjects}
    for clip in poses.sequences:
        tree[clip.subject][clip.action] = list(clip.pose2d)
    count = poses.sequences[0].pose2d[0].shape[1]
    skeleton = by_joint_count(count)
    assert skeleton in (H36M_17, H36M_16), count
    metadata = {
        "layout_name": "h36m",
        "num_joints": count,
        "keypoints_symmetry": [list(skeleton.left), list(skeleton.right)],
    }
    with replacing(file_2d(root, poses.name, poses.keypoints)) as file:
        positions = np.array(tree, dtype=object)
        np.savez(file, positions_2d=positions, metadata=np.array(metadata, dtype=object))
