"""`predict` for mesh networks: predicts a mesh, its joints and a camera for each bounding box."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from data.config import LEFT
from data.images.mesh_crops import Boxed
from data.inputs.boxes import MeshImages, read_mesh_images
from data.inputs.keypoints import Told

from ..cli.outputs import PAGE
from ..cli.predict import PredictRequest, check_length
from ..entry import Meshes, Model
from ..pictures.films import length_of, step_of, write_film
from ..pictures.meshes import mesh_picture
from ..pictures.skeletons import NAME_SHOWN
from ..pictures.viewer.page import Shown, Surfaces, write_page
from ..runs.demands import check_run
from ..scoring.evaluation import meshes_of
from ..scoring.multiscale import RUNS, averaged
from ..scoring.submission import IMAGES as SUBMITTED
from .input import Lifted

# Decoded at a time, and in one pass of the network: they bound the memory, the meshes do not depend on them.
IMAGES, PIXELS = 32, 2**26
TELL_EVERY = 30.0  # seconds
# Factors that mirror the arrays of `Meshes` through the plane x = 0.
MIRRORED = {
    **dict.fromkeys(("joints", "vertices"), np.array((-1, 1, 1), np.float32)),
    "camera": np.array((1, -1, 1), np.float32),
}


def given_meshes(request: PredictRequest, told: Told) -> GivenMeshes:
    """Reads the images of the request; DataError with all problems of them, ConfigError when the body model is
    missing."""
    check_run(request.config, is_fresh=False, parts=())
    images = read_mesh_images(request.inputs[0], request.config.data.sizes.mesh, told)
    check_length(request, images.path, len(images.names))
    return GivenMeshes(request, images)


@dataclass(frozen=True, slots=True)
class GivenMeshes:
    """Images with bounding boxes as an `Input` of `predict`."""

    request: PredictRequest
    images: MeshImages

    @property
    def made(self) -> tuple[str, ...]:
        return ()

    def told(self) -> list[str]:
        count, (height, width) = len(self.images.names), self.request.config.data.sizes.crop
        boxes = f"{count} box{'es' if count > 1 else ''} of a {self.request.config.data.sizes.mesh}"
        return [f"{self.images.path}: {boxes}, crops of {width} x {height} pixels"]

    def notes(self) -> list[str]:
        notes, count, left = [], len(self.images.names), int(self.is_left.sum())
        if left:
            notes.append(f"{left} of {count} hands are left ones: mirrored for the network, their meshes mirrored back")
        if self.request.submission and left:
            notes.append("--submission: FreiHAND's evaluation has right hands only, in its order")
        if self.request.multiscale:
            notes.append(f"--multiscale: {len(RUNS)} passes over the images")
        if self.request.submission and count != SUBMITTED:
            notes.append(
                f"--submission: FreiHAND's evaluation wants {SUBMITTED} images in its order, these are {count}"
            )
        return notes

    @property
    def is_left(self) -> NDArray[np.bool_]:
        """Marks of left hands [n]: by the file, or by --hand where it does not tell; a body has none."""
        told = [self.request.hand if hand is None else hand for hand in self.images.hands]
        return np.array([hand == LEFT for hand in told]) & (self.request.config.data.sizes.mesh == "hand")

    @torch.no_grad()
    def lift(self, network: nn.Module, model: Model, device: torch.device) -> Lifted:
        assert model.surface is not None, f"{model.name} has no meshes"
        surface, count = model.surface(network), len(self.images.names)
        find, threads = meshes_of(network, model, device), max(1, self.request.config.data.workers)
        parts = []
        started = told_at = time.monotonic()
        is_left = self.is_left
        for piece in pieces(self.images.sizes):
            boxed = with_mirrored(self.images.boxed(piece), is_left[piece.start : piece.stop])
            plain = find(torch.from_numpy(boxed.crops()))
            parts.append(averaged(find, boxed, plain, threads) if self.request.multiscale else plain)
            if (now := time.monotonic()) - told_at > TELL_EVERY:
                told_at = now
                print(f"{piece.stop} of {count} boxes, {now - started:.0f} s", flush=True)
        found = {field.name: _joined(parts, field.name) for field in dataclasses.fields(Meshes)}
        for name, numbers in found.items():
            # Negated columns: x of points, and the shift in x of the camera.
            found[name] = np.where(_along(is_left, numbers), numbers * MIRRORED[name], numbers)
        joints, vertices, camera = (found[name] for name in ("joints", "vertices", "camera"))
        beside = {
            "faces": surface.faces,
            "boxes": self.images.boxes,
            "keypoints": projected(joints, camera, self.images.boxes),
            "files": np.array(self.images.names),
            "width": self.images.sizes[:, 0],
            "height": self.images.sizes[:, 1],
            "fps": np.array(self.images.fps),
        }
        if is_left.any():
            # In a mirror triangles run the other way round.
            beside |= {"is_left": is_left, "faces_left": np.ascontiguousarray(surface.faces[:, ::-1])}
        told = f"{vertices.shape[1]} vertices, {joints.shape[1]} joints, metres from the {surface.root}"
        poses = {"pose3d": joints, "vertices": vertices, "camera": camera}
        return Lifted(found=poses, beside=beside, skeleton=surface.skeleton, told=told)

    def draw(self, lifted: Lifted, file: BinaryIO, suffix: str) -> None:
        fps = self.images.fps
        if suffix == PAGE:
            write_page(file, self._page(lifted))
            return
        print(f"rendering {length_of(lifted.count, fps)}", flush=True)
        write_film(self._pictures(lifted, step_of(fps)), fps, file, suffix, every=step_of(fps))

    def _page(self, lifted: Lifted) -> Shown:
        images = self.images
        return Shown(
            title=images.path.name, pose3d=lifted.found["pose3d"], keypoints=lifted.beside["keypoints"][None],
            is_filled=np.zeros((1, lifted.count), np.bool_), sizes=images.sizes[None], skeleton=lifted.skeleton,
            fps=images.fps, names=images.names, photo=images.picture,
            surfaces=Surfaces(vertices=lifted.found["vertices"], faces=faces_of(lifted)),
        )  # fmt: skip

    def _pictures(self, lifted: Lifted, every: int) -> Iterator[Image.Image]:
        images, count = self.images, lifted.count
        vertices, camera = lifted.found["vertices"], lifted.found["camera"]
        faces = faces_of(lifted)
        for at in range(0, count, every):
            x, y, side = images.boxes[at].tolist()
            title = f"image {at} of {count}   {PurePath(images.names[at]).name[-NAME_SHOWN:]}"
            yield mesh_picture(images.picture(at), vertices[at], faces[at], camera[at], (x, y, side), title)


def with_mirrored(boxed: Boxed, is_left: NDArray[np.bool_]) -> Boxed:
    """Mirrors the images of left hands [B] with their boxes: to a network that knows right hands they are such."""
    flip = Image.Transpose.FLIP_LEFT_RIGHT
    images = [image.transpose(flip) if left else image for image, left in zip(boxed.images, is_left, strict=True)]
    width = np.array([image.width for image in boxed.images], np.float64)
    center = boxed.center.copy()
    center[is_left, 0] = (width - center[:, 0])[is_left]
    return dataclasses.replace(boxed, images=tuple(images), center=center)


def _along(flags: NDArray[np.bool_], numbers: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Reshapes flags [n] so that they go with numbers [n, ...]."""
    return flags.reshape(-1, *[1] * (numbers.ndim - 1))


def faces_of(lifted: Lifted) -> list[NDArray[np.int64]]:
    """Returns the faces of each mesh, counterclockwise from outside."""
    is_left = lifted.beside.get("is_left", np.zeros(lifted.count, np.bool_))
    return [lifted.beside["faces_left" if left else "faces"] for left in is_left.tolist()]


def pieces(sizes: NDArray[np.int64]) -> Iterator[range]:
    """Yields the images of sizes [n, 2] in their order, as many at a time as IMAGES and PIXELS allow, at least one."""
    first, pixels = 0, 0
    for at, own in enumerate(sizes.prod(1).tolist()):
        if at > first and (at - first >= IMAGES or pixels + own > PIXELS):
            yield range(first, at)
            first, pixels = at, 0
        pixels += own
    yield range(first, len(sizes))


def _joined(parts: list[Meshes], name: str) -> NDArray[np.float32]:
    tensors: list[Tensor] = [getattr(part, name) for part in parts]
    joined: NDArray[np.float32] = torch.cat([tensor.float().cpu() for tensor in tensors]).numpy()
    return joined


def projected(
    points: NDArray[np.float32], camera: NDArray[np.float32], boxes: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Projects points [n, J, 3], through cameras [n, 3] of `Meshes` and boxes [n, 3], to pixels [n, J, 2] of whole
    images."""
    inside = camera[:, None, :1] * (points[..., :2] + camera[:, None, 1:])
    pixels = boxes[:, None, :2] + boxes[:, None, 2:] / 2 * inside
    return pixels.astype(np.float32)
