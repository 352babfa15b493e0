"""Losses shared by several models."""

from __future__ import annotations

from torch import Tensor


def mean_joint_distance(pred: Tensor, true: Tensor) -> Tensor:
    """Returns the mean Euclidean distance (MPJPE), a scalar, of joints [..., 3] in metres; its gradient at distance 0
    is 0."""
    distance: Tensor = (pred - true).norm(dim=-1)
    return distance.mean()
