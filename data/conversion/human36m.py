"""Converter of Human3.6M, from the original release or from pickles of its poses, to VideoPose3D's layout."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from ..errors import DataError
from ..formats.pickles import read_pickle
from ..formats.poses.calibration import MM_PER_METRE
from ..formats.poses.clips import LARGEST_METRES
from ..formats.poses.h36m import CALIBRATED, FPS, file_3d, h36m_cameras
from ..formats.poses.video_pose3d import read_clips
from ..poses.poseset import Array, PoseSet, Sequence
from ..poses.skeleton import H36M_17, H36M_32, Skeleton, by_joint_count, kept_joints
from ..synthetic.poses.recording import pixels_of
from .cdf import read_cdf

FOLDER = "D3_Positions"
RENAMED = MappingProxyType({"TakingPhoto": "Photo", "WalkingDog": "WalkDog"})
BROKEN = (("S11", "Directions"),)  # its video is; every published use leaves it out
RECORDINGS = 30  # of a subject: two of each action
# Frames times cameras of S9 and S11 together, by action, in the order of the published tables.
TEST_CAMERA_FRAMES = MappingProxyType(
    {
        "Directions": 26428, "Discussion": 64244, "Eating": 39308, "Greeting": 30644, "Phoning": 56088,
        "Photo": 29320, "Posing": 27280, "Purchases": 19284, "Sitting": 40276, "SittingDown": 33324,
        "Smoking": 55552, "Waiting": 37864, "WalkDog": 28304, "Walking": 29264, "WalkTogether": 26164,
    }
)  # fmt: skip
TEST_SUBJECTS = ("S9", "S11")


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """Poses with true 2D; `found`: where they came from; `unit` of the files; `left_out`: names of recordings."""

    poses: PoseSet
    found: str
    unit: str
    left_out: tuple[str, ...]


Stored = list[tuple[str, str, str, Callable[[], Any]]]  # subject, name in the source, place, how to get the array


def read_release(root: Path, stored: Stored, found: str) -> Release:
    """Reads the recordings of `find_release`, one at a time. DataError lists the faults of all of them."""
    rigs = h36m_cameras()
    problems: list[str] = []
    units: dict[str, str] = {}
    left_out: list[str] = []
    sequences: dict[tuple[str, str], Sequence] = {}
    counts: set[int] = set()
    for subject, name, place, load in stored:
        action = canonical(name)
        if (subject, action) in BROKEN or action.partition(" ")[0] not in TEST_CAMERA_FRAMES:
            left_out.append(f"{subject} {name}")
            continue
        if subject not in rigs:
            problems.append(f"{place}: {subject} has no published cameras; those of {', '.join(rigs)} are known")
            continue
        if (subject, action) in sequences:
            problems.append(f"{place}: {subject} has a recording {action} already; remove one")
            continue
        try:
            pose3d, unit = _metres(load(), place)
        except DataError as error:
            problems += error.problems_in(str(root))
            continue
        units.setdefault(unit, place)
        counts.add(pose3d.shape[1])
        sequences[subject, action] = _seen(subject, action, pose3d)
    if len(units) > 1:
        told = ", ".join(f"{place} in {unit}" for unit, place in units.items())
        problems.append(f"recordings are in different units: {told}; bring them to one")
    if len(counts) > 1:
        problems.append(f"recordings have {' and '.join(map(str, sorted(counts)))} joints; bring them to one count")
    if not sequences and not problems:
        problems.append(f"none of {len(stored)} recordings is of the 15 actions ({', '.join(TEST_CAMERA_FRAMES)})")
    if problems:
        raise DataError(str(root), problems)
    skeleton = by_joint_count(counts.pop())
    assert skeleton is not None
    poses = PoseSet(name=CALIBRATED, keypoints="gt", skeleton=skeleton, fps=FPS, sequences=tuple(sequences.values()))
    return Release(poses=poses, found=found, unit=next(iter(units)), left_out=tuple(left_out))


def canonical(name: str) -> str:
    """Returns the key of a recording: 'Photo 1' of 'TakingPhoto_1'."""
    action, blank, take = name.replace("_", " ").partition(" ")
    return RENAMED.get(action, action) + blank + take


def find_release(root: Path) -> tuple[Stored, str]:
    """Finds the recordings of a folder, or of one file, and names their container."""
    if not root.exists():
        raise DataError(str(root), ["no such folder; name the one with S1/MyPoseFeatures/D3_Positions, or a pickle"])
    files = [root] if root.is_file() else []
    if root.is_dir():
        capture = sorted(path for path in root.rglob("*.cdf") if path.parent.name == FOLDER)
        if capture:
            return _capture_files(root, capture), f"{len(capture)} CDF files"
        files = [*sorted(root.glob("*.pkl")), *sorted(root.glob("*.pickle"))]
        files += [path for path in (file_3d(root, CALIBRATED),) if path.exists()]
    if len(files) != 1:
        here = f"several files of poses ({', '.join(path.name for path in files)}); name one of them"
        nothing = f"no {FOLDER}/*.cdf in any folder, no *.pkl and no {file_3d(root, CALIBRATED).name}"
        raise DataError(str(root), [f"holds {here if files else nothing}"])
    return _tree(files[0]), files[0].name


def _capture_files(root: Path, paths: list[Path]) -> Stored:
    stored: Stored = []
    problems: list[str] = []
    for path in paths:
        subject = next((part for part in reversed(path.parts) if re.fullmatch(r"S\d+", part)), None)
        if subject is None:
            problems.append(f"{path}: no folder above it is named like a subject (S1)")
        else:
            stored.append((subject, path.stem, str(path), lambda path=path: read_cdf(path)))  # type: ignore[misc]
    if problems:
        raise DataError(str(root), problems)
    # Subjects in the order of their numbers, as published.
    return sorted(stored, key=lambda one: (int(one[0][1:]), one[1]))


def _tree(path: Path) -> Stored:
    """Returns the leaves of a dictionary subject -> action -> poses."""
    tree = read_clips(path, "positions_3d") if path.suffix == ".npz" else read_pickle(path)
    is_right = isinstance(tree, Mapping) and all(isinstance(actions, dict) for actions in tree.values())
    if not is_right or not all(isinstance(name, str) for name in _names(tree)):
        raise DataError(str(path), ["is no dictionary {subject: {action: poses}} with text as names"])
    return [
        (subject, action, f"{path.name}, {subject} {action}", lambda array=array: array)  # type: ignore[misc]
        for subject, actions in tree.items()  # type: ignore[attr-defined]
        for action, array in actions.items()
    ]


def _names(tree: Any) -> Iterator[object]:
    for subject, actions in tree.items():
        yield subject
        yield from actions


def _metres(array: Any, place: str) -> tuple[Array, str]:
    """Converts to poses [n, 32 or 17, 3] in metres, and names the unit that they were in."""
    if isinstance(array, np.ndarray) and array.ndim == 2 and array.shape[1] in (96, 51):
        array = array.reshape(len(array), -1, 3)
    is_array = isinstance(array, np.ndarray) and array.dtype.kind == "f" and array.ndim == 3 and len(array) > 0
    if not is_array or array.shape[1:] not in ((H36M_32.num_joints, 3), (H36M_17.num_joints, 3)):
        found = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else f"a {type(array).__name__}"
        raise DataError(place, [f"is {found}; expected numbers of shape (frames, 32 or 17, 3)"])
    if not np.isfinite(array).all():
        frame, joint, _ = np.argwhere(~np.isfinite(array))[0]
        raise DataError(place, [f"frame {frame}, joint {joint} is no finite number; get the file again"])
    if np.median(np.abs(array)) > LARGEST_METRES:
        return (array / array.dtype.type(MM_PER_METRE)).astype(np.float32), "millimetres"
    return array.astype(np.float32), "metres"


def _seen(subject: str, action: str, pose3d: Array) -> Sequence:
    """Projects the 17 joints of a recording through the full lens of each published camera."""
    cameras = h36m_cameras()[subject]
    stored: Skeleton = H36M_32 if pose3d.shape[1] == H36M_32.num_joints else H36M_17
    joints = pose3d[:, kept_joints(stored, H36M_17)]
    views = tuple(pixels_of(joints, camera).astype(np.float32) for camera in cameras)
    return Sequence(subject=subject, action=action, pose3d=pose3d, pose2d=views, cameras=cameras)


def differences(poses: PoseSet, published: Mapping[str, int], subjects: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Lists how the set differs from the published one: recordings by subject, camera frames by split and test
    action."""
    frames: Counter[tuple[str, str]] = Counter()
    recordings = Counter(clip.subject for clip in poses.sequences)
    for clip in poses.sequences:
        frames[clip.subject, clip.group] += len(clip.pose3d) * len(clip.cameras)
    notes: list[str] = []
    for subject in (name for part in subjects.values() for name in part):
        wanted = RECORDINGS - sum(subject == one for one, _ in BROKEN)
        if recordings[subject] != wanted:
            notes.append(f"{subject} has {recordings[subject]} recordings, published are {wanted}")
    for part, count in published.items():
        found = sum(number for (subject, _), number in frames.items() if subject in subjects[part])
        if found != count:
            notes.append(f"{part} ({' '.join(subjects[part])}) has {found:,} camera frames, published are {count:,}")
    for action, count in TEST_CAMERA_FRAMES.items():
        found = sum(frames[subject, action] for subject in TEST_SUBJECTS)
        if found != count:
            notes.append(f"test action {action} has {found:,} camera frames, published are {count:,}")
    return notes
