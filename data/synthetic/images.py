"""The embedded image set: frames of the made Human3.6M motion as pictures, in the layout of Human3.6M-Toolbox."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from data import crops
from data.formats.h36m_images import ACTIONS, CAMERAS, FILES, FIRST_ACT, IMAGES, Shot, write_labels
from data.geometry import conjugate, rotate, to_pixels, to_screen
from data.poseset import Camera, Sequence, image_name
from data.skeleton import H36M_17, H36M_32, kept_joints

from .figures import LARGEST_BLUR_PX, Look, draw_background, draw_figure, draw_look, draw_noise, figures, noisy
from .h36m import synthetic_h36m
from .recording import seen_by
from .signals import Signal

NAME = "synthetic_images"
IMAGES_DEFAULT = 6000
WIDTH = 400  # pixels of an image; the real ones have 1000, of which a crop of 192 keeps as little
QUALITY = 80  # of the JPEG files
LABEL_CROP = (256, 192)  # height and width of the crops whose keypoints the labels hold
# Of the box around the keypoints: shift of its middle in widths, and size. They take the person's scale from the crop.
SHIFT, SMALLEST, LARGEST = 0.05, 0.9, 1.2
LOOK_STREAM, NOISE_STREAM, SHOT_STREAM = 4, 5, 6  # of the random streams; see motion.py
MM = 1000


def write_images(folder: Path, seed: int, count: int) -> None:
    """Writes `count` images of all subjects, takes and cameras, and the labels: a whole set, into an empty folder.

    Images of one shot lie evenly over its clip, those of its cameras between each other. The same seed gives the same
    bytes with the same Pillow."""
    truth, found = synthetic_h36m(seed, keypoints="gt"), synthetic_h36m(seed, keypoints="det")
    shots = [(clip, noise, view) for clip, noise in zip(truth.sequences, found.sequences, strict=True)
             for view in range(len(CAMERAS))]  # fmt: skip
    labels: dict[str, list[dict[str, Any]]] = {file: [] for file in FILES}
    pattern = draw_noise(np.random.default_rng([seed, NOISE_STREAM]))
    video = 0
    for number, (clip, noise, view) in enumerate(shots):
        frames = (number + 1) * count // len(shots) - number * count // len(shots)
        if not frames:
            continue
        file = next(file for file, subjects in FILES.items() if clip.subject in subjects)
        scene = _scene(seed, clip, noise, view, frames)
        _write_shot(folder / IMAGES, scene, pattern)
        labels[file] += [record | {"video_id": video} for record in _records(scene)]
        video += 1
    for file, records in labels.items():
        if records:
            write_labels(folder / file, records)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """One shot: what its camera saw, n frames. points [n, 17, 3] metres in camera axes; pixels and found [n, 17, 2],
    true and detected; center [n, 2] and width_px [n] of the boxes."""

    shot: Shot
    look: Look
    camera: Camera
    points: Signal
    pixels: Signal
    found: Signal
    center: Signal
    width_px: Signal
    rng: np.random.Generator


def _scene(seed: int, clip: Sequence, noise: Sequence, view: int, frames: int) -> Scene:
    person = int(clip.subject[1:])
    action, _, take = clip.action.partition(" ")
    shot = Shot(person, ACTIONS.index(action) + FIRST_ACT, 2 if take else 1, view)
    rng = np.random.default_rng([seed, person, shot.act * 2 + shot.subact, view, SHOT_STREAM])
    at = _spread(len(clip.pose3d), frames, view)
    kept = kept_joints(H36M_32, H36M_17)
    assert kept is not None
    camera = clip.cameras[view]
    pixels, found = (part.pose2d[view][at].astype(np.float64) * (WIDTH / camera.width) for part in (clip, noise))
    height, width = LABEL_CROP
    center, width_px = crops.keypoint_boxes(pixels, height, width)
    center += rng.uniform(-SHIFT, SHIFT, center.shape) * width_px[:, None]
    width_px *= rng.uniform(SMALLEST, LARGEST, width_px.shape)
    return Scene(
        shot=shot,
        look=draw_look(np.random.default_rng([seed, person, LOOK_STREAM])),
        camera=camera,
        points=seen_by(clip.pose3d[at][:, list(kept)], camera),
        pixels=pixels,
        found=found,
        center=center,
        width_px=width_px,
        rng=rng,
    )


def _spread(length: int, frames: int, view: int) -> NDArray[np.int64]:
    """Frames of a clip, evenly over it; those of its cameras fall between each other."""
    return ((np.arange(frames) + (view + 0.5) / len(CAMERAS)) * (length / frames)).astype(np.int64)


def _image_height(camera: Camera) -> int:
    return round(camera.height * WIDTH / camera.width)


def _records(scene: Scene) -> list[dict[str, Any]]:
    """The labels of a shot, but for the running number of its video."""
    shot, (height, width) = scene.shot, LABEL_CROP
    maps = crops.affine(scene.center, scene.width_px, height, width)
    size = np.stack((scene.width_px, scene.width_px * height / width), axis=-1)
    image_height, lens = _image_height(scene.camera), _lens(scene.camera)
    screens = [to_screen(torch.from_numpy(part), WIDTH, image_height).numpy() for part in (scene.pixels, scene.found)]
    in_crop = [crops.moved(part, maps).astype(np.float32) for part in (scene.pixels, scene.found)]
    return [
        {
            "image": f"{shot.stem}/{image_name(shot.stem, frame + 1)}",
            "joints_2d_gt": screens[0][frame],
            "joints_2d_cpn": screens[1][frame],
            "joints_2d_gt_crop": in_crop[0][frame],
            "joints_2d_cpn_crop": in_crop[1][frame],
            "joints_3d": scene.points[frame],
            "joints_vis": np.ones((H36M_17.num_joints, 3)),
            "image_id": frame + 1,
            "subject": shot.subject,
            "action": shot.act,
            "subaction": shot.subact,
            "camera_id": shot.camera,
            "source": "h36m",
            "camera": lens,
            "nposes": len(scene.points),
            "center": scene.center[frame],
            "scale": size[frame] / crops.SCALE_PX,
            "box": np.concatenate((scene.center[frame] - size[frame] / 2, scene.center[frame] + size[frame] / 2)),
        }
        for frame in range(len(scene.points))
    ]


def _lens(camera: Camera) -> dict[str, NDArray[np.float64]]:
    """The camera of the labels: pixels of the small image, millimetres."""
    lens, half = torch.from_numpy(camera.intrinsics).double(), WIDTH / 2
    focal = (lens[:2] * half).numpy()
    middle = to_pixels(lens[2:4], camera.width, camera.height).numpy() * (WIDTH / camera.width)
    turn = rotate(conjugate(torch.from_numpy(camera.orientation).double()), torch.eye(3, dtype=torch.float64)).numpy().T
    return {
        "R": turn,
        "T": camera.translation.astype(np.float64)[:, None] * MM,
        "fx": focal[:1],
        "fy": focal[1:],
        "cx": middle[:1],
        "cy": middle[1:],
        "k": lens[4:7, None].numpy(),
        "p": lens[7:9, None].numpy(),
    }


def _write_shot(folder: Path, scene: Scene, pattern: NDArray[np.int16]) -> None:
    rng, camera = scene.rng, scene.camera
    stem = scene.shot.stem
    place = folder / stem
    place.mkdir(parents=True)
    behind = draw_background(rng, WIDTH, _image_height(camera))
    blur_px = rng.uniform(0, LARGEST_BLUR_PX)
    focal_px = float(camera.intrinsics[0]) * WIDTH / 2
    drawing = figures(scene.points, scene.pixels, focal_px, scene.look)
    for frame in range(len(scene.points)):
        image = behind.copy()
        draw_figure(image, drawing, frame, blur_px)
        noisy(image, pattern, rng).save(place / image_name(stem, frame + 1), "JPEG", quality=QUALITY)
