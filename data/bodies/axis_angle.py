"""Rotations as axis-angle vectors in radians, [..., 3], and as unit quaternions w, x, y, z, [..., 4]; numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

SMALLEST_ANGLE = 1e-12  # radians; below it there is no axis


def matrices(axis_angle: Numbers) -> Numbers:
    """Converts axis-angle vectors to matrices [..., 3, 3] that rotate column vectors."""
    angle = np.linalg.norm(axis_angle, axis=-1, keepdims=True)
    x, y, z = np.moveaxis(axis_angle / np.maximum(angle, SMALLEST_ANGLE), -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack((zero, -z, y, z, zero, -x, -y, x, zero), axis=-1).reshape(*x.shape, 3, 3)
    sine, cosine = np.sin(angle)[..., None], np.cos(angle)[..., None]
    found: Numbers = np.eye(3) + sine * cross + (1 - cosine) * (cross @ cross)
    return found


def quaternions(axis_angle: Numbers) -> Numbers:
    """Converts axis-angle vectors to unit quaternions."""
    half = np.linalg.norm(axis_angle, axis=-1, keepdims=True) / 2
    # sinc goes on where the angle is 0, and so does the direction.
    return np.concatenate((np.cos(half), axis_angle * np.sinc(half / np.pi) / 2), axis=-1)


def product(first: Numbers, second: Numbers) -> Numbers:
    """Returns the quaternion of rotating by `second`, then by `first`."""
    w1, x1, y1, z1 = np.moveaxis(first, -1, 0)
    w2, x2, y2, z2 = np.moveaxis(second, -1, 0)
    return np.stack(
        (
            w1 * w2 - x1 * x2 - y1 * y2 - z1 * z2,
            w1 * x2 + x1 * w2 + y1 * z2 - z1 * y2,
            w1 * y2 - x1 * z2 + y1 * w2 + z1 * x2,
            w1 * z2 + x1 * y2 - y1 * x2 + z1 * w2,
        ),
        axis=-1,
    )


def of_quaternions(quaternion: Numbers) -> Numbers:
    """Converts unit quaternions to axis-angle vectors; the angle is at most pi."""
    turned = np.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    length = np.linalg.norm(turned[..., 1:], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(length, turned[..., :1])
    found: Numbers = turned[..., 1:] * np.where(length > SMALLEST_ANGLE, angle / np.maximum(length, SMALLEST_ANGLE), 2)
    return found


def of_matrices(matrix: Numbers) -> Numbers:
    """Converts rotation matrices [..., 3, 3] to axis-angle vectors, at any angle: the quaternion is the eigenvector to
    the largest eigenvalue of a symmetric matrix."""
    (a, b, c), (d, e, f), (g, h, i) = np.moveaxis(matrix, (-2, -1), (0, 1))
    rows = (
        (a + e + i, h - f, c - g, d - b),
        (h - f, a - e - i, b + d, c + g),
        (c - g, b + d, e - a - i, f + h),
        (d - b, c + g, f + h, i - a - e),
    )
    symmetric = np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
    return of_quaternions(np.linalg.eigh(symmetric).eigenvectors[..., -1])


def composed(*rotations: Numbers) -> Numbers:
    """Composes rotations [..., 3] into one; the last is carried out first."""
    found = quaternions(rotations[0])
    for rotation in rotations[1:]:
        found = product(found, quaternions(rotation))
    return of_quaternions(found)
