"""An image set small enough to make in every test: noise for pictures, people four metres before the camera."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from data.batches.poses import DataModule
from data.config import DataConfig
from data.formats.images.h36m_images import IMAGES
from data.formats.images.h36m_labels import Labelled, focal_and_center, records, write_labels
from data.formats.images.h36m_shots import FILES, Shot
from data.formats.poses import h36m
from data.formats.source import read_poses
from data.images import crops
from data.poses.geometry import project, to_pixels
from data.poses.poseset import image_name

NAME = "synthetic_images"
WIDTH, HEIGHT = 100, 96
FIELDS = ("image", "crop2d", "pose2d", "pose3d")
SHOTS = {
    Shot(1, 2, 1, 0): 7,
    Shot(1, 2, 1, 1): 5,
    Shot(5, 14, 2, 3): 4,
    Shot(8, 3, 1, 2): 6,
    Shot(9, 16, 2, 0): 3,
}


def made_images(root, shots=SHOTS, *, around=None):
    """Writes the set; returns its folder. `around` (height, width): boxes are those of the true keypoints, for crops of
    that size, not those of the body."""
    folder, rng = Path(root) / NAME, np.random.default_rng(3)
    labels = {}
    for video, (shot, count) in enumerate(shots.items()):
        place = folder / IMAGES / shot.stem
        place.mkdir(parents=True)
        for number in range(count):
            levels = rng.integers(0, 256, (HEIGHT // 8, WIDTH // 5, 3), np.uint8)
            image = Image.fromarray(levels).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
            image.save(place / image_name(shot.stem, number + 1), quality=95)
        file = next(file for file, subjects in FILES.items() if f"S{shot.subject}" in subjects)
        labels.setdefault(file, []).extend(records(_labelled(shot, count, rng, around), video))
    for file, content in labels.items():
        write_labels(folder / file, content)
    return folder


def _labelled(shot, count, rng, around):
    large = h36m.h36m_cameras()[f"S{shot.subject}"][shot.camera]
    points = rng.uniform((-0.5, -0.5, 3.5), (0.5, 0.5, 4.5), (count, 17, 3))
    screen = project(torch.from_numpy(points), torch.from_numpy(large.intrinsics).double())
    pixels = to_pixels(screen, large.width, large.height).numpy() * (WIDTH / large.width)
    focal, middle = focal_and_center(large, WIDTH)
    center, scale = crops.center_and_scale(crops.body_boxes(points[:, 0], focal, middle))
    size = scale * crops.SCALE_PX
    if around is not None:
        center, width = crops.keypoint_boxes(pixels, *around)
        size = np.stack((width, width), -1)
    found = pixels + rng.normal(0, 0.5, pixels.shape)
    return Labelled(
        shot=shot, points=points, keypoints={"gt": pixels, "cpn": found}, center=center, size=size,
        width=WIDTH, height=HEIGHT, camera=large,
    )  # fmt: skip


def settings_for(root, **changes):
    """The data knobs of a made set, with crops of 64 x 32 in a cache beside it."""
    values = {"name": NAME, "root": str(root), "crop_height": 64, "crop_width": 32}
    subjects = {"train_subjects": ("S1", "S5"), "val_subjects": ("S8",), "test_subjects": ("S9",)}
    return DataConfig(**(values | subjects | changes))


def opened(root, parts=("train", "val"), **changes):
    """The data module of a made set."""
    options = {name: changes.pop(name) for name in ("reads", "shard") if name in changes}
    settings = settings_for(root, **changes)
    poses, split = read_poses(settings, parts)
    return DataModule(poses, split, settings, parts=parts, **options)


def every(module, part="train"):
    """All samples of a part."""
    return module.gather(part, torch.arange(module.count(part)), FIELDS)


def cut_directly(root, part):
    """The crops of a split, and the keypoints in them, without cache or module."""
    settings = settings_for(root)
    poses, _ = read_poses(settings, (part,))
    pixels, points = [], []
    for clip in poses.sequences:
        track = clip.images[0]
        for frame in range(len(track.numbers)):
            matrix = crops.affine(track.center[frame], track.width_px[frame], *settings.sizes.crop)
            image = crops.decode(track.file(frame).read_bytes())
            pixels.append(crops.warp(image, matrix, *settings.sizes.crop).transpose(2, 0, 1))
            points.append(crops.moved(clip.pose2d[0][frame].astype(np.float64), matrix) / (16, 32) - 1)
    return np.stack(pixels), np.stack(points)
