"""Label maker of Human3.6M images, from the image folders, 3D poses, a detector's 2D and the calibration."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import DataError
from ..formats.images.h36m_images import IMAGES
from ..formats.images.h36m_labels import Labelled, focal_and_center, records
from ..formats.images.h36m_shots import ACTIONS, CAMERAS, FILES, FIRST_ACT, Shot
from ..formats.poses import h36m
from ..images import crops
from ..poses.geometry import world_to_camera
from ..poses.poseset import Camera, PoseSet, Sequence, image_name
from ..poses.skeleton import H36M_17

SET = "h36m"
TRUE, DETECTED = "gt", "cpn_ft_h36m_dbb"  # sources of 2D; the labels call the second one cpn


@dataclass(frozen=True, kw_only=True, slots=True)
class Labels:
    """Labels by file; left_out: recordings or cameras without images; note: images behind the last pose."""

    files: dict[str, list[dict[str, Any]]]
    left_out: tuple[str, ...]
    unused: int


def make_labels(images: Path, poses: Path) -> Labels:
    """Makes labels of every image in the folder `images` (which holds images/s_01_act_02_...) that has a pose.

    `poses` holds data_3d_h36m.npz and the 2D gt and cpn_ft_h36m_dbb. Files do not say which of two takes a folder of
    images belongs to; their lengths do. DataError lists every fault."""
    folder = images / IMAGES
    if not folder.is_dir():
        raise DataError(str(images), [f"has no folder {IMAGES} with s_01_act_02_subact_01_ca_01 and so on in it"])
    truth, found = (h36m.read(poses, SET, keypoints, joints=H36M_17.num_joints) for keypoints in (TRUE, DETECTED))
    detected = {(clip.subject, clip.action): clip for clip in found.sequences}
    problems: list[str] = []
    files: dict[str, list[dict[str, Any]]] = {}
    left_out: list[str] = []
    video, unused = 0, 0
    for act, clips in _takes(truth):
        counts = {take: _counts(folder, clips[0].subject, act, take) for take in (1, 2)}
        for take, clip in _matched(clips, counts, act, problems):
            for view in range(len(CAMERAS)):
                shot = Shot(int(clip.subject[1:]), act, take, view)
                if not counts[take][view]:
                    left_out.append(f"{shot.stem} ({clip.subject} {clip.action})")
                    continue
                other = detected[clip.subject, clip.action]
                labelled = _labelled(folder, shot, clip, other, view, counts[take][view], problems)
                if labelled is not None:
                    file = next(file for file, subjects in FILES.items() if clip.subject in subjects)
                    files.setdefault(file, []).extend(records(labelled, video))
                    unused += counts[take][view] - len(labelled.points)
                    video += 1
    if not files and not problems:
        problems.append(f"no image in {IMAGES}/ is of a recording in {poses}")
    if problems:
        raise DataError(str(images), problems)
    return Labels(files=files, left_out=tuple(left_out), unused=unused)


def _takes(poses: PoseSet) -> Iterator[tuple[int, list[Sequence]]]:
    """Yields act number and recordings of every subject and action."""
    for subject, action in dict.fromkeys((clip.subject, clip.group) for clip in poses.sequences):
        clips = [clip for clip in poses.sequences if (clip.subject, clip.group) == (subject, action)]
        yield ACTIONS.index(action) + FIRST_ACT, clips


def _counts(folder: Path, subject: str, act: int, take: int) -> list[int]:
    """Returns the consecutive images of each camera, counted from number 1."""
    found = []
    for view in range(len(CAMERAS)):
        stem = Shot(int(subject[1:]), act, take, view).stem
        names = {path.name for path in (folder / stem).glob("*.jpg")}
        found.append(next(number for number in itertools.count() if image_name(stem, number + 1) not in names))
    return found


def _matched(
    clips: list[Sequence], counts: dict[int, list[int]], act: int, problems: list[str]
) -> Iterator[tuple[int, Sequence]]:
    """Yields the take, 1 or 2, of every recording: videos run on a little behind the last pose, never end before it."""
    lengths = [len(clip.pose3d) for clip in clips]
    present = {take: max(images) for take, images in counts.items()}
    if not any(present.values()):
        yield from zip((1, 2), clips, strict=False)
        return
    fitting: dict[tuple[int, ...], int] = {}
    for takes in itertools.permutations((1, 2), len(clips)):
        extra = [present[take] - length for take, length in zip(takes, lengths, strict=True) if present[take]]
        is_used = len(extra) == min(len(clips), sum(count > 0 for count in present.values()))
        if is_used and all(images >= 0 for images in extra):
            fitting[takes] = sum(extra)
    place = f"{clips[0].subject} {clips[0].group} (act {act})"
    told = f"{' and '.join(map(str, present.values()))} images, poses of {' and '.join(map(str, lengths))} frames"
    best = min(fitting.values(), default=0)
    chosen = [takes for takes, extra in fitting.items() if extra == best]
    if not chosen:
        problems.append(f"{place}: {told}; there must be an image for every pose: extract the frames again")
    elif len(chosen) > 1 and len(clips) > 1:
        problems.append(f"{place}: {told} do not tell which take is which; leave one of them out")
    else:
        yield from zip(chosen[0], clips, strict=True)


def _labelled(
    folder: Path, shot: Shot, clip: Sequence, found: Sequence, view: int, images: int, problems: list[str]
) -> Labelled | None:
    """Returns the labels of the images of one shot."""
    count, camera = len(clip.pose3d), clip.cameras[view]
    size = crops.upright_size(folder / shot.stem / image_name(shot.stem, 1))
    if images < count:
        problems.append(f"{shot.stem}: {images} images for {count} poses; extract the frames again")
        return None
    if size is None:
        problems.append(f"{shot.stem}: {image_name(shot.stem, 1)} is no image; extract the frames again")
        return None
    width, height = size
    points = _seen(clip, camera)
    boxes = crops.body_boxes(points[:, 0], *focal_and_center(camera, width))
    center, scale = crops.center_and_scale(boxes)
    enlarged = width / camera.width
    return Labelled(
        shot=shot,
        points=points,
        keypoints={
            "gt": clip.pose2d[view].astype(np.float64) * enlarged,
            "cpn": found.pose2d[view].astype(np.float64) * enlarged,
        },
        center=center,
        size=scale * crops.SCALE_PX,
        width=width,
        height=height,
        camera=camera,
    )


def _seen(clip: Sequence, camera: Camera) -> NDArray[np.float64]:
    orientation, translation = (torch.from_numpy(part).double() for part in (camera.orientation, camera.translation))
    points: NDArray[np.float64] = world_to_camera(
        torch.from_numpy(clip.pose3d).double(), orientation, translation
    ).numpy()
    return points
