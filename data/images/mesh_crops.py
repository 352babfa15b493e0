"""Crops and augmentation of mesh sets: rotation, scaling, colour jitter and mirroring of images and labels, as in
MeshGraphormer's published code.

A box of side `200 * scale` pixels around a centre becomes a crop of SIDE pixels. The published steps are kept, with
their roundings: corners of boxes and 2D joints are truncated to whole pixels, and an image is rotated before it is
resized. numpy and Pillow only, because this runs in threads beside training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..bodies.axis_angle import composed
from ..config import MESH_CROP
from .crops import SCALE_PX

Numbers = NDArray[np.float64]

SIDE = MESH_CROP[0]  # pixels of a crop
FARTHEST_TURN = 2.0  # standard deviations; turns beyond are cut
STILL_SHARE = 0.6  # of the samples, which are not turned
# Parts of the body model that change places in a mirror; a hand has none.
MIRRORED_PARTS = (0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20, 23, 22)
MIRRORED_AXES = np.array((1.0, -1.0, -1.0))  # of an axis of rotation


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """Augmentation of B samples: turn [B] degrees, counterclockwise in the image; zoom [B], factor on the box; gain
    [B, 3] of red, green and blue; mirrored [B]."""

    turn: Numbers
    zoom: Numbers
    gain: Numbers
    mirrored: NDArray[np.bool_]

    @classmethod
    def none(cls, count: int) -> Change:
        """Returns the identity: no augmentation of `count` samples."""
        return cls(turn=np.zeros(count), zoom=np.ones(count), gain=np.ones((count, 3)), mirrored=np.zeros(count, bool))


def draw_changes(
    keys: Sequence[tuple[int, ...]], *, turn_deg: float, zoom_sd: float, gain: float, mirror: float
) -> Change:
    """Draws the augmentation of each sample from its own key. turn_deg and zoom_sd: standard deviations; gain: largest
    relative change of a colour; mirror: probability."""
    drawn = np.empty((len(keys), 7))
    for at, key in enumerate(keys):
        rng = np.random.default_rng(key)
        drawn[at, :2], drawn[at, 2:] = rng.standard_normal(2), rng.random(5)
    turn = turn_deg * drawn[:, 0].clip(-FARTHEST_TURN, FARTHEST_TURN)
    return Change(
        turn=np.where(drawn[:, 2] < STILL_SHARE, 0.0, turn),
        zoom=(1 + zoom_sd * drawn[:, 1]).clip(1 - zoom_sd, 1 + zoom_sd),
        gain=1 + gain * (2 * drawn[:, 3:6] - 1),
        mirrored=drawn[:, 6] < mirror,
    )


def crop_matrices(center: Numbers, scale: Numbers, turn: Numbers) -> Numbers:
    """Returns matrices [B, 3, 3] from pixels of an image to those of its crop; center [B, 2], scale [B], turn [B]
    degrees."""
    factor = SIDE / (SCALE_PX * scale)
    found = np.zeros((len(scale), 3, 3))
    found[:, 0, 0] = found[:, 1, 1] = factor
    found[:, :2, 2] = SIDE / 2 - factor[:, None] * center
    found[:, 2, 2] = 1
    about = np.zeros_like(found)
    about[:] = np.eye(3)
    about[:, :2, :2] = _in_plane(turn)
    about[:, :2, 2] = SIDE / 2 - (about[:, :2, :2] @ np.full((2, 1), SIDE / 2))[..., 0]
    return about @ found


def _in_plane(turn: Numbers) -> Numbers:
    """Returns matrices [B, 2, 2] that rotate x and y, y down, counterclockwise by degrees [B]."""
    angle = -np.radians(turn)
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.stack((cosine, -sine, sine, cosine), axis=-1).reshape(-1, 2, 2)


def crop_image(
    image: Image.Image, center: Numbers, scale: float, turn: float, gain: Numbers, *, is_mirrored: bool
) -> NDArray[np.uint8]:
    """Crops one RGB image with its augmentation to [3, SIDE, SIDE], black beyond its border."""
    back = SCALE_PX * scale / SIDE
    low = np.trunc(center - back * SIDE / 2).astype(int)
    high = np.trunc(center + back * SIDE / 2).astype(int)
    high = np.maximum(high, low + 1)  # a box of less than a pixel
    if turn:
        extent = high - low
        pad = int(np.linalg.norm(extent) / 2 - extent[1] / 2)
        low, high = low - pad, high + pad
        width, height = (high - low).tolist()
        angle = np.radians(turn)
        # Back from a turned pixel to where it comes from; Pillow counts from the corner of a pixel, and so both middles
        # are half the size. What the pad would hold is cut off, so it is not made.
        cosine, sine = float(np.cos(angle)), float(np.sin(angle))
        x, y = pad - width / 2, pad - height / 2
        terms = (cosine, -sine, cosine * x - sine * y + width / 2, sine, cosine, sine * x + cosine * y + height / 2)
        inner = (width - 2 * pad, height - 2 * pad)
        canvas = image.crop((*low.tolist(), *high.tolist()))
        canvas = canvas.transform(inner, Image.Transform.AFFINE, terms, Image.Resampling.BILINEAR)
    else:
        canvas = image.crop((*low.tolist(), *high.tolist()))
    found = _resized(canvas)
    if is_mirrored:
        found = found.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if (gain != 1).any():
        tables = np.rint(np.arange(256) * gain[:, None]).clip(0, 255).astype(int)
        found = found.point(tables.reshape(-1).tolist())
    return np.asarray(found).transpose(2, 0, 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Boxed:
    """Decoded images of B samples with a bounding box in each: center [B, 2] pixels, scale [B] its side in units of 200
    pixels."""

    images: tuple[Image.Image, ...]
    center: Numbers
    scale: Numbers

    def crops(self, zoom: float = 1.0, turn: float = 0.0) -> NDArray[np.uint8]:
        """Crops the boxes, enlarged by `zoom` and rotated by `turn` degrees counterclockwise, to [B, 1, 3, SIDE, SIDE];
        by default as they are scored, otherwise as the same augmentation crops them in training."""
        plain = Change.none(1).gain[0]
        found = [
            crop_image(image, center, float(scale) * zoom, turn, plain, is_mirrored=False)
            for image, center, scale in zip(self.images, self.center, self.scale, strict=True)
        ]
        return np.stack(found)[:, None]


def _resized(image: Image.Image) -> Image.Image:
    """Resizes to SIDE x SIDE, each pixel from the two by two around its middle, at any reduction."""
    size = (SIDE, SIDE)
    if image.width <= SIDE:  # five times as fast, but it softens what it makes smaller
        return image.resize(size, Image.Resampling.BILINEAR)
    terms = (image.width / SIDE, 0.0, 0.0, 0.0, image.height / SIDE, 0.0)
    return image.transform(size, Image.Transform.AFFINE, terms, Image.Resampling.BILINEAR)


def moved_joints2d(
    joints: Numbers, center: Numbers, scale: Numbers, change: Change, mirror: Sequence[int]
) -> NDArray[np.float32]:
    """Transforms joints [B, J, 3] from image pixels to crop units in [-1, 1], with the augmentation; confidence stays.
    `scale` as labelled; mirror: the joint that each becomes."""
    matrices = crop_matrices(center, scale * change.zoom, change.turn)
    pixels = joints[..., :2] @ matrices[:, :2, :2].swapaxes(1, 2) + matrices[:, None, :2, 2]
    placed = np.concatenate((2 * (np.trunc(pixels) + 1) / SIDE - 1, joints[..., 2:]), axis=-1)
    return _mirrored(placed, change, mirror).astype(np.float32)


def turned_joints3d(joints: Numbers, change: Change, mirror: Sequence[int]) -> NDArray[np.float32]:
    """Rotates joints [B, J, 4] in camera axes about the line of sight through the origin, and mirrors them."""
    turned = joints.copy()
    turned[..., :2] = joints[..., :2] @ _in_plane(change.turn).swapaxes(1, 2)
    return _mirrored(turned, change, mirror).astype(np.float32)


def turned_pose(pose: Numbers, change: Change) -> NDArray[np.float32]:
    """Rotates the root of poses [B, 3 K] axis-angle like the image, and mirrors them, which only bodies can be."""
    parts = pose.reshape(len(pose), -1, 3).copy()
    about = np.zeros((len(pose), 3))
    about[:, 2] = -np.radians(change.turn)
    is_turned = change.turn != 0
    parts[is_turned, 0] = composed(about[is_turned], parts[is_turned, 0])
    if change.mirrored.any():
        assert parts.shape[1] == len(MIRRORED_PARTS), "a hand in a mirror is the other hand"
        parts[change.mirrored] = parts[change.mirrored][:, list(MIRRORED_PARTS)] * MIRRORED_AXES
    return parts.reshape(pose.shape).astype(np.float32)


def _mirrored(points: Numbers, change: Change, mirror: Sequence[int]) -> Numbers:
    found = points.copy()
    found[change.mirrored] = points[change.mirrored][:, list(mirror)]
    found[change.mirrored, :, 0] *= -1
    return found
