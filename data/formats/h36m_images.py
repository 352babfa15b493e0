"""Images of Human3.6M as Human3.6M-Toolbox lays them out: h36m_train.pkl, h36m_validation.pkl, images/<clip>/*.jpg.

A set is a folder with those names. The label files are pickled lists of dictionaries, one an image: 3D in metres and
camera axes, 2D in screen units, the camera, and the box of the person. Each camera of a recording is a clip of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from data.crops import SCALE_PX
from data.geometry import normalize_intrinsics, to_pixels
from data.pickles import read_pickle
from data.poseset import Array, Camera, DataError, ImageTrack, PoseSet, Sequence, image_name
from data.skeleton import H36M_16, H36M_17, Skeleton, kept_joints
from spaces.schema import did_you_mean

from .clips import LARGEST_METRES, Check, check_finite

Record = Mapping[str, Any]

# Which subjects' labels are in which file.
FILES: Mapping[str, tuple[str, ...]] = {
    "h36m_train.pkl": ("S1", "S5", "S6", "S7", "S8"),
    "h36m_validation.pkl": ("S9", "S11"),
}
IMAGES = "images"
# Act 2 is the first one; the labels say TakingPhoto, WalkingDog and WalkingTogether in other words.
ACTIONS = (
    *("Directions", "Discussion", "Eating", "Greeting", "Phoning", "Posing", "Purchases", "Sitting", "SittingDown"),
    *("Smoking", "Photo", "Waiting", "Walking", "WalkDog", "WalkTogether"),
)
FIRST_ACT = 2
CAMERAS = ("54138969", "55011271", "58860488", "60457274")
SAME_PLACE = np.array((1, 0, 0, 0), np.float32)  # a camera at the origin of its own axes, not turned


@dataclass(frozen=True, order=True, slots=True)
class Shot:
    """What one camera saw of one recording; camera counts from 0."""

    subject: int
    act: int
    subact: int
    camera: int

    @property
    def stem(self) -> str:
        """The folder of the images, and what their names begin with."""
        return f"s_{self.subject:02d}_act_{self.act:02d}_subact_{self.subact:02d}_ca_{self.camera + 1:02d}"

    @property
    def action(self) -> str:
        """The name of the clip: action, take, camera."""
        return f"{ACTIONS[self.act - FIRST_ACT]} {self.subact} {CAMERAS[self.camera]}"

    def is_known(self) -> bool:
        """Whether the numbers are such as Human3.6M has."""
        known = range(FIRST_ACT, FIRST_ACT + len(ACTIONS))
        return self.act in known and self.subact in (1, 2) and self.camera in range(len(CAMERAS))


def available_sets(root: Path) -> tuple[str, ...]:
    """Names of the folders in `root` with a label file."""
    return tuple(sorted({path.parent.name for name in FILES for path in root.glob(f"*/{name}")}))


def available_keypoints(root: Path, name: str) -> tuple[str, ...]:
    """Sources of 2D in the labels of a set, by its first image."""
    for file in FILES:
        if (root / name / file).exists():
            return _sources(_records(root / name / file)[0])
    return ()


def read(
    root: Path, name: str, keypoints: str, *, joints: int | None = None, subjects: Collection[str] | None = None
) -> PoseSet:
    """The clips of the named subjects (None: all) with 17 or 16 joints (None: 17), in the order of the labels.

    Images are not opened, but for the header of the first one of a clip: its size. DataError lists every fault."""
    folder = Path(root) / name
    files = _files(folder, subjects)
    target = H36M_16 if joints == H36M_16.num_joints else H36M_17
    check = Check(target, joints is not None, {})
    clips: list[Sequence] = []
    here: dict[str, None] = {}
    for file in files:
        for shot, records in _by_shot(_records(file), file.name, check).items():
            subject = f"S{shot.subject}"
            here[subject] = None
            if subjects is None or subject in subjects:
                clip = _clip(shot, records, folder, keypoints, target, check)
                clips += [clip] if clip is not None else []
    for subject in sorted(set(subjects or ()) - set(here)):
        check.fault(f"no subject '{subject}'{did_you_mean(subject, here)}; subjects here: {', '.join(here)}")
    if not clips and not check.problems:
        check.fault("there is no image with a label")
    if check.problems:
        raise DataError(f"{folder} with 2D '{keypoints}'", list(check.problems))
    return PoseSet(name=name, keypoints=keypoints, skeleton=target, fps=None, sequences=tuple(clips))


def _files(folder: Path, subjects: Collection[str] | None) -> list[Path]:
    """The label files in which the subjects are."""
    if not folder.is_dir():
        raise DataError(str(folder), ["no such folder; put the labels and images there, or name another (data.root)"])
    asked = [file for file, known in FILES.items() if subjects is None or set(subjects) & set(known)] or list(FILES)
    present = [folder / file for file in asked if (folder / file).exists()]
    missing = [file for file in asked if not (folder / file).exists()]
    if not present or (missing and subjects is not None):
        remedy = "`python -m data convert h36m-images` makes it"
        raise DataError(str(folder), [f"has no {file}; {remedy}" for file in missing])
    return present


def _records(path: Path) -> list[Record]:
    content = read_pickle(path)
    if not isinstance(content, list) or not content or not all(isinstance(one, dict) for one in content):
        raise DataError(str(path), ["is no list of dictionaries, one an image; make the labels again"])
    return content


def _sources(record: Record) -> tuple[str, ...]:
    names = [key.removeprefix("joints_2d_") for key in record if str(key).startswith("joints_2d_")]
    return tuple(sorted(name for name in names if not name.endswith("_crop")))


def _by_shot(records: list[Record], file: str, check: Check) -> dict[Shot, list[Record]]:
    """The labels of each clip, in the order of the file."""
    found: dict[Shot, list[Record]] = {}
    for at, record in enumerate(records):
        try:
            numbers = [int(record[key]) for key in ("subject", "action", "subaction", "camera_id")]
        except (KeyError, TypeError, ValueError):
            check.fault(f"{file}: label {at} lacks subject, action, subaction or camera_id; make the labels again")
            continue
        shot = Shot(*numbers)
        if not shot.is_known() or f"S{shot.subject}" not in FILES[file]:
            found_here = f"subject {shot.subject}, action {shot.act}, subaction {shot.subact}, camera {shot.camera}"
            check.fault(f"{file}: {found_here} are not of this file; subjects here are {', '.join(FILES[file])}")
            continue
        found.setdefault(shot, []).append(record)
    return found


def _clip(
    shot: Shot, records: list[Record], folder: Path, keypoints: str, target: Skeleton, check: Check
) -> Sequence | None:
    """The clip; it may only be used when `check` has no problem. None where there is nothing to make one of."""
    place = shot.stem
    if f"joints_2d_{keypoints}" not in records[0]:
        here = _sources(records[0])
        check.fault(f"no 2D '{keypoints}'{did_you_mean(keypoints, here)}; data.keypoints here: {', '.join(here)}")
        return None
    pose = _stacked(records, "joints_3d", (17, 3), place, check)
    screen = _stacked(records, f"joints_2d_{keypoints}", (17, 2), place, check)
    center, scale = (_stacked(records, key, (2,), place, check) for key in ("center", "scale"))
    numbers = _stacked(records, "image_id", (), place, check)
    if pose is None or screen is None or center is None or scale is None or numbers is None:
        return None
    if np.median(np.abs(pose)) > LARGEST_METRES:
        check.fault(f"{place}: joints_3d looks like millimetres; divide it by 1000")
    if not (scale > 0).all():
        check.fault(f"{place}: a scale is not above 0; make the labels again")
    if len(np.unique(numbers)) != len(numbers):
        check.fault(f"{place}: two labels of one image_id; make the labels again")
    for kind, values in (("3D", pose), ("2D", screen)):
        check_finite(values.astype(np.float32), kind, place, check)
    place_of_images = folder / IMAGES / shot.stem
    size = _size(place_of_images, shot.stem, numbers, check)
    camera = _camera(records[0].get("camera"), shot, size, place, check) if size is not None else None
    if camera is None:
        return None
    track = ImageTrack(
        folder=place_of_images,
        stem=shot.stem,
        size=(camera.width, camera.height),
        numbers=numbers.astype(np.int64),
        center=center.astype(np.float64),
        width_px=scale[:, 0].astype(np.float64) * SCALE_PX,
    )
    pixels = to_pixels(torch.from_numpy(screen.astype(np.float64)), camera.width, camera.height).numpy()
    return Sequence(
        subject=f"S{shot.subject}",
        action=shot.action,
        pose3d=_reduced(pose, target),
        pose2d=(_reduced(pixels, target),),
        cameras=(camera,),
        images=(track,),
    )


def _stacked(records: list[Record], key: str, shape: tuple[int, ...], place: str, check: Check) -> NDArray[Any] | None:
    """One entry of all labels [n, *shape]; None, and a fault, where it is missing or of another kind."""
    try:
        values = np.array([record[key] for record in records])
    except KeyError:
        check.fault(f"{place}: a label lacks '{key}'; make the labels again")
        return None
    except ValueError:
        check.fault(f"{place}: '{key}' is not of the same shape in all labels; make them again")
        return None
    if values.shape[1:] != shape or values.dtype.kind not in "fiu":
        found = f"{values.dtype} {values.shape[1:]}"
        check.fault(f"{place}: '{key}' is {found}; expected numbers of shape {shape}; make the labels again")
        return None
    return values


def _size(folder: Path, stem: str, numbers: NDArray[Any], check: Check) -> tuple[int, int] | None:
    """Width and height of the first image that is there and whole enough to tell."""
    for number in numbers.tolist():
        size = image_size(folder / image_name(stem, int(number)))
        if size is not None:
            return size
    check.fault(f"{stem}: no image of it can be read; copy {IMAGES}/{stem} again")
    return None


def image_size(path: Path) -> tuple[int, int] | None:
    """Width and height by the header of an image file; None when there is none."""
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def _camera(entry: Any, shot: Shot, size: tuple[int, int], place: str, check: Check) -> Camera | None:
    """The lens in a label; the camera stands at the origin because the 3D is in its axes."""
    try:
        focal, middle = ([float(np.asarray(entry[f"{kind}{axis}"]).item()) for axis in "xy"] for kind in "fc")
        radial, tangential = (np.asarray(entry[key], np.float64).reshape(count) for key, count in (("k", 3), ("p", 2)))
    except (KeyError, TypeError, ValueError):
        check.fault(f"{place}: 'camera' needs fx, fy, cx, cy, k (3) and p (2) as numbers; make the labels again")
        return None
    width, height = size
    lens = normalize_intrinsics(focal, middle, radial.tolist(), tangential.tolist(), width, height)
    return Camera(
        name=CAMERAS[shot.camera],
        orientation=SAME_PLACE,
        translation=np.zeros(3, np.float32),
        intrinsics=lens.numpy().astype(np.float32),
        width=width,
        height=height,
    )


def _reduced(values: NDArray[Any], target: Skeleton) -> Array:
    kept = kept_joints(H36M_17, target)
    assert kept is not None, target
    return np.require(values[:, list(kept)], np.float32, ("C", "W"))


def unlabelled(track: ImageTrack) -> list[str]:
    """Image files in the folder of a track that no label names; those behind the last one do not count, because videos
    outlast the motion capture."""
    known = {image_name(track.stem, int(number)) for number in track.numbers}
    present = {path.name for path in track.folder.glob("*.jpg")}
    last = image_name(track.stem, int(track.numbers.max()))
    return sorted(name for name in present - known if name < last or not name.startswith(track.stem))
