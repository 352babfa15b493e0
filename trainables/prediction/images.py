"""`predict` for networks that read images: crops each around its keypoints and predicts a 3D pose."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor, nn

from data.batches.batch import Batch, Sizes
from data.images.crops import cropped
from data.inputs.detectors.detected import Detected
from data.inputs.keypoints import Told
from data.inputs.photos import Photos, detected_photo, read_photos
from data.poses.geometry import to_screen

from ..cli.predict import PredictRequest, check_length
from ..entry import Model
from ..pictures.rendering import render
from ..pictures.skeletons import Scene
from ..scoring.evaluation import Poses, from_root, poses_of
from .input import Lifted, lifted_poses

IMAGES = 32  # decoded at a time, and in one pass of the network; bounds the memory, the poses do not depend on it


def given_photos(request: PredictRequest, told: Told, found: Detected | None) -> GivenPhotos:
    """Reads the images of the request; found: the people in the one photo that it is. DataError with all problems of
    them, ConfigError when a picture cannot show them."""
    path, skeleton = request.inputs[0], request.config.data.sizes.skeleton
    photos = read_photos(path, told, skeleton) if found is None else detected_photo(path, found, told, skeleton)
    check_length(request, photos.path, len(photos.files))
    return GivenPhotos(request, photos)


@dataclass(frozen=True, slots=True)
class GivenPhotos:
    """Images with keypoints as an `Input` of `predict`."""

    request: PredictRequest
    photos: Photos

    @property
    def made(self) -> tuple[str, ...]:
        return self.photos.made

    def told(self) -> list[str]:
        height, width = self.request.config.data.sizes.crop
        count = len(self.photos.files)
        shown = (
            f"{count} image{'s' if count > 1 else ''}, {self.photos.layout} joints, crops of {width} x {height} pixels"
        )
        return [f"{self.photos.path}: {shown}"]

    def notes(self) -> list[str]:
        return list(self.photos.notes)

    def lift(self, network: nn.Module, model: Model, device: torch.device) -> Lifted:
        """Predicts a pose for each image. The trunk runs here, also for a head that was trained on cached features."""
        config, trunk = self.request.config, None
        if "features" in config.traits.reads:
            assert model.trunk is not None, f"{config.model} reads features and names no trunk"
            trunk = model.trunk(config.network, Path(config.data.root)).to(device).eval()

        def poses(batch: Batch) -> Tensor:
            if trunk is not None:
                assert batch.image is not None, "there is no image to make features of"
                batch = dataclasses.replace(batch, features=trunk(batch.image[:, 0]).unsqueeze(1))
            return model.poses(network(batch))

        photos = self.photos
        pose3d = lift_photos(poses, photos, config.data.sizes, device, flip=self.request.flip).numpy()
        beside = {
            "keypoints": photos.pixels.astype(np.float32),
            "files": np.array(photos.files),
            "width": photos.sizes[:, 0],
            "height": photos.sizes[:, 1],
            "fps": np.array(photos.fps),
        }
        return lifted_poses(pose3d, beside, config.data)

    def draw(self, lifted: Lifted, file: BinaryIO, suffix: str) -> None:
        photos = self.photos
        scene = Scene(
            pose3d=lifted.found["pose3d"], keypoints=photos.pixels[None],
            is_filled=np.zeros((1, lifted.count), np.bool_), skeleton=lifted.skeleton, sizes=photos.sizes[None],
            fps=photos.fps, names=photos.files, photo=lambda _, at: photos.image(at),
        )  # fmt: skip
        render(scene, file, suffix, ", ".join(path.name for path in self.request.inputs))


@torch.no_grad()
def lift_photos(poses: Poses, photos: Photos, sizes: Sizes, device: torch.device, *, flip: bool = False) -> Tensor:
    """Predicts poses [n, J, 3] metres, root at zero, camera axes, on the CPU."""
    found = []
    for first in range(0, len(photos.files), IMAGES):
        rows = range(first, min(first + IMAGES, len(photos.files)))
        pose = poses_of(poses, photo_batch(photos, rows, sizes, device), sizes.skeleton, flip=flip)
        found.append(from_root(pose.flatten(-4, -3), sizes.skeleton))
    return torch.cat(found)


def photo_batch(photos: Photos, rows: Sequence[int], sizes: Sizes, device: torch.device) -> Batch:
    """Returns the crops of some images, the keypoints in them, and the keypoints in the whole images, each in its own
    size."""
    images, inside, screen = [], [], []
    for row in rows:
        points = photos.pixels[row]
        image, crop2d = cropped(photos.image(row), points, *sizes.crop)
        images.append(torch.from_numpy(image))
        inside.append(torch.from_numpy(crop2d))
        screen.append(to_screen(torch.from_numpy(points), *photos.sizes[row].tolist()).float())
    return Batch(
        size=len(rows),
        image=torch.stack(images).unsqueeze(1).to(device),
        crop2d=torch.stack(inside)[:, None, None].to(device),
        pose2d=torch.stack(screen)[:, None, None].to(device),
    )
