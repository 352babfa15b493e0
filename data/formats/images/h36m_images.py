"""Reader of Human3.6M images as Human3.6M-Toolbox lays them out: h36m_train.pkl, h36m_validation.pkl,
images/<clip>/*.jpg.

A set is a folder with those names. The label files are pickled lists of dictionaries, one an image: 3D in metres and
camera axes, 2D in screen units, the camera, and the bounding box of the person. Each camera of a recording is a clip of
its own."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spaces.commands import command
from spaces.errors import did_you_mean

from ...errors import DataError
from ...images.crops import SCALE_PX, upright_size
from ...poses.geometry import normalize_intrinsics, to_pixels
from ...poses.poseset import Array, Camera, ImageTrack, PoseSet, Sequence, image_name
from ...poses.skeleton import H36M_16, H36M_17, Skeleton, kept_joints
from ..poses.clips import LARGEST_METRES, Check, check_finite
from .h36m_shots import CAMERAS, FILES, LENS, SCREEN, Shot, Table, read_shots, sources

IMAGES = "images"
SAME_PLACE = np.array((1, 0, 0, 0), np.float32)  # a camera at the origin of its own axes, not turned


def available_sets(root: Path) -> tuple[str, ...]:
    """Returns the names of the folders in `root` with a label file."""
    return tuple(sorted({path.parent.name for name in FILES for path in root.glob(f"*/{name}")}))


def available_keypoints(root: Path, name: str) -> tuple[str, ...]:
    """Returns the sources of 2D in the labels of a set, by its first shot."""
    for file in FILES:
        if (root / name / file).exists():
            return sources(next(iter(read_shots(root / name / file, None).values())))
    return ()


def read(
    root: Path,
    name: str,
    keypoints: str,
    *,
    joints: int | None = None,
    subjects: Collection[str] | None = None,
    kept_in: Path | None = None,
) -> PoseSet:
    """Reads the clips of the named subjects (None: all) with 17 or 16 joints (None: 17), in the order of the labels.

    `kept_in`: folder for cached tables of the label files, see `read_shots`. Images are not opened, but for the header
    of the first one of a clip: its size. DataError lists every fault."""
    folder = Path(root) / name
    target = H36M_16 if joints == H36M_16.num_joints else H36M_17
    check = Check(target, joints is not None, {})
    shots = {shot: table for file in _files(folder, subjects) for shot, table in read_shots(file, kept_in).items()}
    here = dict.fromkeys(f"S{shot.subject}" for shot in shots)
    clips = [
        _clip(shot, table, folder, keypoints, target, check)
        for shot, table in shots.items()
        if subjects is None or f"S{shot.subject}" in subjects
    ]
    for subject in sorted(set(subjects or ()) - set(here)):
        check.fault(f"no subject '{subject}'{did_you_mean(subject, here)}; subjects here: {', '.join(here)}")
    if check.problems:
        raise DataError(f"{folder} with 2D '{keypoints}'", list(check.problems))
    sequences = tuple(clip for clip in clips if clip is not None)
    return PoseSet(name=name, keypoints=keypoints, skeleton=target, fps=None, sequences=sequences)


def _files(folder: Path, subjects: Collection[str] | None) -> list[Path]:
    """Returns the label files that contain the subjects."""
    if not folder.is_dir():
        raise DataError(str(folder), ["no such folder; put the labels and images there, or name another (data.root)"])
    asked = [file for file, known in FILES.items() if subjects is None or set(subjects) & set(known)] or list(FILES)
    present = [folder / file for file in asked if (folder / file).exists()]
    missing = [file for file in asked if not (folder / file).exists()]
    if not present or (missing and subjects is not None):
        remedy = f"`{command('data', 'convert h36m-images', 'FRAMES', '--out', folder)}` makes it"
        raise DataError(str(folder), [f"has no {file}; {remedy}" for file in missing])
    return present


def _clip(shot: Shot, table: Table, folder: Path, keypoints: str, target: Skeleton, check: Check) -> Sequence | None:
    """Converts a shot to a clip, which may only be used when `check` has no problem. None where the table lacks the
    poses."""
    place, here = shot.stem, sources(table)
    if keypoints not in here:
        check.fault(f"no 2D '{keypoints}'{did_you_mean(keypoints, here)}; data.keypoints here: {', '.join(here)}")
        return None
    pose, screen, numbers = table["joints_3d"], table[f"{SCREEN}{keypoints}"], table["image_id"]
    if np.median(np.abs(pose)) > LARGEST_METRES:
        check.fault(f"{place}: joints_3d looks like millimetres; divide it by 1000")
    if not (np.isfinite(table["center"]).all() and (table["scale"] > 0).all() and np.isfinite(table["scale"]).all()):
        check.fault(f"{place}: a center or a scale is no number, or a scale not above 0; make the labels again")
    if len(np.unique(numbers)) != len(numbers):
        check.fault(f"{place}: two labels of one image_id; make the labels again")
    for kind, values in (("3D", pose), ("2D", screen)):
        check_finite(values, kind, place, check)
    of_images = folder / IMAGES / place
    size = _size(of_images, place, numbers, check)
    if size is None:
        return None
    pixels = to_pixels(torch.from_numpy(screen).double(), *size).numpy()
    track = ImageTrack(
        folder=of_images,
        stem=place,
        size=size,
        numbers=numbers,
        center=table["center"],
        width_px=table["scale"][:, 0] * SCALE_PX,
    )
    return Sequence(
        subject=f"S{shot.subject}",
        action=shot.action,
        pose3d=_reduced(pose, target),
        pose2d=(_reduced(pixels, target),),
        cameras=(_camera(table[LENS].tolist(), shot, size),),
        images=(track,),
    )


def _size(folder: Path, stem: str, numbers: NDArray[Any], check: Check) -> tuple[int, int] | None:
    """Returns width and height of the first image whose header can be read."""
    for number in numbers.tolist():
        size = upright_size(folder / image_name(stem, int(number)))
        if size is not None:
            return size
    check.fault(f"{stem}: no image of it can be read; copy {IMAGES}/{stem} again")
    return None


def _camera(lens: list[float], shot: Shot, size: tuple[int, int]) -> Camera:
    """Returns the camera of the labels, at the origin because the 3D is in its axes."""
    width, height = size
    return Camera(
        name=CAMERAS[shot.camera],
        orientation=SAME_PLACE,
        translation=np.zeros(3, np.float32),
        intrinsics=normalize_intrinsics(lens[:2], lens[2:4], lens[4:7], lens[7:], width, height)
        .numpy()
        .astype(np.float32),
        width=width,
        height=height,
    )


def _reduced(values: NDArray[Any], target: Skeleton) -> Array:
    kept = kept_joints(H36M_17, target)
    assert kept is not None, target
    return np.require(values[:, list(kept)], np.float32, ("C", "W"))


def unlabelled(track: ImageTrack) -> list[str]:
    """Returns the image files in the folder of a track that no label names; those behind the last labelled one do not
    count, because videos outlast the motion capture."""
    known = {image_name(track.stem, int(number)) for number in track.numbers}
    present = {path.name for path in track.folder.glob("*.jpg")}
    last = image_name(track.stem, int(track.numbers.max()))
    return sorted(name for name in present - known if name < last or not name.startswith(track.stem))
