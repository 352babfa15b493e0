"""Smoothing of keypoints in time by the One-Euro filter (Casiez, Roussel and Vogel 2012): a low-pass filter that
follows fast motion and calms what stands still."""

from __future__ import annotations

import math

import numpy as np

from .detectors.numbers import Points

CUTOFF_HZ = 3.0  # of a joint at rest
# Hz more for each body size a second; with CUTOFF_HZ the least error on real motion (bench/inputs/detections.py).
BETA = 3.0
SPEED_CUTOFF_HZ = 1.0  # of the speed itself, as published
FEWEST = 3  # frames; fewer are left as they are


def smoothed(points: Points, fps: float) -> Points:
    """Returns points [n, J, 2] without nan, smoothed: the mean of the filter forward and backward in time, so that
    nothing lags behind."""
    if len(points) < FEWEST:
        return points
    extent = points.max(1) - points.min(1)
    size = max(float(np.median(np.hypot(extent[:, 0], extent[:, 1]))), 1e-6)
    both: Points = (_one_euro(points, fps, size) + _one_euro(points[::-1], fps, size)[::-1]) / 2
    return both


def _one_euro(points: Points, fps: float, size: float) -> Points:
    """Filters forward in time. Every frame needs the one before it, so frames are gone through one by one."""
    found = np.empty_like(points)
    found[0] = points[0]
    speed = np.zeros_like(points[0])
    share = _share(np.float64(SPEED_CUTOFF_HZ), fps)
    for at in range(1, len(points)):
        speed += share * ((points[at] - points[at - 1]) * fps / size - speed)
        # One cutoff for both coordinates: the filter must not depend on how the camera is turned.
        cutoff = CUTOFF_HZ + BETA * np.hypot(speed[:, 0], speed[:, 1])[:, None]
        found[at] = found[at - 1] + _share(cutoff, fps) * (points[at] - found[at - 1])
    return found


def _share(cutoff_hz: Points | np.float64, fps: float) -> Points:
    """Returns the share of a new value in a low-pass filter of first order."""
    found: Points = np.asarray(1 / (1 + fps / (2 * math.pi * cutoff_hz)))
    return found
