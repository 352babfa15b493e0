"""Simulated 2D keypoint detector: jitter, outliers, and left-right swaps."""

from __future__ import annotations

import math
import zlib

import numpy as np
from numpy.typing import NDArray

from ...poses.skeleton import H36M_17
from .signals import Signal

# Pixels, per joint of H36M_17, on a person whose 2D box has a diagonal of 600 px.
SIGMA_PX = np.array((3.5, 3.5, 5.6, 7.7, 3.5, 5.6, 7.7, 4.2, 4.2, 4.9, 5.6, 4.2, 7.0, 9.8, 4.2, 7.0, 9.8))
BOX_PX, SMALLEST_SCALE, LARGEST_SCALE = 600.0, 0.5, 1.6
RHO, SLOW, WHITE = 0.9, 0.84, 0.55  # frame-to-frame correlation and share of the slow part; share of the rest
CALM, SHAKY, SHAKY_SHARE = 0.9, 1.8, 0.1  # factors on the noise of a joint in a frame
# Share of frames in which a joint is somewhere else altogether, and how far away at scale 1.
OUTLIER_RATE = np.array(
    (
        *(0.0005, 0.0005, 0.003, 0.006, 0.0005, 0.003, 0.006, 0.001, 0.001, 0.002, 0.002),
        *(0.001, 0.005, 0.01, 0.001, 0.005, 0.01),
    )
)
OUTLIER_PX = (25.0, 90.0)
SWAP_RATE, SWAP_GOES_ON = 0.0012, 1 / 6  # starts per frame; success rate of the geometric length
LEGS = ((1, 2, 3), (4, 5, 6))
ARMS = ((14, 15, 16), (11, 12, 13))


def detections(pixels: Signal, subject: str, action: str, camera: str) -> Signal:
    """Adds detector errors to true pixels [n, 17, 2] of H36M_17; the three names are the seed."""
    assert pixels.shape[1] == H36M_17.num_joints, pixels.shape
    rng = np.random.default_rng(zlib.crc32(f"{subject}/{action}/{camera}".encode()))
    diagonal = np.linalg.norm(pixels.max(1) - pixels.min(1), axis=-1)
    scale = np.clip(diagonal / BOX_PX, SMALLEST_SCALE, LARGEST_SCALE)[:, None]
    found: Signal = pixels + _shaking(rng, pixels.shape) * (SIGMA_PX * scale)[..., None]
    found += _outliers(rng, pixels.shape[:2]) * scale[..., None]
    for right, left in (LEGS, ARMS):
        swapped = _swaps(rng, len(pixels))[:, None, None]
        sides = found[:, right + left]
        found[:, left + right] = np.where(swapped, sides, found[:, left + right])
    return found


def _shaking(rng: np.random.Generator, shape: tuple[int, ...]) -> Signal:
    """Draws jitter [n, J, 2] of standard deviation about 1 along each axis."""
    slow = rng.standard_normal(shape)
    slow[1:] *= math.sqrt(1 - RHO**2)
    # A sum over all earlier frames, each weaker by RHO: every round doubles how many of them are in it.
    step = 1
    while step < len(slow):
        slow[step:] += RHO**step * slow[:-step]
        step *= 2
    factor = np.where(rng.random(shape[:2]) < SHAKY_SHARE, SHAKY, CALM)
    errors: Signal = factor[..., None] * (SLOW * slow + WHITE * rng.standard_normal(shape))
    return errors


def _outliers(rng: np.random.Generator, shape: tuple[int, ...]) -> Signal:
    """Draws displacements [n, J, 2] in pixels at scale 1, nearly all 0."""
    is_out = rng.random(shape) < OUTLIER_RATE
    length, angle = rng.uniform(*OUTLIER_PX, shape) * is_out, rng.uniform(0, 2 * np.pi, shape)
    displaced: Signal = length[..., None] * np.stack((np.cos(angle), np.sin(angle)), axis=-1)
    return displaced


def _swaps(rng: np.random.Generator, num_frames: int) -> NDArray[np.bool_]:
    """Draws the frames [n] in which left and right are exchanged, in stretches of 2 frames or more."""
    first = np.flatnonzero(rng.random(num_frames) < SWAP_RATE)
    end = np.minimum(first + 1 + rng.geometric(SWAP_GOES_ON, len(first)), num_frames)
    change = np.zeros(num_frames + 1)
    np.add.at(change, first, 1)
    np.add.at(change, end, -1)
    return np.cumsum(change)[:-1] > 0
