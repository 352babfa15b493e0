"""Converter of 3DPW's download to a mesh set: videos of people outdoors with SMPL poses, a pickle for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bodies.axis_angle import composed, of_matrices
from ..bodies.body_joints import labelled_joints
from ..bodies.body_model import SHAPE_NUMBERS, BodyModel, MeshLevels
from ..bodies.skinning import posed
from ..errors import DataError
from ..formats.meshes.mesh_labels import label_text, with_confidence
from ..formats.meshes.mesh_tsv import Sample
from ..formats.pickles import read_pickle
from ..images.crops import BOX_MARGIN, SCALE_PX, upright_size

Numbers = NDArray[np.float64]
PARTS = ("train", "validation", "test")
# Where the 18 detected keypoints of a file stand among the 24 of a label; of the others nothing is known.
KEYPOINTS = (19, 12, 8, 7, 6, 9, 10, 11, 2, 1, 0, 3, 4, 5, 21, 20, 23, 22)
SURE = 0.3  # confidence from which a keypoint counts
FEWEST_SURE = 6  # keypoints, or a person is too little seen to have a box
PIECE = 64  # frames posed at a time; bounds memory


@dataclass(frozen=True, kw_only=True, slots=True)
class Track:
    """Usable frames of one person of a sequence: pose [n, 72] with the root in camera axes, betas [10], keypoints
    [n, 18, 3] pixels and confidence, numbers [n] of the images; size: height and width of these."""

    name: str
    folder: Path
    gender: str
    pose: Numbers
    betas: Numbers
    keypoints: Numbers
    numbers: NDArray[np.int64]
    size: tuple[int, int]


def read_3dpw(root: Path) -> dict[str, list[Track]]:
    """Reads the people of every part. DataError lists what is missing or does not fit in any sequence."""
    problems: list[str] = []
    found: dict[str, list[Track]] = {}
    for part in PARTS:
        files = sorted((root / "sequenceFiles" / part).glob("*.pkl"))
        if not files:
            problems.append(f"has no sequenceFiles/{part}/*.pkl; unpack sequenceFiles.zip there")
        found[part] = [track for path in files for track in _tracks(path, root / "imageFiles" / path.stem, problems)]
    if problems:
        raise DataError(str(root), problems)
    return found


def _tracks(path: Path, images: Path, problems: list[str]) -> list[Track]:
    try:
        content = read_pickle(path)
    except DataError as fault:
        problems += [f"{path.name}: {problem}" for problem in fault.problems]
        return []
    if not isinstance(content, dict):
        problems.append(f"{path.name}: holds no dictionary; copy it again")
        return []
    size = upright_size(images / _image(0))
    if size is None:
        problems.append(f"{images}: has no {_image(0)} that can be read; unpack imageFiles.zip there")
        return []
    here = {file.name for file in images.glob("image_*.jpg")}
    tracks = []
    for person in range(len(content.get("poses", ()))):
        try:
            track = _track(content, person, f"{path.stem}_{person}", images, size)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            problems.append(f"{path.name}, person {person}: lacks or misshapes {error}; copy it again")
            continue
        missing = [number for number in track.numbers.tolist() if _image(number) not in here]
        if missing:
            problems.append(f"{images}: {len(missing)} images are missing, the first {_image(missing[0])}")
        if len(track.numbers):
            tracks.append(track)
    return tracks


def _track(content: dict[str, Any], person: int, name: str, images: Path, size: tuple[int, int]) -> Track:
    pose = np.asarray(content["poses"][person], np.float64)
    cameras = _shaped(content["cam_poses"], "cam_poses", (len(pose), 4, 4))
    keypoints = _shaped(content["poses2d"][person], "poses2d", (len(pose), 3, 18)).swapaxes(1, 2)
    is_valid = _shaped(content["campose_valid"][person], "campose_valid", (len(pose),)) > 0
    _shaped(pose, "poses", (len(pose), 72))
    betas = np.asarray(content["betas"][person], np.float64).reshape(-1)[:SHAPE_NUMBERS]
    used = is_valid & ((keypoints[..., 2] > SURE).sum(1) >= FEWEST_SURE)
    turned = pose.copy()
    turned[:, :3] = composed(of_matrices(cameras[:, :3, :3]), pose[:, :3])
    genders = content.get("genders", ())
    return Track(
        name=name,
        folder=images,
        gender=str(genders[person]) if person < len(genders) else "none",
        pose=turned[used],
        betas=_shaped(betas, "betas", (SHAPE_NUMBERS,)),
        keypoints=keypoints[used],
        numbers=np.flatnonzero(used),
        size=(size[1], size[0]),
    )


def _shaped(values: Any, name: str, shape: tuple[int, ...]) -> Numbers:
    found = np.asarray(values, np.float64)
    if found.shape != shape:
        raise ValueError(f"{name}: {found.shape} where {shape} is expected")
    return found


def samples(tracks: list[Track], model: BodyModel, levels: MeshLevels) -> Iterator[Sample]:
    """Yields every usable frame of every person; 3D joints are those of the neutral body, from the origin of its
    model."""
    for track in tracks:
        for first in range(0, len(track.numbers), PIECE):
            part = slice(first, first + PIECE)
            pose = track.pose[part]
            vertices, skeleton = posed(model, pose, np.broadcast_to(track.betas, (len(pose), SHAPE_NUMBERS)))
            joints = labelled_joints(model, levels, vertices, skeleton)
            for at, number in enumerate(track.numbers[part].tolist()):
                yield _sample(track, number, pose[at], joints[at], track.keypoints[first + at])


def _sample(track: Track, number: int, pose: Numbers, joints: Numbers, keypoints: Numbers) -> Sample:
    path = track.folder / _image(number)
    try:
        jpeg = path.read_bytes()
    except OSError as error:
        raise DataError(str(path), [f"cannot be read: {error.strerror}"]) from None
    sure = keypoints[keypoints[:, 2] > SURE, :2]
    low, high = sure.min(0), sure.max(0)
    joints2d = np.zeros((24, 3))
    joints2d[list(KEYPOINTS)] = keypoints
    label = label_text(
        center=(low + high) / 2,
        scale=max(float((high - low).max()), 1.0) * BOX_MARGIN / SCALE_PX,
        joints2d=joints2d,
        joints3d=with_confidence(joints),
        pose=pose,
        betas=track.betas,
        has=(True, True, True),
    )
    return Sample(key=f"{track.name}/{path.name}", jpeg=jpeg, size=track.size, label=label | {"gender": track.gender})


def _image(number: int) -> str:
    return f"image_{number:05d}.jpg"
