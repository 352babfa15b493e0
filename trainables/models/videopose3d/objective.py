"""VideoPose3D's loss, and its poses as the published protocol scores them."""

from __future__ import annotations

import torch
from torch import Tensor

from data.batch import Batch
from trainables.entry import Prediction

from .config import ObjectiveConfig


def terms(prediction: Prediction, batch: Batch, objective: ObjectiveConfig) -> dict[str, Tensor]:
    """Mean distance over all joints in metres (MPJPE); the root counts, its target is 0."""
    assert batch.pose3d is not None, "the loss needs Batch.pose3d"
    return {"mpjpe": _distance(prediction.pose3d - batch.pose3d).mean()}


def poses(prediction: Prediction) -> Tensor:
    """[B, F, J, 3] metres as the network gives them: nothing is taken off, as published."""
    return prediction.pose3d


def _distance(difference: Tensor) -> Tensor:
    """Lengths over the last axis; `norm` has slope 0 where a length is 0, unlike the root of the squares."""
    return torch.linalg.vector_norm(difference, dim=-1)
