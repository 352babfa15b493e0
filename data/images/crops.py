"""Image crops: bounding boxes of people, and the affine warp of a box to a fixed size.

Every warp is a similarity without rotation, x and y scaled alike, so a crop is defined by the centre of its box and the
box's width in the image. Pixels count from 0 at the middle of the first one. numpy and Pillow only: the processes that
decode import nothing heavier. Pillow, not OpenCV: it is here already, decodes and warps within 2 grey levels of the
published crops, and starts no threads of its own."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

Numbers = NDArray[np.float64]

# Metres around the root, at its depth: left, top, right, bottom; 2 m wide and high, a little lower than the root.
BODY_BOX = (-1.0, -0.9, 1.0, 1.1)
SCALE_PX = 200.0  # a "scale" in the labels of Human3.6M-Toolbox is a length in units of so many pixels
BOX_MARGIN = 1.2  # of the box that mesh sets label, to the larger side of what it holds
KEYPOINT_MARGIN = 1.25  # a box around keypoints, this much larger, holds the whole person
# Kinds that may hold several images of one standing; the others of an MPO, as phones write, are previews.
SEVERAL = ("GIF", "PNG", "TIFF", "WEBP")
LYING = (5, 6, 7, 8)  # orientations of EXIF that exchange width and height
SMALLEST_WIDTH_PX = 2.0  # one pixel has no extent to be scaled


def body_boxes(root: Numbers, focal_px: Numbers, center_px: Numbers) -> Numbers:
    """Computes boxes [..., 4] (left, top, right, bottom) in pixels of people with their root at [..., 3] metres in
    camera axes, through a lens without distortion, focal_px [..., 2] and center_px [..., 2]."""
    corners = np.array(BODY_BOX).reshape(2, 2) + root[..., None, :2]
    seen = focal_px[..., None, :] * corners / root[..., None, 2:] + center_px[..., None, :]
    found: Numbers = seen.reshape(*root.shape[:-1], 4)
    return found


def center_and_scale(boxes: Numbers) -> tuple[Numbers, Numbers]:
    """Returns the centre [..., 2] in pixels and the size [..., 2] in units of 200 pixels of boxes [..., 4]."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return (low + high) / 2, (high - low) / SCALE_PX


def keypoint_boxes(points: Numbers, height: int, width: int) -> tuple[Numbers, Numbers]:
    """Computes centres [..., 2] and widths [...] in pixels of boxes around keypoints [..., J, 2]: a quarter larger than
    their extent, grown to the aspect ratio of a crop of `height` and `width`."""
    low, high = points.min(-2), points.max(-2)
    extent = (high - low) * KEYPOINT_MARGIN
    widths = np.maximum(extent[..., 0], extent[..., 1] * (width / height))
    return (low + high) / 2, np.maximum(widths, SMALLEST_WIDTH_PX)


def affine(center: Numbers, width_px: Numbers, height: int, width: int) -> Numbers:
    """Returns matrices [..., 2, 3] from image pixels to pixels of a crop of `height` and `width`, for boxes centred at
    center [..., 2] and width_px [...] wide: the first and last pixel of the box's width become those of the crop's."""
    factor = (width - 1) / (np.asarray(width_px, np.float64) - 1)
    middle = np.array(((width - 1) / 2, (height - 1) / 2))
    found = np.zeros((*factor.shape, 2, 3))
    found[..., 0, 0] = found[..., 1, 1] = factor
    found[..., 2] = middle - factor[..., None] * center
    return found


def inverse(matrix: Numbers) -> Numbers:
    """Returns matrices [..., 2, 3] from crop pixels back to image pixels."""
    found = np.zeros_like(matrix)
    found[..., 0, 0] = found[..., 1, 1] = 1 / matrix[..., 0, 0]
    found[..., 2] = -matrix[..., 2] * found[..., 0, :1]
    return found


def moved(points: Numbers, matrix: Numbers) -> Numbers:
    """Transforms points [..., J, 2] by matrices [..., 2, 3]."""
    found: Numbers = points @ matrix[..., :2].swapaxes(-1, -2) + matrix[..., None, :, 2]
    return found


def to_crop_units(pixels: Numbers, height: int, width: int) -> Numbers:
    """Converts crop pixels [..., 2] to crop units, from -1 to 1 over the crop; the published networks divide by half
    the side, not by half of one less, so the last pixel is a little short of 1."""
    found: Numbers = pixels / np.array((width / 2, height / 2)) - 1
    return found


def decode(content: bytes) -> Image.Image:
    """Decodes the RGB image in a file's bytes, upright. ValueError with the reason when it is broken or truncated."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            # A phone stores pictures as they came off its sensor and tells how it was held; viewers and detectors turn
            # them, and keypoints are of the turned ones.
            ImageOps.exif_transpose(image, in_place=True)
            return _eight_bits(image).convert("RGB")
    except UnidentifiedImageError:
        raise ValueError("its bytes are of no kind of image that is known") from None
    # Pillow's decoders raise all of these, and its guard against huge images one more, on bytes that are no image.
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, Image.DecompressionBombError) as error:
        raise ValueError(str(error) or type(error).__name__) from None


def _eight_bits(image: Image.Image) -> Image.Image:
    """Returns an image of one channel of 16 bits with 8, others as they are; Pillow would cut all light above 255 off.
    ValueError for 32 bits, of which nothing tells what is white."""
    if image.mode in ("I", "F"):
        raise ValueError("its pixels have 32 bits, and nothing tells which is white; save it with 8 bits")
    if not image.mode.startswith("I;16"):
        return image
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))


def images_in(path: Path) -> int:
    """Returns how many images a file holds, 1 where it cannot be read."""
    try:
        with Image.open(path) as image:
            return getattr(image, "n_frames", 1) if image.format in SEVERAL else 1
    # All that Pillow raises on bytes that are no image.
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, Image.DecompressionBombError):
        return 1


def upright_size(path: Path) -> tuple[int, int] | None:
    """Returns width and height of an image file as `decode` turns it, by its header; None when there is none."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            is_lying = image.getexif().get(ExifTags.Base.Orientation, 1) in LYING
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    return (height, width) if is_lying else (width, height)


def warp(image: Image.Image, matrix: Numbers, height: int, width: int) -> NDArray[np.uint8]:
    """Warps an RGB image to a crop [Y, X, 3], bilinear, black where it reaches beyond; matrix [2, 3] from image to
    crop."""
    back = inverse(matrix)
    step = float(back[0, 0])
    # Pillow's coordinates count from the corner of the first pixel, ours from its middle.
    shift = (back[:, 2] + (1 - step) / 2).tolist()
    terms = (step, 0.0, shift[0], 0.0, step, shift[1])
    found = image.transform((width, height), Image.Transform.AFFINE, terms, Image.Resampling.BILINEAR)
    return np.asarray(found)


def cropped(
    image: Image.Image, keypoints: Numbers, height: int, width: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Crops an RGB image around a person with keypoints [J, 2] in its pixels; returns the crop [3, Y, X] and the
    keypoints [J, 2] in crop units. For images without 3D: the box is that of `keypoint_boxes`."""
    points = np.asarray(keypoints, np.float64)
    matrix = affine(*keypoint_boxes(points, height, width), height, width)
    pixels = np.ascontiguousarray(warp(image, matrix, height, width).transpose(2, 0, 1))
    return pixels, to_crop_units(moved(points, matrix), height, width).astype(np.float32)
