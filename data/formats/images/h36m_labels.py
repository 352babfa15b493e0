"""Writer of label files of image sets: a pickled list of dictionaries, one an image, as in Human3.6M-Toolbox."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spaces.files import replacing

from ...images import crops
from ...poses.geometry import conjugate, rotate, to_pixels, to_screen
from ...poses.poseset import Camera, image_name
from ...poses.skeleton import H36M_17
from ..poses.calibration import MM_PER_METRE
from .h36m_shots import Shot

Numbers = NDArray[np.float64]

CROP = (256, 192)  # height and width of the crops whose keypoints the labels hold
SEEN = np.ones((H36M_17.num_joints, 3))  # joints_vis, the same for all


@dataclass(frozen=True, kw_only=True, slots=True)
class Labelled:
    """Labels of the n images of a shot, in their own pixels.

    points [n, 17, 3] metres in camera axes; keypoints: gt and cpn, [n, 17, 2]; center and size [n, 2] of the boxes;
    width and height of the images; camera, of an image of any size."""

    shot: Shot
    points: Numbers
    keypoints: Mapping[str, Numbers]
    center: Numbers
    size: Numbers
    width: int
    height: int
    camera: Camera


def write_labels(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Writes a label file, whole or not at all."""
    with replacing(path) as file:
        pickle.dump(list(records), file, protocol=4)


def records(labelled: Labelled, video: int) -> list[dict[str, Any]]:
    """Returns the label dictionaries of a shot; `video` is its running number."""
    shot, scale = labelled.shot, labelled.size / crops.SCALE_PX
    maps = crops.affine(labelled.center, labelled.size[:, 0], *CROP)
    boxes = np.concatenate((labelled.center - labelled.size / 2, labelled.center + labelled.size / 2), axis=-1)
    lens = _lens(labelled.camera, labelled.width)
    points: dict[str, NDArray[Any]] = {"joints_3d": labelled.points, "center": labelled.center, "scale": scale}
    for name, pixels in labelled.keypoints.items():
        screen = to_screen(torch.from_numpy(pixels), labelled.width, labelled.height)
        points[f"joints_2d_{name}"] = screen.numpy()
        points[f"joints_2d_{name}_crop"] = crops.moved(pixels, maps).astype(np.float32)
    return [
        {
            "image": f"{shot.stem}/{image_name(shot.stem, frame + 1)}",
            **{key: values[frame] for key, values in points.items()},
            "joints_vis": SEEN,
            "video_id": video,
            "image_id": frame + 1,
            "subject": shot.subject,
            "action": shot.act,
            "subaction": shot.subact,
            "camera_id": shot.camera,
            "source": "h36m",
            "camera": lens,
            "nposes": len(labelled.points),
            "box": boxes[frame],
        }
        for frame in range(len(labelled.points))
    ]


def focal_and_center(camera: Camera, width: int) -> tuple[Numbers, Numbers]:
    """Returns focal length and principal point [2] in pixels of an image `width` wide, taken with `camera` and then
    scaled."""
    lens = torch.from_numpy(camera.intrinsics).double()
    middle: Numbers = to_pixels(lens[2:4], camera.width, camera.height).numpy() * (width / camera.width)
    return (lens[:2] * (width / 2)).numpy(), middle


def _lens(camera: Camera, width: int) -> dict[str, Numbers]:
    """Returns the camera entry of a label: pixels of the image, millimetres."""
    focal, middle = focal_and_center(camera, width)
    to_camera = conjugate(torch.from_numpy(camera.orientation).double())
    return {
        "R": rotate(to_camera, torch.eye(3, dtype=torch.float64)).numpy().T,
        "T": camera.translation.astype(np.float64)[:, None] * MM_PER_METRE,
        "fx": focal[:1],
        "fy": focal[1:],
        "cx": middle[:1],
        "cy": middle[1:],
        "k": camera.intrinsics[4:7, None].astype(np.float64),
        "p": camera.intrinsics[7:9, None].astype(np.float64),
    }
