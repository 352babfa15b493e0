"""Euler rotations: matrices from angles about the axes x, y and z."""

from __future__ import annotations

from functools import reduce

import numpy as np
from numpy.typing import NDArray

from .axes import AXES

Signal = NDArray[np.float64]


def turned(axes: str, angles: Signal) -> Signal:
    """Returns matrices [n, 3, 3] = R(axes[0], angles[:, 0]) R(axes[1], angles[:, 1]) ...; radians [n, k], the last
    first."""
    assert angles.ndim == 2, angles.shape
    assert angles.shape[1] == len(axes), (axes, angles.shape)
    still: Signal = np.broadcast_to(np.eye(3), (len(angles), 3, 3))
    return reduce(np.matmul, (_about(axis, angles[:, at]) for at, axis in enumerate(axes)), still)


def _about(axis: str, angle: Signal) -> Signal:
    first, second = ((AXES.index(axis) + step) % 3 for step in (1, 2))
    matrices = np.zeros((len(angle), 3, 3))
    matrices[:, AXES.index(axis), AXES.index(axis)] = 1
    matrices[:, first, first] = matrices[:, second, second] = np.cos(angle)
    matrices[:, second, first] = np.sin(angle)
    matrices[:, first, second] = -matrices[:, second, first]
    return matrices


def moved(matrices: Signal, vector: Signal) -> Signal:
    """Returns vectors [n, 3] = matrices [n, 3, 3] times one vector [3]."""
    result: Signal = matrices @ vector
    return result
