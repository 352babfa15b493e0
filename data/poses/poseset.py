"""PoseSet, the result of every reader: named clips of 3D and 2D poses in numpy arrays, with their cameras."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .skeleton import Skeleton

Array = NDArray[np.float32]
TRUE_2D = "gt"  # the source of 2D that is no detector


@dataclass(frozen=True, kw_only=True, slots=True)
class Camera:
    """Calibrated camera; its axes are x right, y down, z forward.

    orientation [4] quaternion w, x, y, z, camera to world; translation [3] camera centre in world metres; intrinsics
    [9] in normalised screen units: focal 2, centre 2, radial 3, tangential 2, all nan where the files have none; all
    float32. width, height in pixels."""

    name: str
    orientation: Array
    translation: Array
    intrinsics: Array
    width: int
    height: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageTrack:
    """Image files of one camera's n frames, with the bounding box of the person in each.

    A file is `folder`/<stem>_<number, six digits>.jpg. size: width and height in pixels. numbers [n] int64; center
    [n, 2] and width_px [n] of the boxes in image pixels, float64."""

    folder: Path
    stem: str
    size: tuple[int, int]
    numbers: NDArray[np.int64]
    center: NDArray[np.float64]
    width_px: NDArray[np.float64]

    def file(self, frame: int) -> Path:
        """Returns the path of one frame, counted from 0."""
        return self.folder / image_name(self.stem, int(self.numbers[frame]))

    def only(self, frames: NDArray[np.bool_] | NDArray[np.int64] | slice) -> ImageTrack:
        """Returns the track reduced to some of its frames."""
        center, width_px = self.center[frames], self.width_px[frames]
        return dataclasses.replace(self, numbers=self.numbers[frames], center=center, width_px=width_px)


def image_name(stem: str, number: int) -> str:
    """Returns the name of an image file."""
    return f"{stem}_{number:06d}.jpg"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sequence:
    """One clip of n frames, seen by V synchronised cameras.

    pose3d [n, J, 3] float32 world metres, z up, or in the axes of the one camera where that stands at the origin;
    pose2d: V arrays [n, J, 2] float32 pixels, one a camera. valid [n]: mask of the frames that count in a score, None
    for all; the others only fill windows. fps: None where it is that of the set, or not known. scores: V arrays [n, J]
    float32 of a detector, None without."""

    subject: str
    action: str
    pose3d: Array
    pose2d: tuple[Array, ...]
    cameras: tuple[Camera, ...]
    valid: NDArray[np.bool_] | None = None
    fps: float | None = None
    images: tuple[ImageTrack, ...] = ()
    scores: tuple[Array, ...] | None = None

    @property
    def group(self) -> str:
        """The action without its take number: 'Walking' of 'Walking 1'."""
        return self.action.partition(" ")[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class PoseSet:
    """Clips of a set, in file order. `keypoints` names the source of the 2D: gt, or a detector; `fps` is None where
    each clip has its own."""

    name: str
    keypoints: str
    skeleton: Skeleton
    fps: float | None
    sequences: tuple[Sequence, ...]

    @property
    def subjects(self) -> tuple[str, ...]:
        """The subjects in file order, each once."""
        return tuple(dict.fromkeys(clip.subject for clip in self.sequences))

    def fingerprint(self) -> str:
        """Returns 12 hex digits that change with any name, shape, type or byte of the set; reads every array once."""
        digest = hashlib.blake2b(digest_size=6)
        digest.update(repr((self.name, self.keypoints, self.skeleton, self.fps)).encode())
        for clip in self.sequences:
            digest.update(repr((clip.subject, clip.action)).encode())
            for array in (clip.pose3d, *clip.pose2d, *(clip.scores or ())):
                _add(digest, array)
            if clip.fps is not None:
                digest.update(repr(clip.fps).encode())
            if clip.valid is not None:
                _add(digest, clip.valid)
            for camera in clip.cameras:
                digest.update(repr((camera.name, camera.width, camera.height)).encode())
                for array in (camera.orientation, camera.translation, camera.intrinsics):
                    _add(digest, array)
            for images in clip.images:
                digest.update(repr((images.stem, images.size)).encode())
                for values in (images.numbers, images.center, images.width_px):
                    _add(digest, values)
        return digest.hexdigest()


def _add(digest: hashlib.blake2b, array: NDArray[np.generic]) -> None:
    digest.update(repr((array.dtype.str, array.shape)).encode())
    digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
