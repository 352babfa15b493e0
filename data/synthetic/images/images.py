"""Synthetic image set: frames of the synthetic Human3.6M motion as images, in the layout of Human3.6M-Toolbox."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats.images.h36m_images import IMAGES
from ...formats.images.h36m_labels import CROP, Labelled, focal_and_center, records, write_labels
from ...formats.images.h36m_shots import ACTIONS, CAMERAS, FILES, FIRST_ACT, Shot
from ...images import crops
from ...poses.poseset import Camera, Sequence, image_name
from ...poses.skeleton import H36M_17, H36M_32, kept_joints
from ..poses.h36m import MEAN_FRAMES, synthetic_h36m
from ..poses.recording import seen_by
from ..poses.signals import Signal
from .figures import LARGEST_BLUR_PX, Look, draw_background, draw_figure, draw_look, draw_noise, figures, noisy

NAME = "synthetic_images"
IMAGES_DEFAULT = 6000
WIDTH = 400  # pixels of an image; the real ones have 1000, of which a crop of 192 keeps as little
QUALITY = 80  # of the JPEG files
# Of the box around the keypoints: shift of its middle in widths, and size. They take the person's scale from the crop.
SHIFT, SMALLEST, LARGEST = 0.05, 0.9, 1.2
NOISE_STREAM, SHOT_STREAM = 4, 5  # of the random streams; see motion.py


def write_images(folder: Path, seed: int, count: int, *, mean_frames: int = MEAN_FRAMES) -> None:
    """Writes `count` images of all subjects, takes and cameras, and the labels: a whole set, into an empty folder.

    Images of one shot lie evenly over its clip, those of its cameras between each other; mean_frames: of the clips. The
    same seed gives the same bytes with the same Pillow."""
    truth = synthetic_h36m(seed, keypoints="gt", mean_frames=mean_frames)
    found = synthetic_h36m(seed, keypoints="det", mean_frames=mean_frames)
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
        labels[file] += records(_labelled(scene), video)
        video += 1
    for file, found_labels in labels.items():
        if found_labels:
            write_labels(folder / file, found_labels)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """One shot of n frames, seen by its camera. points [n, 17, 3] metres in camera axes; pixels and found [n, 17, 2],
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
    height, width = CROP
    center, width_px = crops.keypoint_boxes(pixels, height, width)
    center += rng.uniform(-SHIFT, SHIFT, center.shape) * width_px[:, None]
    width_px *= rng.uniform(SMALLEST, LARGEST, width_px.shape)
    return Scene(
        shot=shot,
        # Clothes of the shot, not of the person: a network would learn the four wardrobes of four people.
        look=draw_look(rng),
        camera=camera,
        points=seen_by(clip.pose3d[at][:, list(kept)], camera),
        pixels=pixels,
        found=found,
        center=center,
        width_px=width_px,
        rng=rng,
    )


def _spread(length: int, frames: int, view: int) -> NDArray[np.int64]:
    """Returns frames of a clip, evenly over it; those of its cameras fall between each other."""
    return ((np.arange(frames) + (view + 0.5) / len(CAMERAS)) * (length / frames)).astype(np.int64)


def _image_height(camera: Camera) -> int:
    return round(camera.height * WIDTH / camera.width)


def _labelled(scene: Scene) -> Labelled:
    height, width = CROP
    size = np.stack((scene.width_px, scene.width_px * height / width), axis=-1)
    return Labelled(
        shot=scene.shot,
        points=scene.points,
        keypoints={"gt": scene.pixels, "cpn": scene.found},
        center=scene.center,
        size=size,
        width=WIDTH,
        height=_image_height(scene.camera),
        camera=scene.camera,
    )


def _write_shot(folder: Path, scene: Scene, pattern: NDArray[np.int16]) -> None:
    rng, camera = scene.rng, scene.camera
    stem = scene.shot.stem
    place = folder / stem
    place.mkdir(parents=True)
    behind = draw_background(rng, WIDTH, _image_height(camera))
    blur_px = rng.uniform(0, LARGEST_BLUR_PX)
    focal_px = float(focal_and_center(camera, WIDTH)[0].mean())
    drawing = figures(scene.points, scene.pixels, focal_px, scene.look)
    for frame in range(len(scene.points)):
        image = behind.copy()
        draw_figure(image, drawing, frame, blur_px)
        noisy(image, pattern, rng).save(place / image_name(stem, frame + 1), "JPEG", quality=QUALITY)
