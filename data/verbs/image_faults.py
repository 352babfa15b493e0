"""Checks that the image files of a set match its labels."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

from ..formats.images.h36m_images import unlabelled
from ..images.crops import keypoint_boxes, upright_size
from ..poses.poseset import ImageTrack, PoseSet, Sequence

JPEG_END = b"\xff\xd9"
FARTHEST_WIDTHS = 0.5  # of a box, that the middle of a person may lie from its own


def image_faults(poses: PoseSet) -> list[str]:
    """Returns the faults of a set's images: missing, truncated, of another size than the labels' camera, without a
    label, or with a box beside its person. Reads the first and the last bytes of every file, decodes none."""
    faults: list[str] = []
    for clip in poses.sequences:
        for view, track in enumerate(clip.images):
            faults += _file_faults(track)
            extra = unlabelled(track)
            if extra:
                faults.append(f"{track.folder}: {len(extra)} images have no label, the first one {extra[0]}")
            faults += _box_faults(clip, view, track)
    return faults


def _file_faults(track: ImageTrack) -> Iterator[str]:
    for frame in range(len(track.numbers)):
        path = track.file(frame)
        if not path.exists():
            yield f"{path}: no such file; copy it, or drop its label"
            continue
        size = upright_size(path)
        if size is None or not _is_ended(path):
            yield f"{path}: is no image, or cut off; copy it again"
        elif size != track.size:
            yield "{}: is {} x {} pixels, others of its clip {} x {}; copy it again".format(path, *size, *track.size)


def _is_ended(path: os.PathLike[str]) -> bool:
    """Returns whether a JPEG file ends with its end marker; some cameras write zeros behind it."""
    with open(path, "rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 64))
        return JPEG_END in file.read()


def _box_faults(clip: Sequence, view: int, track: ImageTrack) -> Iterator[str]:
    middle, _ = keypoint_boxes(clip.pose2d[view].astype(np.float64), *reversed(track.size))
    away = np.abs(middle - track.center).max(-1) > FARTHEST_WIDTHS * track.width_px
    if away.any():
        frame = int(away.argmax())
        yield (
            f"{track.file(frame)}: the keypoints lie outside of its box, as of {away.sum()} images of this clip; "
            "make the labels again"
        )
