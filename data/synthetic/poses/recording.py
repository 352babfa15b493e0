"""Simulated recording of synthetic motion: projection, resampling to other frame rates, lost frames."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ...poses.geometry import project, to_pixels, world_to_camera
from ...poses.poseset import Array, Camera
from .signals import Signal

PIXEL_GRID = 64  # steps per pixel; makes the same bytes on every processor, as the grid of the 3D does


def pixels_of(poses: Array, camera: Camera) -> Signal:
    """Projects world poses [n, J, 3] to pixels [n, J, 2] through the full lens model."""
    screen = project(_seen(poses, camera), torch.from_numpy(camera.intrinsics).double())
    pixels: Signal = to_pixels(screen, camera.width, camera.height).numpy()
    return pixels


def seen_by(poses: Array, camera: Camera) -> Signal:
    """Transforms world poses [n, J, 3] to the axes of a camera."""
    points: Signal = _seen(poses, camera).numpy()
    return points


def _seen(poses: Array, camera: Camera) -> torch.Tensor:
    orientation, translation = torch.from_numpy(camera.orientation), torch.from_numpy(camera.translation)
    return world_to_camera(torch.from_numpy(poses).double(), orientation.double(), translation.double())


def on_grid(values: Signal, steps_per_unit: int) -> Array:
    """Rounds values to multiples of 1 / steps_per_unit, float32."""
    return (np.rint(values * steps_per_unit) / steps_per_unit).astype(np.float32)


def resampled(poses: Signal, at: Signal) -> Signal:
    """Interpolates poses [n, ...] at the times `at` [m], counted in frames; returns [m, ...].

    The polynomial through the six frames around: at 50 Hz and below 6 Hz it keeps bones as long as they are, where one
    through four frames bends them by 0.2 mm. Edge frames repeat, so the outer two frames are not to be trusted."""
    nodes = np.arange(-2, 4)
    first = np.floor(at).astype(np.int64)
    away = (at - first)[:, None] - nodes
    others = [np.flatnonzero(nodes != node) for node in nodes]
    weights = np.stack(
        [away[:, rest].prod(1) / (node - nodes[rest]).prod() for node, rest in zip(nodes, others, strict=True)], axis=1
    )
    rows = np.clip(first[:, None] + nodes, 0, len(poses) - 1)
    between: Signal = np.einsum("mw, mw... -> m...", weights, poses[rows])
    return between


def lost_in_bursts(rng: np.random.Generator, kept: int, lost: int, bursts: int) -> NDArray[np.bool_]:
    """Draws a mask [kept + lost], true where a frame is kept; the lost ones lie in so many stretches, or fewer that
    touch."""
    assert lost >= bursts, (lost, bursts)
    gaps = 1 + rng.multinomial(lost - bursts, np.full(bursts, 1 / bursts)) if bursts else np.zeros(0, np.int64)
    stretches = rng.multinomial(kept, np.full(bursts + 1, 1 / (bursts + 1)))
    lengths = np.zeros(2 * bursts + 1, np.int64)
    lengths[::2], lengths[1::2] = stretches, gaps
    return np.repeat(np.arange(2 * bursts + 1) % 2 == 0, lengths)
